"""The package's log, for code that runs in the event loop.

A logging handler may wait, for a disk, a mail server or a lock. The event loop must not: what it
has to say is said by a greenlet.
"""

import logging
import sys
from typing import Any

import gevent
from greenlet import getcurrent

from django_socketio.logs import get_logger

logger = get_logger()


def info(message: str, *args: Any) -> None:
    """Log what is no more than news."""
    _log(logging.INFO, message, args)


def warning(message: str, *args: Any) -> None:
    """Log a warning."""
    _log(logging.WARNING, message, args)


def error(message: str, *args: Any) -> None:
    """Log an error."""
    _log(logging.ERROR, message, args)


def exception(message: str, *args: Any) -> None:
    """Log an error, with the exception that is being handled."""
    _log(logging.ERROR, message, args, exc_info=sys.exc_info())


def _log(level: int, message: str, args: tuple[Any, ...], **options: Any) -> None:
    if getcurrent() is gevent.get_hub():
        gevent.spawn(logger.log, level, message, *args, **options)
    else:
        logger.log(level, message, *args, **options)
