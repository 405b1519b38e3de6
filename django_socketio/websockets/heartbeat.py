"""The pings of one raw WebSocket: they show whether its client is there (RFC 6455, 5.5.2)."""

import math
from typing import Protocol

from django_socketio.concurrency.timers import Timer, Timers


class Pinged(Protocol):
    """A WebSocket, as its heartbeat uses it."""

    def ping(self) -> object:
        """Send a ping."""

    def take_heard(self, now: float) -> bool:
        """Return whether the client has sent anything since the last call, or may have."""

    def fall_silent(self) -> None:
        """End: the client has not answered a ping in time."""


class Heartbeat:
    """Sends a ping in each interval, and ends a WebSocket whose client does not answer in time.

    Args:
        pinged: the WebSocket.
        timers: call back when it is time.
        interval: seconds between two pings.
        timeout: seconds from a ping until the client must have sent something.

    """

    __slots__ = ("_interval", "_pinged", "_pinged_at", "_timeout", "_timer", "_timers")

    def __init__(self, pinged: Pinged, timers: Timers, interval: float, timeout: float) -> None:
        self._pinged = pinged
        self._timers = timers
        self._interval = interval
        self._timeout = timeout
        self._pinged_at: float | None = None
        """The time of the ping that is not answered yet."""
        self._timer: Timer = timers.after(interval, self._beat)

    def stop(self) -> None:
        """Send no more pings."""
        self._timers.cancel(self._timer)

    def _beat(self, now: float) -> float | None:
        if now == math.inf:  # the server has stopped
            return None
        is_heard = self._pinged.take_heard(now)
        if self._pinged_at is None:
            return self._ping(now)
        if not is_heard:
            self._pinged.fall_silent()
            return None
        due = self._pinged_at + self._interval
        self._pinged_at = None
        return due if due > now else self._ping(now)

    def _ping(self, now: float) -> float:
        self._pinged_at = now
        self._pinged.ping()
        return now + self._timeout
