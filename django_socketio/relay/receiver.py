"""What comes from Redis, put in order: nothing twice, holes filled from the log, losses told."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from redis.exceptions import RedisError

from django_socketio.exceptions import ProtocolError
from django_socketio.logs import get_logger
from django_socketio.relay import wire
from django_socketio.relay.base import Deliver, Envelope, channel_of
from django_socketio.relay.positions import Position, Track, Verdict

logger = get_logger("django_socketio.relay")

SEEN = 10_000
"""Envelopes for several topics that are remembered, not to be delivered twice."""

Schedule = Callable[..., object]
"""Has a function called with arguments in the event loop, in the order of the calls."""

Lost = Callable[[str], None]
"""Hears of a topic of which messages were lost."""


class Keeps(Protocol):
    """What asks Redis for what it keeps; raises RedisError."""

    def position(self, topic: str) -> tuple[str, int] | None:
        """Return the epoch and the number of a topic's last message."""

    def log(self, topic: str, after: int) -> list[tuple[int, bytes]]:
        """Return the messages of a topic's log after a number."""


@dataclass(slots=True)
class Subscription:
    """A topic that this process wants, and where it is in it."""

    deliver: Deliver
    track: Track
    tried: threading.Event
    """Set once its position was asked for."""

    taking: threading.Lock = field(default_factory=threading.Lock)
    """Held by who delivers: in a cluster, a topic may go from one node's reader to another's."""

    last: int | None = None
    """The hash of the last message that came, as a check on what Redis has in its place."""

    doubtful: bool | None = None
    """Whether Redis may have forgotten messages without a trace; False: surely not."""

    located: bool = False
    """Whether its position at the beginning is known; None for a topic that was idle."""


