"""Decorators for the handlers of sockets' events.

    from django_socketio.events import on_message

    @on_message(channel="^room-")
    def say(request, socket, context, message):
        socket.send_and_broadcast_channel(message)

Put handlers into the ``events.py`` of an installed app: django-socketio imports that module.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, overload

from django_socketio.events.handlers import Handlers, Registration
from django_socketio.events.interfaces import Handler
from django_socketio.events.presence import JoinEvents
from django_socketio.exceptions import EventError
from django_socketio.protocol.socketio.names import PRESENCE, check_namespace
from django_socketio.relay import patterns

Function = TypeVar("Function", bound=Handler)

Predicate = Callable[[Any, str], Any]
"""Takes a request and a channel; returns a ``bool``, or an awaitable of one (``async def``)."""

PredicateFunction = TypeVar("PredicateFunction", bound=Predicate)

RESERVED = frozenset(
    {
        PRESENCE,
        "channel",
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
        "subscribe",
        "unsubscribe",
    }
)
"""Event names that clients cannot send, or that have a decorator of their own."""


class Event:
    """An event, and the decorator for its handlers.

    The decorator is used bare (``@on_message``) or called (``@on_message()``). ``channel`` is a
    regular expression: the handler runs only if the pattern matches the start (``re.match``) of
    any of the socket's channels. ``namespace`` is the Socket.IO namespace of the handler.

    Args:
        name: the decorator's name, for error messages.
        supports_channels: whether handlers may have a ``channel`` pattern.
        handlers: the handlers, if they are those of another event as well.
        first_only: whether handlers take only the first argument of an event.
        names_channel: whether the argument of the event is a channel, with which patterns are
            matched instead of with the socket's channels.

    """

    def __init__(
        self,
        name: str,
        *,
        supports_channels: bool = True,
        handlers: Handlers | None = None,
        first_only: bool = False,
        names_channel: bool = False,
    ) -> None:
        self.name = name
        self.supports_channels = supports_channels
        self.handlers = Handlers() if handlers is None else handlers
        self.names_channel = names_channel
        self._first_only = first_only

    def __repr__(self) -> str:
        return f"<Event {self.name}>"

    @overload
    def __call__(self, handler: Function) -> Function: ...

    @overload
    def __call__(
        self,
        handler: None = None,
        channel: str | None = None,
        namespace: str = "/",
    ) -> Callable[[Function], Function]: ...

    def __call__(
        self,
        handler: Function | None = None,
        channel: str | None = None,
        namespace: str = "/",
    ) -> Function | Callable[[Function], Function]:
        """Register ``handler``, or return the decorator that does.

        Raises:
            EventError: the event does not support channels, the pattern is not a regular
                expression, or the namespace's name is not allowed.

        """
        if handler is not None and not callable(handler):
            raise EventError(f"@{self.name} decorates a function, not {self._hint(handler)}")
        pattern, namespace = self._pattern(channel), check_namespace(namespace)

        def register(handler: Function) -> Function:
            self.handlers.add(Registration(handler, pattern, namespace, self._first_only))
            return handler

        return register if handler is None else register(handler)

    def _hint(self, handler: object) -> str:
        if isinstance(handler, str) and self.supports_channels:
            return f"{handler!r}; a pattern is given as @{self.name}(channel={handler!r})"
        return repr(handler)

    def _pattern(self, channel: str | None) -> re.Pattern[str] | None:
        if channel is None:
            return None
        if not self.supports_channels:
            raise EventError(f"{self.name} has no channels yet, so it takes no channel={channel!r}")
        try:
            return re.compile(channel)
        except (*patterns.ERRORS, TypeError) as error:
            raise EventError(
                f"{self.name}(channel={channel!r}): expected a regular expression: {error}"
            ) from None

    def disconnect(self, handler: Handler) -> None:
        """Remove all registrations of a handler for this event."""
        self.handlers.remove(handler)


class NamedEvents:
    """The decorator for events by the names that clients give them: ``@on_event("typing")``."""

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}

    def __call__(
        self,
        name: str,
        channel: str | None = None,
        namespace: str = "/",
    ) -> Callable[[Function], Function]:
        """Return the decorator that registers a handler for events called ``name``.

        Raises:
            EventError: the name is reserved, empty or no string; or as ``Event`` raises it.

        """
        if not isinstance(name, str) or not name:
            raise EventError(
                f'on_event takes the event\'s name, as @on_event("name"); got {name!r}'
            )
        if name in RESERVED:
            raise EventError(
                f"the event name {name!r} is reserved; see on_connect, on_subscribe, …"
            )
        return self.named(name)(channel=channel, namespace=namespace)

    def named(self, name: str) -> Event:
        """Return the event called ``name``."""
        if name not in self._events:
            self._events[name] = Event(f"on_event({name!r})")
        return self._events[name]

    def get(self, name: str) -> Event | None:
        """Return the event called ``name``; None if no handler was ever registered for it."""
        return self._events.get(name)

    def items(self) -> Iterator[tuple[str, Event]]:
        """Return the events with their names."""
        return iter(self._events.items())

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events.values())


class Predicates:
    """The decorator ``may_subscribe``, for functions that say whether a client may have a channel.

    Such a function takes a request and the name of a channel, returns ``True`` or ``False``, and
    has no side effects: it is asked when a client subscribes, and again later. The client gets
    the channel if no function refuses it.

    Attributes:
        event: the registrations, as those of handlers.

    """

    def __init__(self, event: Event) -> None:
        self.event = event

    @overload
    def __call__(self, predicate: PredicateFunction) -> PredicateFunction: ...

    @overload
    def __call__(
        self,
        predicate: None = None,
        channel: str | None = None,
        namespace: str = "/",
    ) -> Callable[[PredicateFunction], PredicateFunction]: ...

    def __call__(
        self,
        predicate: PredicateFunction | None = None,
        channel: str | None = None,
        namespace: str = "/",
    ) -> PredicateFunction | Callable[[PredicateFunction], PredicateFunction]:
        """Register ``predicate``, or return the decorator that does; see ``Event``."""
        register: Any = self.event
        registered: PredicateFunction = register(predicate, channel, namespace)
        return registered

    def disconnect(self, predicate: Predicate) -> None:
        """Remove all registrations of a function."""
        self.event.handlers.remove(predicate)


on_event = NamedEvents()
"""Handlers of the events that the site names: ``@on_event("typing")``."""

on_connect = Event("on_connect", supports_channels=False)
"""A client connects. A handler refuses it by ``PermissionDenied``."""

on_message = Event("on_message", handlers=on_event.named("message").handlers, first_only=True)
"""A client has sent a message, by ``send``: any JSON value, or bytes."""

may_subscribe = Predicates(Event("may_subscribe", names_channel=True))
"""Functions ``(request, channel)`` that answer whether a client may have a channel."""

on_subscribe = Event("on_subscribe", names_channel=True)
"""A client asks for a channel, the last argument. A handler refuses it by ``PermissionDenied``."""

on_unsubscribe = Event("on_unsubscribe", names_channel=True)
"""A client has left a channel, the last argument, or its socket has ended."""

on_join = JoinEvents(Event("on_join", names_channel=True))
"""Functions ``(channel, person)``: a person has come to a channel, in the whole site."""

on_leave = JoinEvents(Event("on_leave", names_channel=True))
"""Functions ``(channel, person)``: a person has left a channel, in the whole site."""

presence_info = Predicates(Event("presence_info", names_channel=True))
"""Functions ``(request, channel)`` that return what others are told of a person on a channel."""

on_error = Event("on_error")
"""A handler has raised an exception, the last argument, or the client has broken a rule."""

on_away = Event("on_away")
"""The connection of a client broke that may come back to its socket."""

on_return = Event("on_return")
"""A client has come back to its socket."""

on_disconnect = Event("on_disconnect")
"""The connection has ended; ``socket.disconnect_reason`` says why."""

on_finish = Event("on_finish")
"""The last event of a socket."""


def all_events() -> Iterator[Event]:
    """Return every event, the named ones included."""
    yield from (on_connect, may_subscribe.event, on_subscribe, on_unsubscribe)
    yield from (on_error, on_away, on_return, on_disconnect, on_finish)
    yield from (on_join.event, on_leave.event, presence_info.event)
    yield from on_event


def has_namespace(namespace: str) -> bool:
    """Return whether clients may connect to a namespace: to "/", and to those of handlers."""
    return namespace == "/" or any(
        registration.namespace == namespace
        for event in all_events()
        for registration in event.handlers
    )


OWN_MODULES = "django_socketio."
"""The beginning of the names of this package's modules."""


def summary() -> str:
    """Return how many handlers there are and in which modules, for the banners of servers."""
    functions = handlers_of_site()
    if not functions:
        return "No handlers"
    modules = sorted({str(function.__module__) for function in functions})
    noun = "handler" if len(functions) == 1 else "handlers"
    return f"{len(functions)} {noun} in {', '.join(modules)}"


def handlers_of_site() -> list[Handler]:
    """Return each function that is registered, without those of this package and its dashboard."""
    functions = {id(function): inspect.unwrap(function) for function in all_handlers()}
    return [one for one in functions.values() if is_of_site(one)]


def is_of_site(function: Handler) -> bool:
    """Return whether a function is a site's own."""
    return not str(getattr(inspect.unwrap(function), "__module__", "")).startswith(OWN_MODULES)


def all_handlers() -> list[Handler]:
    """Return the function of each registration."""
    return [registration.function for event in all_events() for registration in event.handlers]
