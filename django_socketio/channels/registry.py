"""The subscribers of this process by topic, and the delivery of messages to them."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from django_socketio.channels.backlogs import (
    Backlog,
    CaughtUp,
    Gate,
    Members,
    Pending,
    combined,
    drop_errands,
)
from django_socketio.channels.encoded_event import EncodedEvent, Errand
from django_socketio.channels.overlap import Overlap
from django_socketio.channels.presence_hooks import PresenceHooks
from django_socketio.channels.recovery import MAX_MESSAGES, Wanted
from django_socketio.channels.subscriber import Subscriber
from django_socketio.channels.untold import UntoldPositions
from django_socketio.concurrency import hub_log
from django_socketio.concurrency.failures import failures
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.relay.base import Reached, Relay
from django_socketio.relay.envelope import (
    Delivery,
    Envelope,
    EnvelopeKind,
    LogRange,
    StreamPosition,
    ignore_kind,
)
from django_socketio.relay.receipt import Received
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.relay")

Encode = Callable[[Delivery], EncodedEvent]
"""Encodes the event of a delivery."""


Receivers = Iterable[tuple[Subscriber, Backlog[EncodedEvent] | None]]

Handle = Callable[[Delivery, Receivers], int]
"""Handles a message that is no event for its receivers; returns how many are concerned."""


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
        self.presence: PresenceHooks | None = None
        """Is told who is on channels, in servers; None in a process that notes nobody."""
        self.untold: UntoldPositions | None = None
        """Tells clients that keep positions those that messages do not tell; None without such."""
        self.kinds: dict[EnvelopeKind, Handle] = {}
        """Handles messages that are no events, by their kind."""

    def __len__(self) -> int:
        """The number of topics that have subscribers here."""
        return len(self._members)

    def sizes(self) -> list[tuple[Topic, int]]:
        """Return the topics with subscribers here, and the number of these."""
        return [(topic, len(members)) for topic, members in list(self._members.items())]

    @property
    def publishes_at_once(self) -> bool:
        """Whether ``publish`` never waits."""
        return self._relay.publishes_at_once

    def use(self, relay: Relay) -> None:
        """Publish by another relay from now on."""
        self._relay = relay

    def publish(self, envelope: Envelope) -> Received:
        """Send an envelope to the subscribers of its topics in all processes.

        Raises:
            RelayError: the relay did not take it.

        """
        return self._relay.publish(envelope)

    def publish_all(self, envelopes: Sequence[Envelope]) -> list[int | RelayError]:
        """Send envelopes in their order; return how many received each, or its error."""
        return self._relay.publish_all(envelopes)

    def add(
        self, topic: Topic, subscriber: Subscriber, pending: bool = False
    ) -> StreamPosition | None:
        """Put a subscriber on a topic; while ``pending``, buffer its messages until ``admit``.

        The messages of a subscriber that keeps positions are kept while it is away; their position
        is returned, if it is known.

        Comes back once the relay brings the topic here, so that nothing is missed from then on.
        """
        backlog = Pending(self.max_buffered_bytes) if pending else None
        self._members.setdefault(topic, {})[subscriber] = backlog
        return self._relay.subscribe(topic, self.deliver, subscriber.keeps_positions)

    def add_all(
        self,
        topics: Mapping[Topic, Pending | None],
        subscriber: Subscriber,
        is_known: bool = False,
    ) -> dict[Topic, StreamPosition | None]:
        """Put a subscriber on topics by one command to the relay, each with its backlog or none.

        For ``is_known`` see ``Relay.subscribe_all``.
        """
        for topic, backlog in topics.items():
            self._members.setdefault(topic, {})[subscriber] = backlog
        recoverable = subscriber.keeps_positions
        return self._relay.subscribe_all(topics, self.deliver, recoverable, is_known)

    def position(self, topic: Topic) -> StreamPosition | None:
        """Return the position of a topic's last message; None for an idle topic.

        Raises:
            RelayError: the relay cannot be asked.

        """
        return self._relay.position(topic)

    def tell_reached(self, topics: Iterable[Topic], tell: Callable[[Reached], object]) -> None:
        """Have ``tell`` called with positions, after all messages up to these were delivered."""
        self._relay.tell_reached(topics, tell)

    def past(self, topic: Topic, wanted: Wanted) -> LogRange:
        """Return what a client wants of the past of a topic; nothing if the relay fails."""
        try:
            if wanted.last is not None:
                return self._relay.history(topic, None, wanted.last)
            return self._relay.read(topic, wanted.since, MAX_MESSAGES + 1)
        except RelayError as error:
            hub_log.say(logger.warning, "The messages of %s cannot be read: %s", topic, error)
            return LogRange((), None, False)

    def encode(self, delivery: Delivery) -> EncodedEvent:
        """Return the event of a delivery, as clients receive it."""
        return self._encode(delivery)

    def skip(self, overlap: Overlap, subscriber: Subscriber) -> None:
        """Have a pending subscriber get no message of an overlap: it has them from the log."""
        pending = self._members.get(overlap.topic, _NOBODY).get(subscriber)
        if isinstance(pending, Pending):
            for encoded in pending.skip(overlap):
                self._discard_copies(encoded, subscriber)

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
                self._discard_copies(encoded, subscriber)
                if isinstance(encoded, Errand):
                    encoded.run(subscriber)
                else:
                    subscriber.deliver(encoded)

    def _discard_copies(self, encoded: EncodedEvent, subscriber: Subscriber) -> None:
        """Have an event delivered once to a subscriber that is pending on several of its topics."""
        topics = () if encoded.delivery is None else encoded.delivery.envelope.topics
        for topic in topics if len(topics) > 1 else ():
            pending = self._members.get(topic, _NOBODY).get(subscriber)
            if isinstance(pending, Pending):
                pending.discard(encoded)

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
            if topic in self._members:
                continue  # another one has come while the relay left other topics
            try:
                self._relay.unsubscribe(topic)
            except failures():
                logger.exception("The relay failed to unsubscribe from %s", topic)

    def _take_off(self, topic: Topic, subscriber: Subscriber) -> bool:
        """Take a subscriber off a topic; return whether that was the last one."""
        members = self._members.get(topic)
        if members is None or subscriber not in members:
            return False
        drop_errands(members.pop(subscriber), subscriber)
        if members:
            return False
        del self._members[topic]
        if self.untold is not None:
            self.untold.forget(topic)
        return True

    def backlogs(self, topic: Topic) -> Members:
        """Return the subscribers of a topic in this process, each with its backlog."""
        return self._members.get(topic, _NOBODY)

    def members(self, topic: Topic) -> list[Subscriber]:
        """Return the subscribers of a topic in this process."""
        return list(self._members.get(topic, ()))

    def count(self, topic: Topic) -> int:
        """Return the number of subscribers of a topic in this process."""
        return len(self._members.get(topic, ()))

    def has(self, topic: Topic, subscriber: Subscriber) -> bool:
        """Return whether a subscriber is on a topic."""
        return subscriber in self._members.get(topic, ())

    def deliver(self, delivery: Delivery) -> int:
        """Send an event to its receivers in this process; return their number."""
        envelope = delivery.envelope
        if envelope.kind is not _EVENT:
            return self._handle(delivery)
        receivers = self._receivers(envelope.topics)
        if not receivers:
            return 0
        received = _send(self._encode(delivery), receivers, envelope.exclude)
        if self.untold is not None:
            self.untold.came(delivery)
        return received

    def _handle(self, delivery: Delivery) -> int:
        """Handle a message that is no event; return how many subscribers are concerned."""
        envelope = delivery.envelope
        handle = self.kinds.get(envelope.kind)
        if handle is None:
            return ignore_kind(envelope.kind, hub_log.say)
        concerned = handle(delivery, self._receivers(envelope.topics))
        if self.untold is not None and delivery.position is not None:
            self.untold.note(delivery.topic, delivery.position)
        return concerned

    def topics_here(self, topics: Iterable[Topic]) -> int:
        """Return how many of some topics have subscribers in this process."""
        return sum(topic in self._members for topic in topics)

    def _receivers(self, topics: tuple[Topic, ...]) -> Receivers:
        if len(topics) == 1:
            return self._members.get(topics[0], _NOBODY).items()
        union: Members = {}
        for topic in topics:
            for subscriber, backlog in self._members.get(topic, _NOBODY).items():
                known = subscriber in union
                union[subscriber] = combined(union[subscriber], backlog) if known else backlog
        return union.items()


_NOBODY: Members = {}
_EVENT = EnvelopeKind.EVENT


def _send(encoded: EncodedEvent, receivers: Receivers, exclude: str | None) -> int:
    """Send an event to its receivers, without the socket of a certain id; return their number."""
    received = 0
    pending: list[tuple[Subscriber, Backlog[EncodedEvent]]] | None = None
    for subscriber, backlog in receivers:
        if exclude is not None and subscriber.id == exclude:
            continue
        if backlog is None:
            received += subscriber.deliver(encoded)
        else:
            pending = pending or []
            pending.append((subscriber, backlog))
    return received if pending is None else received + _add(encoded, pending)


def _add(encoded: EncodedEvent, pending: list[tuple[Subscriber, Backlog[EncodedEvent]]]) -> int:
    """Add an event to backlogs, which may admit or end its subscribers at once."""
    received = 0
    for subscriber, backlog in pending:
        if backlog.add(encoded):
            received += 1
        else:
            subscriber.overflow()
    return received
