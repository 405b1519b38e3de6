"""All the deadlines of a process, on one timer of the event loop."""

import heapq
import math
import time
from collections.abc import Callable
from itertools import count

from gevent import get_hub

from django_socketio.transports import log

Ring = Callable[[float], float | None]
"""Called with the time that it is; returns when it wants to be called again, or None."""

clock = time.monotonic


class Alarms:
    """Calls functions in the hub when their time has come; they must not block.

    An alarm is not cancelled: its function sees that it is no longer needed, and returns None.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Ring]] = []
        self._tie = count()
        self._timer = get_hub().loop.timer(0)
        self._armed_for: float | None = None

    def set(self, when: float, ring: Ring) -> None:
        """Call ``ring`` once ``clock()`` has reached ``when`` (seconds)."""
        heapq.heappush(self._heap, (when, next(self._tie), ring))
        self._arm()

    def stop(self) -> None:
        """Ring all alarms for the last time: what waits for nothing more lets go now."""
        while self._heap:
            self._call(heapq.heappop(self._heap)[2], math.inf)
        self._timer.close()
        self._armed_for = None

    def _arm(self) -> None:
        when = self._heap[0][0] if self._heap else None
        if when is None or (self._armed_for is not None and self._armed_for <= when):
            return
        self._armed_for = when
        self._timer.close()
        self._timer = get_hub().loop.timer(max(0.0, when - clock()))
        self._timer.start(self._ring, update=True)

    def _ring(self) -> None:
        self._armed_for = None
        now = clock()
        while self._heap and self._heap[0][0] <= now:
            self._call(heapq.heappop(self._heap)[2], now)
        self._arm()

    def _call(self, ring: Ring, now: float) -> None:
        try:
            again = ring(now)
        except Exception:
            log.exception("An alarm failed")
            return
        if again is not None and now < math.inf:
            heapq.heappush(self._heap, (again, next(self._tie), ring))
