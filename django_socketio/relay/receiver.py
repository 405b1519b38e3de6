"""What comes from Redis, put in order: nothing twice, holes filled from the log, losses told."""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from redis.exceptions import RedisError

from django_socketio.exceptions import ProtocolError
from django_socketio.relay import wire
from django_socketio.relay.base import Deliver, Envelope
from django_socketio.relay.positions import Position, Track, Verdict
from django_socketio.relay.publisher import Publisher

logger = logging.getLogger("django_socketio")

SEEN = 10_000
"""Envelopes for several topics that are remembered, not to be delivered twice."""

Schedule = Callable[..., object]
"""Has a function called with arguments in the event loop, in the order of the calls."""

Lost = Callable[[str], None]
"""Hears of a topic of which messages were lost."""


@dataclass(slots=True)
class Subscription:
    """A topic that this process wants, and where it is in it."""

    deliver: Deliver
    track: Track
    tried: threading.Event
    """Set once its position was asked for."""

    located: bool = False
    """Whether its position at the beginning is known; None for a topic that was idle."""


class Receiver:
    """The topics of this process; all but ``add`` and ``remove`` runs in the reader's thread.

    Args:
        publisher: what asks Redis for positions and logs.
        schedule: how ``deliver`` and ``lost`` are called.

    """

    def __init__(self, publisher: Publisher, schedule: Schedule, lost: Lost) -> None:
        self._publisher = publisher
        self._schedule = schedule
        self._lost = lost
        self._subscriptions: dict[str, Subscription] = {}
        self._malformed_seen = False
        self._seen: dict[str, None] = {}

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
        subscription.track.move(position)
        self._deliver(subscription, message)

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
            subscription.track.move(Position(position.epoch, number))
            self._deliver(subscription, message)

    def catch_up(self, topics: Iterable[str]) -> None:
        """Deliver what came on the topics while nothing was heard.

        Raises:
            RedisError: Redis is away again.

        """
        for topic in topics:
            if (subscription := self._subscriptions.get(topic)) is not None:
                self._catch_up(topic, subscription)

    def _catch_up(self, topic: str, subscription: Subscription) -> None:
        found = self._publisher.position(topic)
        now = Position(*found) if found is not None else None
        track = subscription.track
        if not subscription.located:
            # It was subscribed to while Redis was away: its messages begin now.
            track.position, subscription.located = now, True
            return
        if track.position is not None and (now is None or now.epoch != track.position.epoch):
            self._tell_lost(topic)
            track.position = None
        if now is not None:
            track.position = track.position or Position(now.epoch, 0)
            self._fill(topic, subscription, now.number + 1)

    def _deliver(self, subscription: Subscription, message: bytes) -> None:
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
        logger.error("Messages of %s were lost: the relay's log does not have them", topic)
        self._schedule(self._lost, topic)
