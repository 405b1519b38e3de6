"""What comes from Redis, put in order: nothing twice, holes filled from the log, losses told."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from redis.exceptions import RedisError

from django_socketio.exceptions import ProtocolError
from django_socketio.logs import get_logger
from django_socketio.relay.base import Deliver, channel_of
from django_socketio.relay.redis.keys import Names
from django_socketio.relay.redis.messages import Gone, Messages
from django_socketio.relay.redis.positions import Position, Track, Verdict
from django_socketio.relay.signing import Signing

logger = get_logger("django_socketio.relay")

QUIET = 10.0
"""Seconds between two lines of the log about messages that were ignored."""

Schedule = Callable[..., object]
"""Has a function called with arguments in the event loop, in the order of the calls."""

Lost = Callable[[str], None]
"""Hears of a topic of which messages were lost."""


class Keeps(Protocol):
    """What asks Redis for what it keeps; raises RedisError."""

    def position(self, topic: str) -> tuple[str, int] | None:
        """Return the epoch and the number of a topic's last message."""

    def log(self, topic: str, after: int, count: int | None = None) -> list[tuple[int, bytes]]:
        """Return the messages of a topic's log after a number."""

    def shared(self, key: str) -> bytes | None:
        """Return a message that several topics share; None if it is not kept."""


@dataclass(slots=True)
class Subscription:
    """A topic that this process wants, and where it is in it."""

    deliver: Deliver
    track: Track
    tried: threading.Event
    """Set once its position was asked for."""

    taking: threading.Lock = field(default_factory=threading.Lock)
    """Held by who delivers: in a cluster, a topic may go from one node's reader to another's."""

    last: str | None = None
    """The id of the last message that came, as a check on what Redis has in its place."""

    sure: int = 0
    """The number up to which Redis has confirmed what came in this epoch."""

    doubtful: bool | None = None
    """Whether Redis may have forgotten messages without a trace; False: surely not."""

    located: bool = False
    """Whether its position at the beginning is known; None for a topic that was idle."""


class Receiver:
    """The topics of this process.

    What comes is handed in by the threads of readers: one, or one for each node of a cluster.

    Args:
        publisher: what asks Redis for positions and logs.
        names: know the keys of shared messages.
        signing: checks messages; None takes all.
        schedule: how ``deliver`` and ``lost`` are called.

    """

    def __init__(
        self,
        publisher: Keeps,
        names: Names,
        schedule: Schedule,
        lost: Lost,
        signing: Signing | None = None,
    ) -> None:
        self._publisher = publisher
        self._schedule = schedule
        self._lost = lost
        self._subscriptions: dict[str, Subscription] = {}
        self._ignored, self._next_line = 0, 0.0
        self._messages = Messages(publisher.shared, names, signing)

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
            return self._ignore(topic, data, error)
        with subscription.taking:
            self._arrive(topic, subscription, position, message)

    def _arrive(
        self, topic: str, subscription: Subscription, position: Position, message: bytes
    ) -> None:
        """Take a message that was just published.

        Raises:
            RedisError: Redis had to be asked, and cannot be; the message counts as missing.

        """
        verdict = subscription.track.judge(position)
        if verdict is Verdict.OLD:
            return self._check_old(topic, subscription, position)
        if verdict is not Verdict.NEXT and not self._is_reached(topic, subscription, position):
            return self._ignore(topic, message, f"Redis is not at {position.number:.0f} there")
        if verdict is Verdict.HOLE:
            self._fill(topic, subscription, position.number)
        elif verdict is Verdict.LOST:
            self._tell_lost(topic)
        try:
            self._deliver(topic, subscription, position, message)
        except ProtocolError as error:
            # Its place in the topic is not believed either: what Redis has there may be another.
            self._ignore(topic, message, error)

    def _is_reached(self, topic: str, subscription: Subscription, position: Position) -> bool:
        """Whether Redis has given out a position that does not follow on the last one.

        If not, the message is forged, or Redis has forgotten it: the sockets are told.
        """
        now = self._now(topic)
        if now is not None and now.epoch == position.epoch and now.number >= position.number:
            return True
        self._tell_lost(topic)
        return False

    def _check_old(self, topic: str, subscription: Subscription, position: Position) -> None:
        """Drop a message that came before, unless a forged one had taken its place."""
        if position.number <= subscription.sure:
            return
        now = self._now(topic)
        if now is None or now.epoch != position.epoch:
            return
        track = subscription.track
        if self._is_rewound(topic, subscription, now):
            track.position = Position(now.epoch, min(position.number, now.number) - 1)
            self._fill(topic, subscription, now.number + 1)
        subscription.sure = track.position.number if track.position is not None else 0

    def _now(self, topic: str) -> Position | None:
        found = self._publisher.position(topic)
        return None if found is None else Position(*found)

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
            self._deliver_kept(topic, subscription, Position(position.epoch, number), message)
            subscription.sure = number  # for Redis itself has it there

    def _deliver_kept(
        self, topic: str, subscription: Subscription, position: Position, message: bytes
    ) -> None:
        try:
            self._deliver(topic, subscription, position, message)
        except ProtocolError as error:
            self._ignore(topic, message, error)
            self._move(subscription, position, None)

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
        now = self._now(topic)
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
            subscription.sure = now.number

    def _is_rewound(self, topic: str, subscription: Subscription, now: Position) -> bool:
        """Whether Redis has forgotten messages that came, and given their numbers to others.

        A replica that takes its primary's place may not have had the last ones.
        """
        position = subscription.track.position
        if position is None or position.number > now.number:
            return position is not None
        if subscription.last is None:
            return False
        kept = self._publisher.log(topic, position.number - 1, 1)
        return any(
            number == position.number and self._messages.id_of(message) != subscription.last
            for number, message in kept
        )

    def _deliver(
        self, topic: str, subscription: Subscription, position: Position, message: bytes
    ) -> None:
        """Deliver a message, unless it came on another of its topics; note its position.

        Raises:
            ProtocolError: it is no message of this relay for this topic.
            RedisError: Redis had to be asked, and cannot be.

        """
        try:
            id, envelope = self._messages.open(topic, message)
        except Gone:
            self._tell_lost(topic)
            return self._move(subscription, position, self._messages.id_of(message))
        self._move(subscription, position, id)
        if envelope is not None:
            self._schedule(subscription.deliver, envelope)

    def _move(self, subscription: Subscription, position: Position, id: str | None) -> None:
        track = subscription.track
        if track.position is None or position.epoch != track.position.epoch:
            subscription.sure = 0
        track.move(position)
        subscription.last = id

    def _ignore(self, topic: str, data: bytes, fault: object) -> None:
        """Say what was ignored, in one line every ten seconds at most."""
        self._ignored += 1
        if time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + QUIET
            count, self._ignored = self._ignored, 0
            logger.warning(
                "Ignored %s foreign or malformed messages from Redis; the last came for %s and "
                "begins with %r: %s",
                count,
                topic,
                data[:60],
                fault,
            )

    def _tell_lost(self, topic: str) -> None:
        logger.error("Messages of %s were lost, or may be: the relay's log lacks them", topic)
        self._schedule(self._lost, topic)
