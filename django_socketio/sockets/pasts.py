"""Reading the past of topics for sockets: a few at a time, and bounded for each."""

from collections.abc import Callable, Iterable

from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore

from django_socketio.channels.recovery import Past, Wanted, past_of
from django_socketio.channels.registry import Channels
from django_socketio.concurrency.executors import Executor
from django_socketio.concurrency.tallies import RECOVERIES
from django_socketio.protocol.engineio.packets import size_of
from django_socketio.relay.envelope import Delivery, LogRange
from django_socketio.relay.topics import Topic

AT_ONCE = 4
"""Readings at the same time: each decodes up to a thousand messages, while other sockets wait."""

HEADER = 80
"""Bytes of a message besides its JSON and the name of its topic: its headers, and its place."""

Replay = Callable[[Topic], int]


class Room:
    """The bytes of messages that a client may get at once, of all topics together.

    Args:
        size: the number of bytes.
        each: bytes of each message besides those that are counted anyway.

    """

    __slots__ = ("_each", "_left")

    def __init__(self, size: int, each: int = 0) -> None:
        self._left = size
        self._each = each

    @property
    def is_used_up(self) -> bool:
        """Whether a message did not fit: no other one may have its place."""
        return self._left <= 0

    def take(self, past: Past, wanted: Wanted) -> Past:
        """Return a past with its newest messages that fit; none if missed ones do not all fit."""
        newest = tuple([*self._newest(reversed(past.deliveries))][::-1])
        if len(newest) == len(past.deliveries):
            return past
        self._left = 0
        if wanted.since is None:
            return past._replace(deliveries=newest)
        return past._replace(deliveries=(), is_whole=False)

    def _newest(self, deliveries: Iterable[Delivery]) -> Iterable[Delivery]:
        for delivery in deliveries:
            self._left -= _size_of(delivery) + self._each
            if self._left < 0:
                return
            yield delivery


class Pasts:
    """Reads what sockets ask for of the past of their topics.

    Clients that come back all at once are served one after the other, and those that miss the same
    share a reading. Workers that wait for their turn step out of the pool, so that the handlers of
    other sockets go on.

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
        self._waiting: dict[tuple[Topic, Wanted], AsyncResult] = {}

    def room(self, each: int = 0) -> Room:
        """Return the room for what a client gets at once; for ``each`` see ``Room``."""
        return Room(self._max_bytes, each)

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

    def read(
        self,
        topic: Topic,
        wanted: Wanted,
        is_for: Callable[[Delivery], bool],
        is_counted: bool = True,
        room: Room | None = None,
    ) -> Past:
        """Return what a socket gets of the past of a topic.

        Args:
            is_for: returns whether a missed message is for the socket.
            is_counted: whether the topic is one of a client that has come back with its position.
            room: bounds the messages of several topics together.

        """
        if room is not None and room.is_used_up and wanted.since is None:
            wanted = Wanted(last=0)
        found = None
        while found is None:
            found = self._found(topic, wanted)
        past = past_of(topic, found, wanted, is_for)
        if room is not None:
            past = room.take(past, wanted)
        if wanted.since is not None and is_counted:
            RECOVERIES.add("complete" if past.is_whole else "incomplete")
        return past

    def _found(self, topic: Topic, wanted: Wanted) -> LogRange | None:
        """Read the log, or share a reading that has not begun; None if that was interrupted.

        A reading that has begun may miss messages that came just before this socket subscribed.
        """
        key = topic, wanted
        if (reading := self._waiting.get(key)) is not None:
            self._executor.step_out(reading.wait)
            shared: LogRange | None = reading.get(block=False)
            return shared
        reading = self._waiting[key] = AsyncResult()
        found = None
        try:
            found = self._read_in_turn(key)
        finally:
            reading.set(found)
        return found

    def _read_in_turn(self, key: tuple[Topic, Wanted]) -> LogRange:
        try:
            self._wait_for_turn()
        finally:
            del self._waiting[key]
        try:
            return self._bounded(self._channels().past(*key), key[1])
        finally:
            self._places.release()

    def _wait_for_turn(self) -> None:
        if self._places.acquire(blocking=False):
            return
        taken: list[bool] = []
        try:
            self._executor.step_out(lambda: taken.append(self._places.acquire()))
        except BaseException:
            if taken:  # it was interrupted on its way back into the pool
                self._places.release()
            raise

    def _bounded(self, found: LogRange, wanted: Wanted) -> LogRange:
        newest = tuple([*self._newest(reversed(found.deliveries))][::-1])
        is_whole = len(newest) == len(found.deliveries)
        is_complete = found.is_complete and (is_whole or wanted.since is None)
        return found._replace(deliveries=newest, is_complete=is_complete)

    def _newest(self, deliveries: Iterable[Delivery]) -> Iterable[Delivery]:
        """Yield the newest messages, with their JSON: the sockets of a reading share it."""
        size = 0
        for delivery in deliveries:
            event = self._channels().encode(delivery)
            encoded = delivery._replace(encoded=(event.text, event.attachments))
            size += _size_of(encoded)
            if size > self._max_bytes:
                return
            yield encoded


def _size_of(delivery: Delivery) -> int:
    """Return the bytes of a message whose event has been encoded, as a client gets it."""
    text, attachments = delivery.encoded or ("", ())
    data = sum(map(len, attachments))
    return HEADER + size_of(delivery.topic.name) + size_of(text) + data
