"""The package's log, for code that runs in the event loop.

A logging handler may wait, for a disk, a mail server or a lock. The event loop must not wait:
a greenlet writes its log entries.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any

from django_socketio.concurrency.native import get_hub_if_exists
from django_socketio.logs import get_logger

logger = get_logger("django_socketio.transports")
"""The default logger."""


def warning(message: str, *args: Any, to: logging.Logger = logger) -> None:
    """Log a warning."""
    _log(to, logging.WARNING, message, args)


def error(message: str, *args: Any, to: logging.Logger = logger) -> None:
    """Log an error."""
    _log(to, logging.ERROR, message, args)


def exception(message: str, *args: Any, to: logging.Logger = logger) -> None:
    """Log an error, with the exception that is being handled."""
    _log(to, logging.ERROR, message, args, exc_info=sys.exc_info())


def _log(
    to: logging.Logger, level: int, message: str, args: tuple[Any, ...], **options: Any
) -> None:
    if not to.isEnabledFor(level):
        return
    say(to.log, level, message, *args, **options)


def say(log: Callable[..., object], *args: Any, **options: Any) -> None:
    """Call a function that logs: in a greenlet of its own where this is the hub, or at once."""
    gevent = sys.modules.get("gevent")
    if gevent is not None and gevent.getcurrent() is get_hub_if_exists():
        gevent.spawn(log, *args, **options)
    else:
        log(*args, **options)
