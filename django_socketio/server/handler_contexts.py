"""``SOCKETIO_HANDLER_CONTEXT``: context managers of the site, which handlers run in."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from django_socketio import conf
from django_socketio.events.handlers import Call, Registration

ContextManager = Callable[[Any], AbstractContextManager[Any]]
"""Takes the request of a socket; returns the context manager for one handler."""

EXPECTED = "the dotted paths of context managers that take a request"


class HandlerContexts:
    """Runs each handler in context managers, the first one outermost.

    Args:
        managers: called anew for each handler.

    """

    def __init__(self, managers: Sequence[ContextManager]) -> None:
        self._managers = managers

    def layer(self, call: Call, handler: Registration) -> Call:
        """Call a handler in the context managers (a handler layer)."""
        return self.around(call)

    def around(self, call: Call) -> Call:
        """Return a call that runs in the context managers; the same call if there are none."""
        for manager in reversed(self._managers):
            call = _within(manager, call)
        return call


def _within(manager: ContextManager, call: Call) -> Call:
    def call_within(request: Any, socket: Any, context: Any, args: Any) -> Any:
        answer = None  # of a handler whose exception the manager suppresses
        with manager(request):
            answer = call(request, socket, context, args)
        return answer

    return call_within


def from_settings() -> HandlerContexts:
    """Return the context managers that the settings name.

    Raises:
        ImproperlyConfigured: a path leads nowhere, or to an object that cannot be called.

    """
    paths = conf.get("HANDLER_CONTEXT")
    return HandlerContexts(
        [conf.import_callable("HANDLER_CONTEXT", path, EXPECTED) for path in paths]
    )
