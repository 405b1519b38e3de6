"""Reading the past of topics for sockets: a few at a time, and bounded for each."""

from collections.abc import Callable, Iterable

from gevent.lock import BoundedSemaphore

from django_socketio.channels.recovery import Past, Wanted, past_of
from django_socketio.channels.registry import Channels
from django_socketio.concurrency.executors import Executor
from django_socketio.relay.envelope import Delivery
from django_socketio.relay.topics import Topic

AT_ONCE = 4
"""Readings at the same time: each decodes up to a thousand messages, while other sockets wait."""


Replay = Callable[[Topic], int]


class Pasts:
    """Reads what sockets ask for of the past of their topics.

    Clients that come back all at once are served one after the other: workers that wait for their
    turn step out of the pool, so that the handlers of other sockets go on.

    Args:
        channels: reads from the relay.
        executor: runs the handlers.
        max_bytes: bytes of messages that a socket gets of the past of one topic.
        replay: returns how many messages of a topic's history a new subscriber gets without asking;
            None if no topic has any.

    """

    def __init__(
        self,
        channels: Callable[[], Channels],
        executor: Executor,
        max_bytes: int,
        replay: Replay | None = None,
    ) -> None:
        self._channels = channels
        self._executor = executor
        self._max_bytes = max_bytes
        self._places = BoundedSemaphore(AT_ONCE)
        self._replay = replay

    @property
    def has_replays(self) -> bool:
        """Whether new subscribers of any topic get messages without asking."""
        return self._replay is not None

    def unasked(self, topics: Iterable[Topic]) -> dict[Topic, Wanted]:
        """Return those topics of which a new subscriber gets messages without asking."""
        if self._replay is None:
            return {}
        numbers = {topic: self._replay(topic) for topic in topics}
        return {topic: Wanted(last=number) for topic, number in numbers.items() if number}

    def read(self, topic: Topic, wanted: Wanted, is_for: Callable[[Delivery], bool]) -> Past:
        """Return what a socket gets of the past of a topic.

        Args:
            is_for: returns whether a missed message is for the socket.

        """
        if not self._places.acquire(blocking=False):
            self._executor.step_out(self._places.acquire)
        try:
            found = self._channels().past(topic, wanted)
            return self._bounded(past_of(topic, found, wanted, is_for), wanted)
        finally:
            self._places.release()

    def _bounded(self, past: Past, wanted: Wanted) -> Past:
        newest = [*self._newest(reversed(past.deliveries))][::-1]
        if len(newest) == len(past.deliveries):
            return past
        if wanted.since is not None:
            return past._replace(is_whole=False, deliveries=())
        return past._replace(deliveries=tuple(newest))

    def _newest(self, deliveries: Iterable[Delivery]) -> Iterable[Delivery]:
        size = 0
        for delivery in deliveries:
            size += self._channels().size_of(delivery)
            if size > self._max_bytes:
                return
            yield delivery
