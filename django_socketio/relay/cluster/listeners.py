"""The processes that listen at the nodes of a Redis Cluster."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django_socketio.relay.cluster.router import NodeAccess, Router
from django_socketio.relay.cluster.topology import Node, slot_of
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.listeners import Listeners
from django_socketio.relay.topics import Topic


class ClusterListeners(Listeners):
    """The connections to all nodes, noted in one slot.

    A process has a connection to each node, which concerns the topics of that node only. Where its
    health check's channel is served shows which node that is.
    """

    reads_here = ""

    def __init__(self, router: Router, keyspace: Keyspace) -> None:
        super().__init__()
        self._router = router
        self._keyspace = keyspace
        self._key = keyspace.listeners

    def _evaluate(self, script: str, *args: str) -> Any:
        key = self._key
        return self._router.reach(
            slot_of(key), lambda access: access.publisher.evaluate(script, key, *args)
        )

    def leave(self, *channels: str) -> None:
        """Expect connections no more; raises RedisError if the cluster cannot be told."""
        key = self._key
        self._router.reach(
            slot_of(key), lambda access: access.publisher.ask("HDEL", key, *channels)
        )

    def _places(self, topics: Sequence[Topic]) -> set[Node | None]:
        return {self._owner(self._keyspace.channel(topic)) for topic in topics}

    def _away(self, channels: list[str], places: set[Node | None]) -> list[str]:
        at_node = defaultdict(list)
        for channel in channels:
            at_node[self._owner(channel)].append(channel)
        return [one for node in places & at_node.keys() for one in self._silent(at_node[node])]

    def _owner(self, channel: str) -> Node | None:
        return self._router.owner(slot_of(channel))

    def _silent(self, channels: list[str]) -> list[str]:
        """Return those of the channels of a node that nothing listens to."""

        def attempt(access: NodeAccess) -> list[Any]:
            found: list[Any] = access.publisher.ask("PUBSUB", "SHARDNUMSUB", *channels)
            return found

        found = self._router.reach(slot_of(channels[0]), attempt)
        return [name for name, count in zip(channels, found[1::2], strict=True) if not count]
