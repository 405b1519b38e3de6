"""Publishing through a Redis Cluster: each topic through the node that serves its slot."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from redis.exceptions import RedisError

from django_socketio.exceptions import RelayError
from django_socketio.relay.cluster.firsts import FirstMessages
from django_socketio.relay.cluster.router import NodeAccess, NotFollowed, Router, unreachable
from django_socketio.relay.cluster.topology import slot_of
from django_socketio.relay.receipt import NOBODY, Receipt
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.line import NotSent
from django_socketio.relay.redis.lost_answers import Unanswered
from django_socketio.relay.redis.packing import Outgoing, batches, runs
from django_socketio.relay.redis.refusals import accepted, reason_of, refusing, told
from django_socketio.relay.topics import Topic

Slots = dict[int, list[Topic]]
"""Topics by their slots."""


class ClusterPublisher:
    """Hands messages on through the nodes of a cluster.

    Args:
        router: finds the node of a slot.
        keyspace: makes the names of topics' channels.

    """

    def __init__(self, router: Router, keyspace: Keyspace) -> None:
        self._router = router
        self._keyspace = keyspace
        self._firsts = FirstMessages(router, keyspace)

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
        return _slot_by_slot(
            slots, lambda slot, group: self._hand_on(slot, group, message, id, keep, until)
        )

    def publish_once(self, message: Outgoing) -> Receipt:
        """Hand a message with an idempotency key on, unless one with the same key was before.

        Each slot knows what it has published: if one fails, the others do not repeat it.

        Raises:
            RelayError: as ``publish``.

        """
        slots = self._by_slot(message.topics)
        if len(slots) == 1:
            return self._publish_parts(message, slots)
        with refusing():
            first = self._firsts.first(message)
        receipt = self._publish_parts(first, slots)
        if receipt.is_accepted and not receipt.untaken:
            self._firsts.forget(message)
        return receipt if first.id == message.id else receipt.repeated()

    def _publish_parts(self, message: Outgoing, slots: Slots) -> Receipt:
        until = self._router.deadline()

        def hand_on(slot: int, topics: Sequence[Topic]) -> Receipt:
            part = message._replace(topics=tuple(topics))
            return accepted(self._send(slot, (part,), until)[0])

        return _slot_by_slot(slots, hand_on)

    def note_unheard(self, message: Outgoing, topics: Sequence[Topic]) -> None:
        """Note under the idempotency key of a message that nobody listens to some of its topics.

        Raises:
            RelayError: the cluster did not take the note in time, or refused it.

        """
        parts = self._parts(message)
        with refusing():
            for slot, part in parts:
                if not {*topics}.isdisjoint(part.topics):
                    self._note(slot, part)
        if len(parts) > 1:
            self._firsts.forget(message)

    def _parts(self, message: Outgoing) -> list[tuple[int, Outgoing]]:
        slots = self._by_slot(message.topics)
        return [(slot, message._replace(topics=tuple(group))) for slot, group in slots.items()]

    def _note(self, slot: int, message: Outgoing) -> None:
        self._router.reach(slot, lambda access: access.publisher.write_note(message))

    def steps(self, messages: Sequence[Outgoing]) -> Iterable[Sequence[Outgoing]]:
        """Return messages that follow each other on one topic together: one node serves them."""
        return (step for run in runs(messages) for step in batches(run))

    def publish_step(self, messages: Sequence[Outgoing]) -> Sequence[Receipt | RelayError]:
        """Hand messages with the same topics on; return for each its receipt, or why it failed."""
        first = messages[0]
        try:
            if first.once:
                return [self.publish_once(first)]
            if len(messages) == 1:
                return [self.publish(first.topics, first.message, first.id, first.keep)]
            slot = slot_of(self._keyspace.channel(first.topics[0]))
            with refusing():
                results = self._send(slot, messages, self._router.deadline())
            return [*map(told, results)]
        except RelayError as error:
            return [error] * len(messages)

    def _send(
        self, slot: int, batch: Sequence[Outgoing], until: float
    ) -> Sequence[Receipt | RedisError]:
        """Hand messages on that have the same topics, all in one slot; return what became of each.

        Raises:
            RedisError: the cluster did not take them in time, or refused them.

        """
        retried = (NotSent, Unanswered) if batch[0].once else NotSent

        def attempt(access: NodeAccess) -> Sequence[Receipt | RedisError]:
            try:
                results = access.publisher.send_batch(batch)
            except retried as error:
                raise unreachable(getattr(error, "reason", error)) from error
            if all(map(_is_unheard, results)) and self._router.moved_lately(slot):
                raise NotFollowed
            return results

        try:
            return self._router.run(slot, attempt, until)
        except NotFollowed:
            return [NOBODY] * len(batch)

    def _by_slot(self, topics: Sequence[Topic]) -> Slots:
        slots: Slots = {}
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


def _slot_by_slot(slots: Slots, hand_on: Callable[[int, list[Topic]], Receipt]) -> Receipt:
    """Hand a message on in one slot after the other; return one receipt for all.

    Raises:
        RelayError: a slot did not take it. Its text says so where other slots had taken it already.

    """
    receipts: list[Receipt] = []
    for done, (slot, group) in enumerate(slots.items()):
        try:
            receipts.append(hand_on(slot, group))
        except RedisError as error:
            part = f" for {', '.join(map(str, group))}, after {done} of {len(slots)} slots had"
            raise RelayError(reason_of(error, part if done else "")) from error
    return _together(slots.values(), receipts)


def _together(groups: Iterable[Sequence[Topic]], receipts: Sequence[Receipt]) -> Receipt:
    """Return one receipt for the slots of a message, from those of each slot's topics."""
    if len(receipts) == 1:
        return receipts[0]
    parts = zip(groups, receipts, strict=True)
    untaken = [
        one.untaken if one.is_accepted or one.is_repeat else tuple(topics) for topics, one in parts
    ]
    is_kept = any(one.is_kept for one in receipts)
    receipt = Receipt(sum(receipts), None, is_kept, tuple(chain(*untaken)))
    return receipt.repeated() if all(one.is_repeat for one in receipts) else receipt


def _is_unheard(result: Receipt | RedisError) -> bool:
    """Return whether a message left no trace, so that it can be tried again."""
    return isinstance(result, Receipt) and not (result.is_accepted or result.is_repeat)
