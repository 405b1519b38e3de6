"""The relay of a site with one server process: no Redis is needed."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from django_socketio.protocol.json import Default
from django_socketio.relay import wire
from django_socketio.relay.base import Copied, Reached, Relay, Rewound, Unit
from django_socketio.relay.envelope import (
    UNLOGGED,
    Deliver,
    Delivery,
    EncodedData,
    Envelope,
    LogRange,
    StreamPosition,
    nothing_after,
)
from django_socketio.relay.memory_logs import MemoryLogs
from django_socketio.relay.memory_rosters import MemoryRosters
from django_socketio.relay.receipt import Receipt
from django_socketio.relay.repeats import Repeats
from django_socketio.relay.roster import Rosters
from django_socketio.relay.topics import NO_LOG, Retentions, Topic

NOTHING_KEPT = Retentions(NO_LOG)
"""Nothing can be missed within one process: logs are for sites that read them."""


class MemoryRelay(Relay):
    """Hands envelopes to the sockets of this process, at once, in the event loop.

    Args:
        default: turns values that JSON does not know into ones that it knows.
        retentions: which topics have a log, and what it keeps.
        lazily: whether only those topics have a log that keep a history or have subscribers that
            may come back: nothing else can be missed within one process.

    """

    unit: Unit = "sockets"
    publishes_at_once = True

    def __init__(
        self,
        default: Default | None = None,
        retentions: Retentions = NOTHING_KEPT,
        lazily: bool = False,
    ) -> None:
        self._default = default
        self._subscriptions: dict[Topic, Deliver] = {}
        self._retentions = retentions
        self._lazily = lazily
        self._logs = self._begin_logs()
        self._repeats = Repeats()
        self._copied: Copied | None = None
        self._rosters: Rosters | None = None

    @property
    def rosters(self) -> Rosters:
        """The people on channels."""
        if self._rosters is None:
            self._rosters = MemoryRosters(self.publish, self.position)
        return self._rosters

    def _begin_logs(self) -> "MemoryLogs | None":
        """Return empty logs; None as long as no topic is known that has one."""
        has_history = any(rule.retention.is_history for rule in self._retentions.rules)
        is_idle = self._retentions == NOTHING_KEPT or (self._lazily and not has_history)
        return None if is_idle else MemoryLogs(self._retentions, self._lazily)

    @property
    def _all_logs(self) -> "MemoryLogs":
        """The logs, which are made when they are needed."""
        if self._logs is None:
            self._logs = MemoryLogs(self._retentions, self._lazily)
        return self._logs

    def publish(self, envelope: Envelope) -> int:
        """Hand the envelope to the sockets of this process; return how many received it."""
        if envelope.encoded:
            envelope = wire.decode_own(envelope)
        if envelope.once:
            return self._publish_once(envelope)
        return self._publish(envelope)

    def _publish_once(self, envelope: Envelope) -> Receipt:
        with self._repeats.lock:
            receipt = self._repeats.find(envelope.once)
            if receipt is None:
                receipt = Receipt.of(self._publish(envelope))
                self._repeats.add(envelope.once, receipt)
            return receipt

    def _publish(self, envelope: Envelope) -> int:
        # Encoded here, once for all, because what other relays refuse must be refused here as well.
        encoded = wire.encode_data(envelope, self._default)
        if (self._logs is not None or envelope.keep) and envelope.keep != UNLOGGED:
            return self._keep_and_publish(self._all_logs, envelope, encoded)
        if len(envelope.topics) == 1:  # as for most
            topic = envelope.topics[0]
            deliver = self._subscriptions.get(topic)
            return 0 if deliver is None else deliver(Delivery(envelope, topic, None, encoded))
        return sum(self._deliver({topic: None for topic in envelope.topics}, envelope, encoded))

    def _keep_and_publish(
        self, logs: "MemoryLogs", envelope: Envelope, encoded: EncodedData | None
    ) -> Receipt:
        if len(envelope.topics) == 1:  # as for most
            return self._keep_and_publish_to_one(logs, envelope, encoded)
        places: dict[Topic, StreamPosition | None] = {}
        for topic in envelope.topics:
            delivery = Delivery(envelope, topic, None, encoded)
            places[topic] = logs.append(delivery, topic in self._subscriptions).position
        received = sum(self._deliver(places, envelope, encoded))
        if self._copied is not None:
            self._tell_copies(self._copied, places, envelope.id)
        return Receipt(received, None, not received and any(places.values()))

    def _tell_copies(
        self, copied: Copied, places: Mapping[Topic, StreamPosition | None], id: str
    ) -> None:
        heard = [topic for topic in places if topic in self._subscriptions]
        for topic in heard[1:]:
            if (position := places[topic]) is not None:
                copied(topic, position, id)

    def _keep_and_publish_to_one(
        self, logs: "MemoryLogs", envelope: Envelope, encoded: EncodedData | None
    ) -> Receipt:
        topic = envelope.topics[0]
        deliver = self._subscriptions.get(topic)
        placed = logs.append(Delivery(envelope, topic, None, encoded), deliver is not None)
        position = placed.position
        received = 0 if deliver is None else deliver(placed)
        return Receipt(received, position, not received and position is not None)

    def _deliver(
        self,
        places: Mapping[Topic, StreamPosition | None],
        envelope: Envelope,
        encoded: EncodedData | None,
    ) -> Iterator[int]:
        # One delivery serves all topics: a socket that is on several gets one copy.
        deliveries: dict[Deliver, Delivery] = {}
        for topic, position in places.items():
            deliver = self._subscriptions.get(topic)
            if deliver is not None:
                deliveries.setdefault(deliver, Delivery(envelope, topic, position, encoded))
        return (deliver(delivery) for deliver, delivery in deliveries.items())

    def subscribe(
        self, topic: Topic, deliver: Deliver, recoverable: bool = False
    ) -> StreamPosition | None:
        """Have ``deliver`` called with the messages of a topic."""
        self._subscriptions[topic] = deliver
        if recoverable and self._retentions.away and topic.policy.has_past:
            return self._all_logs.lease(topic)
        return None

    def tell_copies(self, copied: Copied) -> None:
        """Have ``copied`` called for the further topics of each message."""
        self._copied = copied

    def tell_rewinds(self, rewound: Rewound) -> None:
        """Do nothing: no position is given twice."""

    def tell_reached(self, topics: Iterable[Topic], tell: Callable[[Reached], object]) -> None:
        """Have ``tell`` called with the positions up to which topics were delivered."""
        logs, of = self._logs, self._retentions.of
        heard = (one for one in topics if one in self._subscriptions and of(one).messages)
        tell({} if logs is None else {topic: logs.position(topic) for topic in heard})

    def unsubscribe(self, topic: Topic) -> None:
        """Receive no more messages of a topic."""
        self._subscriptions.pop(topic, None)
        if self._logs is not None:
            self._logs.leave(topic)

    def keep(self, topic: Topic, seconds: float) -> StreamPosition | None:
        """Have a topic's messages kept for some seconds; return its position."""
        if not self._retentions.away:
            return self.position(topic)
        return self._all_logs.keep(topic, seconds)

    def position(self, topic: Topic) -> StreamPosition | None:
        """Return the position of a topic's last message; None for an idle topic."""
        return None if self._logs is None else self._logs.position(topic)

    def read(
        self, topic: Topic, after: StreamPosition | None = None, limit: int | None = None
    ) -> LogRange:
        """Return messages of a topic's log after a position."""
        if self._logs is None:
            return nothing_after(after)
        return self._logs.read(topic, after, limit)

    def history(
        self, topic: Topic, after: StreamPosition | None = None, limit: int | None = None
    ) -> LogRange:
        """Return the newest messages of a topic's history after a position."""
        if self._logs is None:
            return nothing_after(after)
        return self._logs.history(topic, after, limit)

    def forget(self) -> None:
        """Forget all messages."""
        self._logs = self._begin_logs()

    def close(self) -> None:
        """Forget all subscriptions."""
        self._subscriptions.clear()

    def __str__(self) -> str:
        return "in-process (one server process; SOCKETIO_RELAY_URL connects several)"
