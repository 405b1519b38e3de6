"""The log of what clients cause: the first few entries of each kind, then their number.

A client can cause such an entry as often as it likes, often without a login. That must not fill the
disk.
"""

import logging
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from django_socketio.concurrency import hub_log, log_limits
from django_socketio.concurrency.log_limits import Repeats
from django_socketio.concurrency.patched import original
from django_socketio.concurrency.timers import Timers
from django_socketio.logs import printable

SHOWN = 300
"""Characters of an entry that its number is logged with."""

_of_thread = original("threading", "local")()
"""The counts of a native thread, which has an event loop of its own."""


class ClientLog:
    """Writes entries to a logger, at most ``log_limits.WRITTEN`` of each kind in an interval.

    Entries with the same text, before its arguments are filled in, are of one kind. Methods may be
    called in the event loop.

    Args:
        logger: escapes what clients have chosen (``logs.get_logger``).

    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def info(self, message: str, *args: object) -> None:
        """Log an entry of the level INFO."""
        self._log(logging.INFO, message, args)

    def warning(self, message: str, *args: object) -> None:
        """Log a warning."""
        self._log(logging.WARNING, message, args)

    def error(self, message: str, *args: object, **options: Any) -> None:
        """Log an error; ``extra`` is that of ``logging``."""
        self._log(logging.ERROR, message, args, **options)

    def exception(self, message: str, *args: object) -> None:
        """Log an error, with the exception that is being handled."""
        self._log(logging.ERROR, message, args, exc_info=sys.exc_info())

    def _log(self, level: int, message: str, args: tuple[object, ...], **options: Any) -> None:
        if not self._logger.isEnabledFor(level):
            return
        if self._is_new(level, message, args):
            hub_log.say(self._logger.log, level, message, *args, **options)

    def _is_new(self, level: int, message: str, args: tuple[object, ...]) -> bool:
        repeats: Repeats | None = getattr(_of_thread, "repeats", None)
        if repeats is None:
            return True
        kind = (self._logger.name, level, message)
        return repeats.is_new(
            kind, partial(shown, message, args), partial(tell, self._logger.log, level)
        )


def begin(timers: Timers) -> None:
    """Count the entries of this thread, in which a server runs. Elsewhere, all are written.

    Args:
        timers: call back at the end of each interval.

    """
    _of_thread.repeats = Repeats(timers)


def tell(log: Callable[..., object], level: int, more: int, example: str) -> None:
    """Log the number of entries that were not written (a ``Tell`` with the first two arguments)."""
    text = "%s more like this within %.0f s: %s"
    hub_log.say(log, level, text, more, log_limits.INTERVAL, example)


def shown(message: str, args: tuple[object, ...]) -> str:
    """Return the text of an entry as an example shows it."""
    return printable(message % args)[:SHOWN]
