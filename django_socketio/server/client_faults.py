"""The log of what clients do wrong before there is a request: the first few, then their number."""

import logging
from functools import partial
from typing import Any

from django_socketio.concurrency.client_log import shown, tell
from django_socketio.concurrency.log_limits import Repeats
from django_socketio.concurrency.timers import Timers


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
        text = partial(shown, message, args)
        if self._repeats.is_new(message, text, partial(tell, self._log.log, level)):
            self._log.log(level, "%s", text())
