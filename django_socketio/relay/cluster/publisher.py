"""Publishing through a Redis Cluster: each topic through the node that serves its slot."""

from collections.abc import Sequence

from redis.exceptions import RedisError

from django_socketio.exceptions import RelayError
from django_socketio.relay.base import NOT_TAKEN
from django_socketio.relay.cluster.router import NodeAccess, NotFollowed, Router, unreachable
from django_socketio.relay.cluster.topology import slot_of
from django_socketio.relay.receipt import NOBODY, Receipt
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.line import NotSent
from django_socketio.relay.topics import Topic


class ClusterPublisher:
    """Hands messages on through the nodes of a cluster.

    Args:
        router: finds the node of a slot.
        keyspace: makes the names of topics' channels.

    """

    def __init__(self, router: Router, keyspace: Keyspace) -> None:
        self._router = router
        self._keyspace = keyspace

    def publish(
        self, topics: Sequence[Topic], message: bytes, id: str = "", keep: float = 0.0
    ) -> Receipt:
        """Hand a message on; return how many processes received it, for each topic.

        The topics of a slot get it in one step, one slot after the other, and share it.

        Args:
            id: of the message; without one, its topics do not share it.
            keep: seconds for which it is kept in any case; 0 for as long as the topics say.

        Raises:
            RelayError: the cluster did not take it in time, or refused it. Its text says so where
                other slots had taken it already.

        """
        until = self._router.deadline()
        slots = self._by_slot(topics)
        receipts: list[Receipt] = []
        for done, (slot, group) in enumerate(slots.items()):
            try:
                receipts.append(self._hand_on(slot, group, message, id, keep, until))
            except RedisError as error:
                part = f" for {', '.join(map(str, group))}, after {done} of {len(slots)} slots had"
                raise RelayError(f"{NOT_TAKEN}{part if done else ''}: {error}") from error
        return _together(receipts)

    def _by_slot(self, topics: Sequence[Topic]) -> dict[int, list[Topic]]:
        slots: dict[int, list[Topic]] = {}
        for topic in topics:
            slots.setdefault(slot_of(self._keyspace.channel(topic)), []).append(topic)
        return slots

    def _hand_on(
        self, slot: int, topics: list[Topic], message: bytes, id: str, keep: float, until: float
    ) -> Receipt:
        def attempt(access: NodeAccess) -> Receipt:
            # A connection that breaks later leaves open whether the node has done it: trying again
            # could deliver twice.
            try:
                received = access.publisher.send(topics, message, id, keep)
            except NotSent as error:
                raise unreachable(error.reason) from error
            if not received.is_accepted and self._router.moved_lately(slot):
                # A message without receivers is not kept, so it can be tried again.
                raise NotFollowed
            return received

        try:
            return self._router.run(slot, attempt, until)
        except NotFollowed:
            return NOBODY

    def descriptors(self) -> list[int]:
        """Return the descriptors of its connections to all nodes."""
        return self._router.descriptors()

    def close(self) -> None:
        """Close the connections."""
        self._router.close()


def _together(receipts: list[Receipt]) -> Receipt:
    """Return one receipt for the slots of a message."""
    if len(receipts) == 1:
        return receipts[0]
    return Receipt(sum(receipts), is_kept=any(one.is_kept for one in receipts))
