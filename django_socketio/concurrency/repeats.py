"""What repeats is written to the log a few times, then counted."""

from collections.abc import Callable, Hashable
from functools import partial

from django_socketio.concurrency.timers import Timers

INTERVAL = 10.0
"""Seconds for which equal entries are counted together."""

WRITTEN = 5
"""Entries of an interval that are written."""

Tell = Callable[[int, str], None]
"""Writes how many more there were, and an example; called in the hub."""


class Repeats:
    """Tells which entries of a log are new, and how many others there were every ten seconds.

    Args:
        timers: call back at the end of each interval.

    """

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._counts: dict[Hashable, int] = {}

    def __len__(self) -> int:
        """How many kinds are counted at present."""
        return len(self._counts)

    def is_new(self, kind: Hashable, example: Callable[[], str], tell: Tell) -> bool:
        """Count an entry; return whether it is one of the first of its kind, which are written.

        Args:
            kind: equal for entries that are counted together.
            example: returns how it reads; only the first of its kind is asked for.
            tell: is told of those that were not written.

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
