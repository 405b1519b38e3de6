"""The relay of a site with one server process: no Redis is needed."""

import secrets
import time
from collections import deque
from collections.abc import Callable
from itertools import islice

from django_socketio.protocol.json import Default
from django_socketio.relay import wire
from django_socketio.relay.base import Relay, Unit
from django_socketio.relay.envelope import (
    Deliver,
    Delivery,
    EncodedData,
    Envelope,
    LogRange,
    Received,
    StreamPosition,
    is_complete,
)
from django_socketio.relay.topics import NO_LOG, Retention, Retentions, Topic

NOTHING_KEPT = Retentions(NO_LOG)
"""Nothing can be missed within one process: logs are for sites that read them."""


class MemoryRelay(Relay):
    """Hands envelopes to the sockets of this process, at once, in the event loop.

    Args:
        default: turns values that JSON does not know into ones that it knows.
        retentions: which topics have a log, and what it keeps.

    """

    unit: Unit = "sockets"

    def __init__(
        self, default: Default | None = None, retentions: Retentions = NOTHING_KEPT
    ) -> None:
        self._default = default
        self._subscriptions: dict[Topic, Deliver] = {}
        self._logs = None if retentions == NOTHING_KEPT else MemoryLogs(retentions)

    def publish(self, envelope: Envelope) -> int:
        """Hand the envelope to the sockets of this process; return how many received it."""
        # Encoded here, once for all, because what other relays refuse must be refused here as well.
        encoded = wire.encode_data(envelope, self._default)
        if len(envelope.topics) == 1:  # as for most
            topic = envelope.topics[0]
            deliver = self._subscriptions.get(topic)
            if deliver is None:
                return 0
            delivery = self._delivery(envelope, topic, encoded)
            received = deliver(delivery)
            return received if self._logs is None else Received.at(received, delivery.position)
        return self._publish_to_several(envelope, encoded)

    def _publish_to_several(self, envelope: Envelope, encoded: EncodedData | None) -> int:
        # One delivery serves all topics: a socket that is on several gets one copy.
        deliveries: dict[Deliver, Delivery] = {}
        for topic in envelope.topics:
            deliver = self._subscriptions.get(topic)
            if deliver is not None:
                delivery = self._delivery(envelope, topic, encoded)
                deliveries.setdefault(deliver, delivery)
        return sum(deliver(delivery) for deliver, delivery in deliveries.items())

    def _delivery(self, envelope: Envelope, topic: Topic, encoded: EncodedData | None) -> Delivery:
        delivery = Delivery(envelope, topic, None, encoded)
        return delivery if self._logs is None else self._logs.append(delivery)

    def subscribe(self, topic: Topic, deliver: Deliver) -> None:
        """Have ``deliver`` called with the messages of a topic."""
        self._subscriptions[topic] = deliver

    def unsubscribe(self, topic: Topic) -> None:
        """Receive no more messages of a topic."""
        self._subscriptions.pop(topic, None)

    def position(self, topic: Topic) -> StreamPosition | None:
        """Return the position of a topic's last message; None for an idle topic."""
        return None if self._logs is None else self._logs.position(topic)

    def read(
        self, topic: Topic, after: StreamPosition | None = None, limit: int | None = None
    ) -> LogRange:
        """Return messages of a topic's log after a position."""
        if self._logs is None:
            return LogRange((), None, is_complete((), None, after, limit))
        return self._logs.read(topic, after, limit)

    def close(self) -> None:
        """Forget all subscriptions."""
        self._subscriptions.clear()

    def __str__(self) -> str:
        return "in-process (one server process; SOCKETIO_RELAY_URL connects several)"


class MemoryLogs:
    """The logs of topics in one process.

    They are bounded by the number and the age of messages, not by bytes: nothing is encoded here.

    Args:
        clock: returns seconds, for the age of logs.

    """

    def __init__(self, retentions: Retentions, clock: Callable[[], float] = time.monotonic) -> None:
        self._retentions = retentions
        self._clock = clock
        self._logs: dict[Retention, dict[Topic, _Log]] = {}

    def append(self, delivery: Delivery) -> Delivery:
        """Keep a message, if its topic has a log; return its delivery with its position."""
        topic = delivery.topic
        retention = self._retentions.of(topic)
        if not retention.messages:
            return delivery
        logs, now = self._logs.setdefault(retention, {}), self._clock()
        _expire(logs, now)
        # The logs of a retention are in the order of their last messages: the first expires first.
        log = logs.pop(topic) if topic in logs else _Log(retention.messages)
        logs[topic] = log
        log.expires_at = now + retention.seconds
        return log.append(delivery)

    def position(self, topic: Topic) -> StreamPosition | None:
        """Return the position of a topic's last message; None for an idle topic."""
        log = self._find(topic)
        return None if log is None else log.position

    def read(self, topic: Topic, after: StreamPosition | None, limit: int | None) -> LogRange:
        """Return messages of a topic's log after a position."""
        log = self._find(topic)
        if log is None:
            return LogRange((), None, is_complete((), None, after, limit))
        begin = 0 if after is None or after.epoch != log.epoch else after.offset
        found = tuple(islice(log.after(begin), limit))
        offsets = [delivery.position.offset for delivery in found if delivery.position is not None]
        return LogRange(found, log.position, is_complete(offsets, log.position, after, limit))

    def _find(self, topic: Topic) -> "_Log | None":
        logs = self._logs.get(self._retentions.of(topic), {})
        _expire(logs, self._clock())
        return logs.get(topic)


class _Log:
    """The messages of a topic in one epoch, the newest of them kept."""

    __slots__ = ("_deliveries", "epoch", "expires_at", "position")

    def __init__(self, size: int) -> None:
        self._deliveries: deque[Delivery] = deque(maxlen=size)
        self.epoch = secrets.token_hex(6)
        self.expires_at = 0.0
        self.position = StreamPosition(self.epoch, 0)

    def append(self, delivery: Delivery) -> Delivery:
        self.position = StreamPosition(self.epoch, self.position.offset + 1)
        placed = delivery._replace(position=self.position)
        self._deliveries.append(placed)
        return placed

    def after(self, offset: int) -> "islice[Delivery]":
        """Return the kept messages after an offset."""
        first = self.position.offset - len(self._deliveries)
        return islice(self._deliveries, max(offset - first, 0), None)


def _expire(logs: dict[Topic, _Log], now: float) -> None:
    """Drop the logs whose topics have been idle for too long."""
    while logs:
        topic = next(iter(logs))
        if logs[topic].expires_at > now:
            break
        del logs[topic]
