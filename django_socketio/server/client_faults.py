"""The log of what clients do wrong before there is a request: the first few, then their number."""

import logging
from functools import partial
from typing import Any

from django_socketio.concurrency import hub_log, log_limits
from django_socketio.concurrency.log_limits import Repeats
from django_socketio.concurrency.timers import Timers
from django_socketio.logs import printable

SHOWN = 300
"""Characters of what a client did that the log shows."""


class ClientFaults:
    """Writes to a server's log what its clients do wrong.

    A client can do it as often as it likes, without a login: that must not fill the disk.

    Args:
        log: the server's logger, or gunicorn's log.
        timers: call back when it is time to count.

    """

    def __init__(self, log: Any, timers: Timers) -> None:
        self._log = log
        self._repeats = Repeats(timers)

    def info(self, message: str, *args: object) -> None:
        """Log what happens on any network, such as a client that falls silent."""
        self._say(logging.INFO, message, args)

    def warning(self, message: str, *args: object) -> None:
        """Log what a client should not have sent."""
        self._say(logging.WARNING, message, args)

    def _say(self, level: int, message: str, args: tuple[object, ...]) -> None:
        text = partial(_text, message, args)
        if self._repeats.is_new(message, text, partial(self._tell, level)):
            self._log.log(level, "%s", text())

    def _tell(self, level: int, more: int, example: str) -> None:
        text = "%s more like this within %.0f s: %s"
        hub_log.say(self._log.log, level, text, more, log_limits.INTERVAL, example)


def _text(message: str, args: tuple[object, ...]) -> str:
    return printable(message % args)[:SHOWN]
