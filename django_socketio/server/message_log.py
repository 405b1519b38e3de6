"""The log of clients' messages, in the format of ``SOCKETIO_MESSAGE_LOG_FORMAT``."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django_socketio import conf
from django_socketio.events.handlers import Call
from django_socketio.events.pipeline import MessageLayer
from django_socketio.logs import Lines, get_logger, printable

logger = get_logger("django_socketio.messages")

MAX_LOGGED = 2_000
"""Characters of a value that the log shows."""


def activity() -> Callable[[], bool]:
    """Return a function that tells whether each message is logged at present."""
    if conf.get("MESSAGE_LOG_FORMAT") is None:
        return lambda: False
    return lambda: logger.isEnabledFor(logging.INFO)


def layers() -> tuple[MessageLayer, ...]:
    """Return the layer that logs each message; none where the setting is not set."""
    format: str | None = conf.get("MESSAGE_LOG_FORMAT")
    return () if format is None else (MessageLog(format).layer,)


class MessageLog:
    """Logs the messages of clients before they are handled.

    Args:
        format: a format for ``%``, with ``TIME``, ``TYPE``, ``MESSAGE`` and the keys of
            ``request.META``.

    """

    def __init__(self, format: str) -> None:
        self._format = format

    def layer(self, call: Call, name: str) -> Call:
        """Log each message of this name before its handlers run (a message layer)."""
        is_enabled = logger.isEnabledFor  # found anew, it would cost as much as the rest

        def log_and_call(request: Any, socket: Any, context: Any, args: Any) -> Any:
            if is_enabled(logging.INFO):
                self._log(request, name, args[0] if args else None)
            return call(request, socket, context, args)

        return log_and_call

    def _log(self, request: Any, kind: str, message: Any) -> None:
        now = datetime.now().replace(microsecond=0)
        values = _Values(request.META, TIME=now, TYPE=kind, MESSAGE=message)
        logger.info("%s", Lines(self._format % values))


class _Values(dict[str, Any]):
    """META, each value fit for a line of the log, with "-" for keys that a request lacks."""

    def __getitem__(self, key: str) -> str:
        return _one_line(super().__getitem__(key))

    def __missing__(self, key: str) -> str:
        return "-"


def _one_line(value: Any) -> str:
    """Return a client's text for the log, escaped so that it cannot look like further lines."""
    try:
        text = str(value)
    except RecursionError:
        text = "(nested too deeply to be shown)"
    return printable(text[:MAX_LOGGED])
