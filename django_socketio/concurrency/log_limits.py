"""Limits of log entries that clients can cause as often as they like.

``Once`` allows one entry of a kind, and ``Every`` one in an interval. ``Repeats`` allows a few of a
kind in an interval and counts the others.
"""

import math
from collections.abc import Callable, Hashable
from functools import partial

from django_socketio.concurrency.timers import Clock, Timers, clock

INTERVAL = 10.0
"""Seconds for which equal entries are counted together."""

LOGGED_EVERY = 60.0
"""Seconds between two entries of something that is tried again every few seconds."""

WRITTEN = 5
"""Entries of an interval that are written."""

Tell = Callable[[int, str], None]
"""Called in the hub with the number of entries that were not written, and an example."""


class Repeats:
    """Allows a few entries of each kind, and counts the others for ten seconds.

    Args:
        timers: call back at the end of each interval.

    """

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._counts: dict[Hashable, int] = {}

    def __len__(self) -> int:
        """The number of kinds that are counted at present."""
        return len(self._counts)

    def is_new(self, kind: Hashable, example: Callable[[], str], tell: Tell) -> bool:
        """Count an entry; return whether it is one of the first of its kind, which are written.

        Args:
            kind: equal for entries that are counted together.
            example: returns the text of the entry; called for the first of a kind.
            tell: called with the number of entries that were not written.

        """
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        if count == 1:
            ended = partial(self._end_interval, kind, example(), tell)
            self._timers.after(INTERVAL, ended)
        return count <= WRITTEN

    def _end_interval(self, kind: Hashable, example: str, tell: Tell, now: float) -> None:
        more = self._counts.pop(kind) - WRITTEN
        if more > 0:
            tell(more, example)


class Once:
    """Allows one log entry of each kind, for a limited number of kinds.

    Args:
        limit: the number of kinds; entries of any other kind are never allowed.

    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kinds: set[Hashable] = set()

    def is_new(self, kind: Hashable) -> bool:
        """Return whether an entry is the first of its kind, and is to be written."""
        if kind in self._kinds or self.is_full:
            return False
        self._kinds.add(kind)
        return True

    @property
    def is_full(self) -> bool:
        """Whether no entry of a new kind will be allowed."""
        return len(self._kinds) >= self._limit


class Every:
    """Allows one log entry in an interval.

    Args:
        interval: seconds from an entry that is allowed to the next one.
        clock: returns the time in seconds.

    """

    def __init__(self, interval: float, clock: Clock = clock) -> None:
        self._interval = interval
        self._clock = clock
        self._next = -math.inf

    def is_due(self) -> bool:
        """Return whether an entry is to be written now."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + self._interval
        return True
