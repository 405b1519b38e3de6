"""Greenlets that end with their owner."""

from collections.abc import Callable
from typing import Any

from gevent import Greenlet, spawn

from django_socketio.concurrency import hub_log
from django_socketio.logs import get_logger, name_of

logger = get_logger("django_socketio.server")

_greenlets: dict[Any, "set[Greenlet[..., Any]]"] = {}


def spawn_for(owner: Any, function: Callable[..., Any], *args: Any) -> "Greenlet[..., Any]":
    """Run a function in a greenlet that ``end_of(owner)`` ends; return the greenlet.

    The log has the exception that the function raises.
    """

    def tell(failed: Any) -> None:
        hub_log.say(
            logger.error, "%s failed in a greenlet", name_of(function), exc_info=failed.exc_info
        )

    greenlets = _greenlets.setdefault(owner, set())
    greenlet = spawn(function, *args)
    greenlets.add(greenlet)
    greenlet.link(greenlets.discard)
    greenlet.link_exception(tell)
    return greenlet


def end_of(owner: Any) -> None:
    """End the greenlets of an owner, without waiting for them."""
    if _greenlets:  # few sites have any
        for greenlet in _greenlets.pop(owner, ()):
            greenlet.kill(block=False)
