"""The subscribers of this process by topic, and the delivery of messages to them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

from django_socketio.channels.encoded_event import EncodedEvent
from django_socketio.concurrency import hub_log
from django_socketio.concurrency.failures import failures
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.relay.base import Relay
from django_socketio.relay.envelope import (
    Delivery,
    Envelope,
    EnvelopeKind,
    LogRange,
    StreamPosition,
    ignore_kind,
)
from django_socketio.relay.topics import Topic
from django_socketio.transports.encoded import EncodedPacket

logger = get_logger("django_socketio.relay")

Encoded = TypeVar("Encoded", bound=EncodedPacket)

Encode = Callable[[Delivery], EncodedEvent]
"""Encodes the event of a delivery."""


class Subscriber(Protocol):
    """A receiver of the messages of topics."""

    id: str

    def deliver(self, encoded: EncodedEvent) -> bool:
        """Send an event to the client; False if that is not possible any more."""

    def lost(self, channel: str) -> None:
        """Report that messages of a channel were lost."""

    def overflow(self) -> None:
        """Close the client as slow: more is buffered for it than the limit allows."""


class Overlap(NamedTuple):
    """The messages of a topic up to a position, which a subscriber has got from the log.

    They may still be on their way to this process, by the connection that brings new messages.

    Attributes:
        ids: of those messages that are for several topics, and may come by another one.

    """

    topic: Topic
    position: StreamPosition
    ids: frozenset[str] = frozenset()

    def has(self, delivery: Delivery | None) -> bool:
        """Return whether a message is one of them."""
        if delivery is None or delivery.envelope.id in self.ids:
            return delivery is not None
        return (
            delivery.topic == self.topic
            and delivery.position is not None
            and delivery.position.epoch == self.position.epoch
            and delivery.position.offset <= self.position.offset
        )

    def is_over(self, delivery: Delivery | None) -> bool:
        """Return whether all of them came before a message."""
        return delivery is not None and delivery.topic == self.topic and not self.has(delivery)


class Backlog(Generic[Encoded]):
    """Packets for a receiver that cannot get them yet.

    Events are buffered until a pending subscription is admitted; packets for a socket are queued
    until its CONNECT is answered.

    Args:
        limit: highest number of bytes, as WebSocket frames; a single packet may have more.

    """

    __slots__ = ("_limit", "_size", "packets")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self.packets: list[Encoded] = []

    def add(self, encoded: Encoded) -> bool:
        """Add a packet; False if that exceeds the limit."""
        self._size += len(encoded.frames)
        self.packets.append(encoded)
        return self._size <= self._limit or len(self.packets) == 1


class Pending(Backlog[EncodedEvent]):
    """The backlog of a subscriber that a topic has not admitted yet.

    Attributes:
        overlap: the messages of the topic that the subscriber gets from the log; None without any.

    """

    __slots__ = ("overlap",)

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.overlap: Overlap | None = None

    def add(self, encoded: EncodedEvent) -> bool:
        """Add a packet, unless it is of the overlap; False if that exceeds the limit."""
        if self.overlap is not None and self.overlap.has(encoded.delivery):
            return True
        return super().add(encoded)

    def skip(self, overlap: Overlap) -> None:
        """Drop the messages of an overlap: those that have come, and those that will."""
        self.overlap = overlap
        self.packets = [one for one in self.packets if not overlap.has(one.delivery)]


class Gate(Pending):
    """The backlog of a subscriber whose right to a topic is examined once a message comes.

    Args:
        limit: as of ``Backlog``.
        ask: called with the gate in the event loop, when a message comes and nothing is asked yet.

    """

    __slots__ = ("_ask", "is_asked")

    def __init__(self, limit: int, ask: "Callable[[Gate], object]") -> None:
        super().__init__(limit)
        self._ask = ask
        self.is_asked = False

    def add(self, encoded: EncodedEvent) -> bool:
        """Add a packet; False if that exceeds the limit."""
        has_room = super().add(encoded)
        self._begin()
        return has_room

    def _begin(self) -> None:
        if self.packets and not self.is_asked:
            self.is_asked = True
            self._ask(self)  # which may admit the subscriber at once

    def take(self, missed: Iterable[EncodedEvent], pending: Pending) -> bool:
        """Take what a subscriber has missed, and then its backlog; False if there is no room."""
        fits = [Backlog.add(self, encoded) for encoded in (*missed, *pending.packets)]
        self.overlap = pending.overlap
        self._begin()
        return all(fits)


class CaughtUp(Backlog[EncodedEvent]):
    """The place of an admitted subscriber until all of an overlap has come.

    Args:
        overlap: the messages that the subscriber does not get again.
        subscriber: gets all others at once.
        members: the subscribers of the topic, with this one.

    """

    __slots__ = ("_members", "_overlap", "_subscriber")

    def __init__(self, overlap: Overlap, subscriber: Subscriber, members: "Members") -> None:
        super().__init__(0)
        self._overlap = overlap
        self._subscriber = subscriber
        self._members = members

    def add(self, encoded: EncodedEvent) -> bool:
        """Deliver a packet, unless it is of the overlap."""
        if self._overlap.has(encoded.delivery):
            return True
        if self._overlap.is_over(encoded.delivery) and self._subscriber in self._members:
            self._members[self._subscriber] = None
        return self._subscriber.deliver(encoded) or True


Members = dict[Subscriber, Backlog[EncodedEvent] | None]
"""Subscribers of a topic, in the order of subscription; each pending one with its backlog."""

Receivers = Iterable[tuple[Subscriber, Backlog[EncodedEvent] | None]]


class Channels:
    """Subscribers by topic. A topic is subscribed to in the relay while it has a subscriber here.

    Args:
        relay: carries the envelopes of other processes.
        encode: called once for an envelope, however many receive it.
        max_buffered_bytes: bytes that may be buffered for a pending subscriber.

    """

    def __init__(self, relay: Relay, encode: Encode, max_buffered_bytes: int) -> None:
        self.max_buffered_bytes = max_buffered_bytes
        self._relay = relay
        self._encode = encode
        self._members: dict[Topic, Members] = {}

    def __len__(self) -> int:
        """The number of topics that have subscribers here."""
        return len(self._members)

    def use(self, relay: Relay) -> None:
        """Publish by another relay from now on."""
        self._relay = relay

    def publish(self, envelope: Envelope) -> int:
        """Send an envelope to the subscribers of its topics in all processes.

        Raises:
            RelayError: the relay did not take it.

        """
        return self._relay.publish(envelope)

    def add(self, topic: Topic, subscriber: Subscriber, pending: bool = False) -> None:
        """Put a subscriber on a topic; while ``pending``, buffer its messages until ``admit``.

        Comes back once the relay brings the topic here, so that nothing is missed from then on.
        """
        backlog = Pending(self.max_buffered_bytes) if pending else None
        self._members.setdefault(topic, {})[subscriber] = backlog
        self._relay.subscribe(topic, self.deliver)

    def add_all(self, topics: Mapping[Topic, Pending | None], subscriber: Subscriber) -> None:
        """Put a subscriber on topics by one command to the relay, each with its backlog or none."""
        for topic, backlog in topics.items():
            self._members.setdefault(topic, {})[subscriber] = backlog
        self._relay.subscribe_all(topics, self.deliver)

    def position(self, topic: Topic) -> StreamPosition | None:
        """Return the position of a topic; None if it has none, or the relay cannot be asked."""
        try:
            return self._relay.position(topic)
        except RelayError as error:
            hub_log.say(logger.warning, "The position of %s is not known: %s", topic, error)
            return None

    def read(self, topic: Topic, after: StreamPosition | None, limit: int) -> LogRange:
        """Return the messages of a topic after a position; nothing if the relay fails."""
        try:
            return self._relay.read(topic, after, limit)
        except RelayError as error:
            hub_log.say(logger.warning, "The messages of %s cannot be read: %s", topic, error)
            return LogRange((), None, False)

    def skip(self, overlap: Overlap, subscriber: Subscriber) -> None:
        """Have a pending subscriber get no message of an overlap: it has them from the log."""
        pending = self._members.get(overlap.topic, _NOBODY).get(subscriber)
        if isinstance(pending, Pending):
            pending.skip(overlap)

    def replay(
        self,
        topic: Topic,
        subscriber: Subscriber,
        deliveries: Iterable[Delivery],
        gate: Gate | None = None,
    ) -> None:
        """Give a pending subscriber what it has missed, and admit it; with a gate, once that opens.

        Args:
            deliveries: the messages that it has missed, in their order.

        """
        members = self._members.get(topic, {})
        pending, missed = members.get(subscriber), map(self._encode, deliveries)
        if not isinstance(pending, Pending):
            return
        if gate is None:
            for encoded in missed:
                subscriber.deliver(encoded)
            return self.admit(topic, subscriber)
        members[subscriber] = gate
        if not gate.take(missed, pending):
            subscriber.overflow()

    def admit(self, topic: Topic, subscriber: Subscriber) -> None:
        """Deliver the messages that were buffered for a subscriber, and all that follow."""
        members = self._members.get(topic, {})
        pending = members.get(subscriber)
        if isinstance(pending, Pending):
            overlap = pending.overlap
            members[subscriber] = overlap and CaughtUp(overlap, subscriber, members)
            for encoded in pending.packets:
                subscriber.deliver(encoded)

    def open_gate(self, topic: Topic, subscriber: Subscriber) -> None:
        """Admit a subscriber whose right to a topic was examined."""
        if isinstance(self._members.get(topic, _NOBODY).get(subscriber), Gate):
            self.admit(topic, subscriber)

    def remove(self, topic: Topic, subscriber: Subscriber) -> None:
        """Take a subscriber off a topic."""
        if self._take_off(topic, subscriber):
            self._relay.unsubscribe(topic)

    def remove_from_all(self, topics: Iterable[Topic], subscriber: Subscriber) -> None:
        """Take a subscriber that has ended off its topics, even if the relay fails."""
        for topic in [topic for topic in topics if self._take_off(topic, subscriber)]:
            try:
                self._relay.unsubscribe(topic)
            except failures():
                logger.exception("The relay failed to unsubscribe from %s", topic)

    def _take_off(self, topic: Topic, subscriber: Subscriber) -> bool:
        """Take a subscriber off a topic; return whether that was the last one."""
        members = self._members.get(topic)
        if members is None or subscriber not in members:
            return False
        del members[subscriber]
        if members:
            return False
        del self._members[topic]
        return True

    def members(self, topic: Topic) -> list[Subscriber]:
        """Return the subscribers of a topic in this process."""
        return list(self._members.get(topic, ()))

    def has(self, topic: Topic, subscriber: Subscriber) -> bool:
        """Return whether a subscriber is on a topic."""
        return subscriber in self._members.get(topic, ())

    def deliver(self, delivery: Delivery) -> int:
        """Send an event to its receivers in this process; return their number."""
        envelope = delivery.envelope
        if envelope.kind is not _EVENT:
            return ignore_kind(envelope.kind, hub_log.say)
        receivers = self._receivers(envelope.topics)
        if not receivers:
            return 0
        return _send(self._encode(delivery), receivers, envelope.exclude)

    def _receivers(self, topics: tuple[Topic, ...]) -> Receivers:
        if len(topics) == 1:
            return self._members.get(topics[0], _NOBODY).items()
        union: Members = {}
        for topic in topics:
            for subscriber, backlog in self._members.get(topic, _NOBODY).items():
                # Pending on one channel and admitted on another: it may get the message now.
                if backlog is None or subscriber not in union:
                    union[subscriber] = backlog
        return union.items()


_NOBODY: Members = {}
_EVENT = EnvelopeKind.EVENT


def _send(encoded: EncodedEvent, receivers: Receivers, exclude: str | None) -> int:
    """Send an event to its receivers, without the socket of a certain id; return their number."""
    received = 0
    for subscriber, backlog in receivers:
        if exclude is not None and subscriber.id == exclude:
            continue
        if backlog is None:
            received += subscriber.deliver(encoded)
        elif backlog.add(encoded):
            received += 1
        else:
            subscriber.overflow()
    return received
