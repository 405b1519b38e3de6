"""All deadlines of a process, on one timer of the event loop."""

import heapq
import math
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from django_socketio.concurrency import hub_log
from django_socketio.logs import get_logger

logger = get_logger("django_socketio.server")

Callback = Callable[[float], float | None]
"""Called with the current time; returns the time of its next call, or None."""

Clock = Callable[[], float]
"""Returns the time in seconds, from any beginning; never less than before."""

clock: Clock = time.monotonic

LATE = 0.1
"""Seconds of delay of a timer that show that the process was blocked."""

AFTER_READERS = -1
"""Priority of a watcher that is called after the sockets' watchers, when their data was read."""

REPRIEVE = 0.25
"""Seconds by which all timers are postponed then: data that clients sent in time is read first."""

FAILED = "A timer failed"

FEW = 100
"""Number of cancelled timers below which the heap is not cleaned up."""


class Timer:
    """A function to be called, and the time of the call."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callback | None) -> None:
        self.when = when
        self.callback = callback
        """None once it has been called or cancelled."""


class Timers:
    """Calls functions in the hub at a certain time; they must not block.

    Args:
        clock: tells the time. A clock that does not run with the event loop needs ``call_due``
            after each of its steps.

    """

    def __init__(self, clock: Clock = clock) -> None:
        self.clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._tie = count()
        self._cancelled = 0
        self._watcher = _watcher(0.0)
        self._armed_for: float | None = None
        self._called: Timer | None = None
        """The timer whose callback runs, until it is cancelled."""
        self._reprieve = -math.inf
        """The time before which no timer is called, after the process was blocked."""

    def __len__(self) -> int:
        """The number of timers that are set."""
        return len(self._heap) - self._cancelled

    @property
    def next_due(self) -> float:
        """The time of the next call; infinite where no timer is set."""
        return min((when for when, _, timer in self._heap if timer.callback), default=math.inf)

    def set(self, when: float, callback: Callback) -> Timer:
        """Call ``callback`` once ``clock()`` has reached ``when`` (seconds)."""
        timer = Timer(when, callback)
        self._push(timer)
        self._arm()
        return timer

    def after(self, seconds: float, callback: Callback) -> Timer:
        """Call ``callback`` after a number of seconds."""
        return self.set(self.clock() + seconds, callback)

    def every(self, seconds: float, step: Callable[[], object]) -> Timer:
        """Call ``step`` each time so many seconds have passed, whether or not it fails."""

        def call(now: float) -> float:
            try:
                step()
            except Exception:
                hub_log.exception(FAILED, to=logger)
            return now + seconds

        return self.after(seconds, call)

    def cancel(self, timer: Timer) -> None:
        """Cancel a timer, and release its callback; one whose callback runs is not set again."""
        if timer is self._called:
            self._called = None
        if timer.callback is None:
            return
        timer.callback = None
        self._cancelled += 1
        if self._cancelled > FEW and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def is_behind(self, now: float) -> bool:
        """Return whether timers are late, because the process was blocked."""
        return bool(self._heap) and now - self._heap[0][0] > LATE

    def stop(self) -> None:
        """Call all timers for the last time, with an infinite time."""
        while self._heap:
            self._call(heapq.heappop(self._heap)[2], math.inf)
        self._watcher.close()
        self._armed_for = None

    def _push(self, timer: Timer) -> None:
        heapq.heappush(self._heap, (timer.when, next(self._tie), timer))

    def _arm(self) -> None:
        if not self._heap:
            return
        when = max(self._heap[0][0], self._reprieve)
        if self._armed_for is not None and self._armed_for <= when:
            return
        self._armed_for = when
        self._watcher.close()
        # Data of clients is read first: it may be the data that a timer waits for.
        self._watcher = _watcher(max(0.0, when - self.clock()), priority=AFTER_READERS)
        self._watcher.start(self._wake, update=True)

    def _wake(self) -> None:
        self._armed_for = None
        now = self.clock()
        if self.is_behind(now) and self._reprieve == -math.inf:
            self._reprieve = now + REPRIEVE
            return self._arm()
        self.call_due()

    def call_due(self) -> None:
        """Call all timers whose time has come; the event loop does so by itself."""
        now, self._reprieve = self.clock(), -math.inf
        while self._heap and self._heap[0][0] <= now:
            self._call(heapq.heappop(self._heap)[2], now)
        self._arm()

    def _call(self, timer: Timer, now: float) -> None:
        callback, timer.callback = timer.callback, None
        if callback is None:
            self._cancelled -= 1
            return
        self._called = timer
        try:
            again = callback(now)
        except Exception:
            hub_log.exception(FAILED, to=logger)
            return
        if again is not None and now < math.inf and self._called is timer:
            timer.when, timer.callback = again, callback
            self._push(timer)


def _watcher(seconds: float, **options: Any) -> Any:
    """Return a timer of the event loop."""
    from gevent import get_hub  # not before there is an event loop: scripts have none

    return get_hub().loop.timer(seconds, **options)