class Receiver:
    """The topics of this process.

    What comes is handed in by the threads of readers: one, or one for each node of a cluster.

    Args:
        publisher: what asks Redis for positions and logs.
        schedule: how ``deliver`` and ``lost`` are called.

    """

    def __init__(self, publisher: Keeps, schedule: Schedule, lost: Lost) -> None:
        self._publisher = publisher
        self._schedule = schedule
        self._lost = lost
        self._subscriptions: dict[str, Subscription] = {}
        self._malformed_seen = False
        self._seen: dict[str, None] = {}
        self._seeing = threading.Lock()

    def add(self, topic: str, deliver: Deliver) -> bool:
        """Want a topic; False if it was wanted already."""
        if topic in self._subscriptions:
            return False
        self._subscriptions[topic] = Subscription(deliver, Track(), threading.Event())
        return True

    def remove(self, topic: str) -> None:
        """Want a topic no longer."""
        self._subscriptions.pop(topic, None)

    def locate(self, topic: str, has_past: bool) -> None:
        """Learn where a new topic is, before it is subscribed to: what comes between is a hole."""
        subscription = self._subscriptions[topic]
        try:
            found = self._publisher.position(topic) if has_past else None
            subscription.track.position = None if found is None else Position(*found)
            subscription.located = True
        except RedisError:
            logger.info("Where %s is will be known once Redis is back", topic)
        finally:
            subscription.tried.set()

    def wait_until_located(self, topic: str, timeout: float) -> None:
        """Wait for a ``locate`` that is under way for another subscriber of the topic."""
        subscription = self._subscriptions.get(topic)
        if subscription is not None:
            subscription.tried.wait(timeout)

    def receive(self, topic: str, data: bytes) -> None:
        """Take a message: deliver it, and before it what is missing."""
        subscription = self._subscriptions.get(topic)
        if subscription is None:
            return
        try:
            epoch, number, message = data.split(b" ", 2)
            position = Position(epoch.decode(), int(number))
        except ValueError as error:
            return self._ignore(error)
        with subscription.taking:
            self._arrive(topic, subscription, position, message)

    def _arrive(
        self, topic: str, subscription: Subscription, position: Position, message: bytes
    ) -> None:
        verdict = subscription.track.judge(position)
        if verdict is Verdict.OLD:
            return
        if verdict is Verdict.HOLE:
            self._fill(topic, subscription, position.number)
        elif verdict is Verdict.LOST:
            self._tell_lost(topic)
        self._deliver(subscription, position, message)

    def _fill(self, topic: str, subscription: Subscription, until: int) -> None:
        """Deliver what the log has of the messages before number ``until``.

        Raises:
            RedisError: Redis cannot be asked; the hole stays, to be filled after a new connection.

        """
        position = subscription.track.position
        if position is None:
            return
        entries = self._publisher.log(topic, position.number)
        missing = [(number, message) for number, message in entries if number < until]
        if len(missing) < until - position.number - 1:
            self._tell_lost(topic)
        for number, message in missing:
            self._deliver(subscription, Position(position.epoch, number), message)

    def left(self, topic: str, doubtful: bool) -> None:
        """Note how a topic left its node: if in doubt, a loss is told when it is caught up with."""
        if (subscription := self._subscriptions.get(topic)) is not None:
            subscription.doubtful = doubtful

    def catch_up(self, topics: Iterable[str], kept: bool = False) -> None:
        """Deliver what came on the topics while nothing was heard.

        Args:
            kept: whether Redis surely still has all that it was given in that time.

        Raises:
            RedisError: Redis is away again.

        """
        for topic in topics:
            if (subscription := self._subscriptions.get(topic)) is not None:
                if kept and subscription.doubtful is None:
                    subscription.doubtful = False
                with subscription.taking:
                    self._catch_up(topic, subscription)

    def _catch_up(self, topic: str, subscription: Subscription) -> None:
        found = self._publisher.position(topic)
        now = Position(*found) if found is not None else None
        track = subscription.track
        if not subscription.located:
            # It was subscribed to while Redis was away: its messages begin now, but others may have
            # received some before.
            if now is not None:
                self._tell_lost(topic)
            track.position, subscription.located, subscription.doubtful = now, True, None
            return
        if track.position is None or now is None or now.epoch != track.position.epoch:
            # Of sockets' own topics that were idle, nobody would be told: that fills the log only.
            concerns = track.position is not None or channel_of(topic) is not None
            if subscription.doubtful is not False and concerns:
                self._tell_lost(topic)
            track.position = None
        elif now is not None and self._is_rewound(topic, subscription, now):
            self._tell_lost(topic)
            track.position = now
        elif now is not None and subscription.doubtful:
            self._tell_lost(topic)
        subscription.doubtful = None
        if now is not None:
            track.position = track.position or Position(now.epoch, 0)
            self._fill(topic, subscription, now.number + 1)

    def _is_rewound(self, topic: str, subscription: Subscription, now: Position) -> bool:
        """Whether Redis has forgotten messages that came, and given their numbers to others.

        A replica that takes its primary's place may not have had the last ones.
        """
        position = subscription.track.position
        if position is None or position.number > now.number:
            return position is not None
        if subscription.last is None:
            return False
        kept = self._publisher.log(topic, position.number - 1)[:1]
        return any(
            number == position.number and hash(message) != subscription.last
            for number, message in kept
        )

    def _deliver(self, subscription: Subscription, position: Position, message: bytes) -> None:
        subscription.track.move(position)
        subscription.last = hash(message)
        try:
            envelope = wire.decode(message)
        except ProtocolError as error:
            return self._ignore(error)
        if not self._came_before(envelope):
            self._schedule(subscription.deliver, envelope)

    def _came_before(self, envelope: Envelope) -> bool:
        """Whether it came on another of its topics: that delivery was for all of them."""
        if len(envelope.topics) == 1:
            return False
        with self._seeing:
            if envelope.id in self._seen:
                return True
            self._seen[envelope.id] = None
            if len(self._seen) > SEEN:
                del self._seen[next(iter(self._seen))]
            return False

    def _ignore(self, error: Exception) -> None:
        if not self._malformed_seen:
            self._malformed_seen = True
            logger.warning("Ignored a foreign message from Redis (and any more of them): %s", error)

    def _tell_lost(self, topic: str) -> None:
        logger.error("Messages of %s were lost, or may be: the relay's log lacks them", topic)
        self._schedule(self._lost, topic)
