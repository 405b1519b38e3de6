"""Reading what a Redis Cluster keeps of topics, each from the node that serves its slot."""

from collections.abc import Callable

from django_socketio.relay.cluster.router import Result, Router
from django_socketio.relay.cluster.topology import slot_of
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.log import Entry, LogPart, RedisLog
from django_socketio.relay.topics import Topic


class ClusterLog:
    """The logs of a cluster's topics; every method raises RedisError if it cannot be asked."""

    def __init__(self, router: Router, keyspace: Keyspace) -> None:
        self._router = router
        self._keyspace = keyspace

    def position(self, topic: Topic) -> StreamPosition | None:
        """Return the position of a topic's last message; None for an idle topic."""
        return self._read(topic, lambda log, asking: log.position(topic, asking))

    def entries(self, topic: Topic, after: int, count: int | None = None) -> list[Entry]:
        """Return the entries of a topic's log after an offset."""
        return self._read(topic, lambda log, asking: log.entries(topic, after, count, asking))

    def part(self, topic: Topic, after: StreamPosition | None, count: int | None) -> LogPart:
        """Return the entries after a position, and the topic's position, read in one step."""
        return self._read(topic, lambda log, asking: log.part(topic, after, count, asking))

    def shared(self, key: str) -> bytes | None:
        """Return a message that several topics share; None if it is not kept."""
        return self._router.read(slot_of(key), lambda log, asking: log.shared(key, asking))

    def _read(self, topic: Topic, read: Callable[[RedisLog, bool], Result]) -> Result:
        return self._router.read(slot_of(self._keyspace.channel(topic)), read)
