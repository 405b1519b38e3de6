"""All the deadlines of a process, on one timer of the event loop."""

import heapq
import math
import time
from collections.abc import Callable
from itertools import count

from gevent import get_hub

from django_socketio.concurrency import hub_log as log
from django_socketio.logs import get_logger

logger = get_logger("django_socketio.server")

Ring = Callable[[float], float | None]
"""Called with the time that it is; returns when it wants to be called again, or None."""

clock = time.monotonic

LATE = 0.1
"""Seconds after which an alarm that has not rung means that the process was held up."""

AFTER_READERS = -1
"""A watcher's priority: its turn comes when what the sockets brought has been read."""

REPRIEVE = 0.25
"""Seconds that all alarms wait after that: what clients sent in time is read first."""

FEW = 100
"""Cancelled alarms that are not worth being cleared away."""


class Alarm:
    """A function that is to be called, and when."""

    __slots__ = ("ring", "when")

    def __init__(self, when: float, ring: Ring | None) -> None:
        self.when = when
        self.ring = ring
        """None once it has been called or cancelled."""


class Alarms:
    """Calls functions in the hub when their time has come; they must not block."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Alarm]] = []
        self._tie = count()
        self._cancelled = 0
        self._timer = get_hub().loop.timer(0)
        self._armed_for: float | None = None
        self._reprieve = -math.inf
        """When alarms ring again, where the process was held up."""

    def __len__(self) -> int:
        """How many are set."""
        return len(self._heap) - self._cancelled

    def set(self, when: float, ring: Ring) -> Alarm:
        """Call ``ring`` once ``clock()`` has reached ``when`` (seconds)."""
        alarm = Alarm(when, ring)
        self._push(alarm)
        self._arm()
        return alarm

    def cancel(self, alarm: Alarm) -> None:
        """Do not call it any more, and let go of what it would have called."""
        if alarm.ring is None:
            return
        alarm.ring = None
        self._cancelled += 1
        if self._cancelled > FEW and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].ring is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def is_behind(self, now: float) -> bool:
        """Return whether alarms should have rung long ago, for the process was held up."""
        return bool(self._heap) and now - self._heap[0][0] > LATE

    def stop(self) -> None:
        """Ring all alarms for the last time: what waits for nothing more lets go now."""
        while self._heap:
            self._call(heapq.heappop(self._heap)[2], math.inf)
        self._timer.close()
        self._armed_for = None

    def _push(self, alarm: Alarm) -> None:
        heapq.heappush(self._heap, (alarm.when, next(self._tie), alarm))

    def _arm(self) -> None:
        if not self._heap:
            return
        when = max(self._heap[0][0], self._reprieve)
        if self._armed_for is not None and self._armed_for <= when:
            return
        self._armed_for = when
        self._timer.close()
        # What clients have sent comes first: it may be what an alarm is about.
        self._timer = get_hub().loop.timer(max(0.0, when - clock()), priority=AFTER_READERS)
        self._timer.start(self._ring, update=True)

    def _ring(self) -> None:
        self._armed_for = None
        now = clock()
        if self.is_behind(now) and self._reprieve == -math.inf:
            self._reprieve = now + REPRIEVE
            return self._arm()
        self._reprieve = -math.inf
        while self._heap and self._heap[0][0] <= now:
            self._call(heapq.heappop(self._heap)[2], now)
        self._arm()

    def _call(self, alarm: Alarm, now: float) -> None:
        ring, alarm.ring = alarm.ring, None
        if ring is None:
            self._cancelled -= 1
            return
        try:
            again = ring(now)
        except Exception:
            log.exception("An alarm failed", to=logger)
            return
        if again is not None and now < math.inf:
            alarm.when, alarm.ring = again, ring
            self._push(alarm)
