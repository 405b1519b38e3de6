"""What was sent to a socket whose client may come back, as far as the client may have missed it."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from django_socketio.channels.offsets import Sent

MAX_EVENTS = 1000
"""Events that are kept for one socket."""


_LOST = ""
"""In the place of an offset that no client can present."""


class Budget:
    """The bytes that a process keeps for all its sockets; an event that several keep counts once.

    Args:
        limit: highest number of bytes.
        of_one: highest number of bytes of the events that one socket keeps.
        seconds: for how long an event is kept while its client is connected.

    Attributes:
        used: the number of bytes that are kept.

    """

    def __init__(self, limit: int, of_one: int, seconds: float) -> None:
        self.limit = limit
        self.of_one = of_one
        self.seconds = seconds
        self.used = 0

    def take(self, sent: Sent) -> None:
        """Count an event that a socket keeps."""
        if not sent.keepers:
            self.used += sent.size
        sent.keepers += 1

    def give_back(self, sent: Sent) -> None:
        """Count an event no more, for one of the sockets that keep it."""
        sent.keepers -= 1
        if not sent.keepers:
            self.used -= sent.size


class SentEvents:
    """The newest events that were sent to one socket, in their order.

    An event is dropped once its client must have had it, or has shown that it has no connection:
    a ping that was sent after the event would have been answered. Past a limit, events are dropped
    that the client may not have had; then it cannot be told what it has missed.

    Args:
        budget: the bytes that may be kept.

    """

    __slots__ = ("_budget", "_events", "_last_dropped", "_size")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._events: deque[Sent] = deque()
        self._last_dropped: str | None = None
        self._size = 0

    def add(self, sent: Sent) -> None:
        """Keep an event that was sent, or is to be sent once its client comes back."""
        budget = self._budget
        budget.take(sent)
        self._events.append(sent)
        self._size += sent.size
        while len(self._events) > MAX_EVENTS or self._size > budget.of_one:
            self._drop()
        if budget.used > budget.limit:
            self.clear()

    def forget_before(self, time: float) -> None:
        """Drop the events that were sent before a time."""
        while self._events and self._events[0].at < time:
            self._drop()

    def had_before(self, unfetched: Sequence[str | bytes]) -> None:
        """Drop the events that a client has for certain, whatever offset it will present.

        Args:
            unfetched: the packets that it does not have.

        """
        missing = set(unfetched)
        while self._events and missing.isdisjoint(self._events[0].event.contents):
            self._drop()
        if self._last_dropped != _LOST:
            self._last_dropped = None

    def _drop(self) -> None:
        sent = self._events.popleft()
        self._last_dropped = sent.offset
        self._size -= sent.size
        self._budget.give_back(sent)

    def clear(self) -> None:
        """Drop all events."""
        while self._events:
            self._drop()

    def lose(self) -> None:
        """Note that an event was lost that the client should have been sent."""
        self.clear()
        self._last_dropped = _LOST

    @property
    def events(self) -> list[Sent]:
        """The events, the oldest first."""
        return [*self._events]

    def after(self, offset: str | None) -> list[Sent] | None:
        """Return the events after the last one that a client has had; None if that is not known.

        A client that has had no event of this socket presents no offset, or that of an earlier
        socket: then it has missed all events of this one.
        """
        for place, sent in enumerate(reversed(self._events)):
            if sent.offset == offset:
                return list(islice(self._events, len(self._events) - place, None))
        if self._last_dropped is None or self._last_dropped == offset:
            return list(self._events)
        return None

    def resume(self, offset: str | None, is_for: Callable[[Sent], bool]) -> list[Sent] | None:
        """Return the events that a client has missed; None, and change nothing, if unknown.

        Only these are kept: the client has had all before them, and others are not for it.

        Args:
            offset: of the last event that the client has had.
            is_for: returns whether an event is still for the client.

        """
        missed = self.after(offset)
        if missed is None:
            return None
        if len(missed) < len(self._events):
            self._last_dropped = offset
        found = [sent for sent in missed if is_for(sent)]
        self._replace(found)
        return found

    def _replace(self, events: list[Sent]) -> None:
        kept, self._events = self._events, deque(events)
        for sent in events:
            self._budget.take(sent)
        for sent in kept:
            self._budget.give_back(sent)
        self._size = sum(sent.size for sent in events)
