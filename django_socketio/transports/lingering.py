"""The time that a client has after the server has closed its connection."""

from typing import Protocol

from django_socketio.concurrency.timers import Timers

LINGER = 2.0
"""Seconds that the client has to close its side, once it has been sent everything."""

STEP = 0.5
"""Seconds between two looks at what the client has taken."""


class Closing(Protocol):
    """A connection that the server has closed."""

    @property
    def unsent(self) -> int:
        """The bytes that wait for the client."""

    def flush(self) -> None:
        """Send the bytes that the kernel takes now."""

    def give_up(self) -> None:
        """End the connection at once."""


class Lingering:
    """Ends a closed connection whose client takes nothing more, or does not close its side.

    Args:
        connection: the connection.
        timers: call back when it is time.
        patience: seconds within which the client must take something of what waits for it.

    """

    __slots__ = ("_connection", "_least", "_patience", "_timer", "_timers", "_until")

    def __init__(self, connection: Closing, timers: Timers, patience: float) -> None:
        self._connection = connection
        self._timers = timers
        self._patience = patience
        self._least = connection.unsent
        self._until = self._deadline(timers.clock())
        self._timer = timers.set(self._next(timers.clock()), self._look)

    def stop(self) -> None:
        """Look no more: the connection has ended."""
        self._timers.cancel(self._timer)

    def _look(self, now: float) -> float | None:
        # The kernel tells of room only when a third of its buffer is free: long, for a slow client.
        self._connection.flush()
        unsent = self._connection.unsent
        if unsent < self._least:
            self._least = unsent
            self._until = self._deadline(now)
        if now < self._until:
            return self._next(now)
        self._connection.give_up()
        return None

    def _deadline(self, now: float) -> float:
        return now + (self._patience if self._least else LINGER)

    def _next(self, now: float) -> float:
        return min(self._until, now + STEP)
