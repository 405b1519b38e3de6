"""The decorators for presence: ``on_join``, ``on_leave`` and ``presence_info``."""

from collections.abc import Callable
from typing import Any, TypeVar, overload

from django_socketio.events.handlers import Handlers

JoinHandler = Callable[[str, Any], Any]
"""Takes the name of a channel and a ``Person``; what it returns is ignored (``async def`` too)."""

JoinFunction = TypeVar("JoinFunction", bound=JoinHandler)


class JoinEvents:
    """The decorators ``on_join`` and ``on_leave``, for functions of a channel and a person.

    Such a function is called once in the whole site when a person joins or leaves a channel, in the
    process that has noticed: for ``on_leave``, that may be another one than that of the sockets.

    Args:
        event: has the registrations, as those of handlers.

    """

    def __init__(self, event: Any) -> None:
        self.event = event

    @overload
    def __call__(self, function: JoinFunction) -> JoinFunction: ...

    @overload
    def __call__(
        self,
        function: None = None,
        channel: str | None = None,
        namespace: str = "/",
    ) -> Callable[[JoinFunction], JoinFunction]: ...

    def __call__(
        self,
        function: JoinFunction | None = None,
        channel: str | None = None,
        namespace: str = "/",
    ) -> JoinFunction | Callable[[JoinFunction], JoinFunction]:
        """Register ``function``, or return the decorator that does; see ``Event``."""
        registered: JoinFunction = self.event(function, channel, namespace)
        return registered

    @property
    def handlers(self) -> Handlers:
        """The registrations."""
        handlers: Handlers = self.event.handlers
        return handlers

    def disconnect(self, function: JoinHandler) -> None:
        """Remove all registrations of a function."""
        self.handlers.remove(function)
