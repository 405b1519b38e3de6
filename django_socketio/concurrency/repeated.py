"""The log of handlers that fail: an error that repeats is counted, not written again and again.

A client can make a handler fail as often as it likes. That must neither fill the disk nor take time
from other clients.
"""

from functools import partial

from django_socketio.concurrency import hub_log, log_limits
from django_socketio.concurrency.log_limits import Repeats
from django_socketio.concurrency.timers import Timers
from django_socketio.logs import get_logger

logger = get_logger("django_socketio.sockets")

SHOWN = 200
"""Characters of an error that are kept as an example."""

MAX_PLACES = 1_000
"""Highest number of places that are counted separately at the same time."""

Place = tuple[type[BaseException], frozenset[tuple[str, int]], object]
"""The class of an error, the lines of code that its traceback goes through, and the handler whose
arguments were wrong, if they were."""


class RepeatedErrors:
    """Writes errors to the log, and every ten seconds the number of those that have repeated.

    Args:
        timers: call back at the end of each interval.

    """

    def __init__(self, timers: Timers) -> None:
        self._repeats = Repeats(timers)

    def is_new(self, error: BaseException) -> bool:
        """Count an error; return whether it is to be written, as one of the first of its kind."""
        place = _place(error) if len(self._repeats) < MAX_PLACES else _ANYWHERE
        return self._repeats.is_new(place, partial(_shown, error), _tell)

    def log(self, message: str, *args: object, error: BaseException) -> None:
        """Write an error with its traceback, unless it has been written often enough."""
        if self.is_new(error):
            logger.error(message, *args, exc_info=error)


def _tell(more: int, example: str) -> None:
    hub_log.error(
        "%s more errors like %s within %.0f s", more, example, log_limits.INTERVAL, to=logger
    )


_ANYWHERE: Place = (BaseException, frozenset(), None)
"""The place of all errors past ``MAX_PLACES``."""


def _shown(error: BaseException) -> str:
    try:
        return repr(error)[:SHOWN]
    except Exception:
        return type(error).__qualname__


def _place(error: BaseException) -> Place:
    lines, traceback = set(), error.__traceback__
    while traceback is not None:
        lines.add((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return type(error), frozenset(lines), getattr(error, "handler", None)
