"""Handlers in the form of a class: ``Namespace``, whose methods are the handlers of one namespace.

    from django_socketio.namespaces import Namespace

    class Chat(Namespace, namespace="/chat"):
        def on_connect(self):
            self.nickname = "somebody"

        def on_nickname(self, name):
            self.nickname = name

        def on_message(self, text):
            self.emit_to_room("lobby", "message", [self.nickname, text])

The methods are registered by the decorators of ``django_socketio.events``, so classes and functions
may handle events of the same sockets.
"""

import inspect
from collections.abc import Callable, Container, Iterable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, ClassVar

from asgiref.sync import markcoroutinefunction
from django.core.exceptions import PermissionDenied

from django_socketio import events
from django_socketio.events.handlers import is_async
from django_socketio.events.interfaces import Socket
from django_socketio.exceptions import EventError
from django_socketio.protocol.socketio.names import check_namespace

if TYPE_CHECKING:
    from gevent import Greenlet

PREFIX = "on_"

ACL = "allowed_methods"
"""The key of the context with the methods that clients may call, by the name of their class."""

ARGUMENTS = ("request", "socket", "context")
"""The arguments of a handler before those of the event."""

POSITIONAL_ONLY = inspect.Parameter.POSITIONAL_ONLY


class Namespace:
    """The base class of handlers in the form of methods.

    A subclass that names its namespace is registered, each method ``on_<event>`` for its event:
    ``on_connect``, ``on_disconnect`` and the other decorators' names for those events, any other
    name for the event that clients send by that name (also ``on_join`` and ``on_leave``: presence
    is for functions). A subclass without a namespace is a base class of others. A method takes the
    arguments of the event and returns the answer. Static methods and class methods may be handlers.

    There is an instance for each call of a method. Its attributes are those of the *context*: what
    one method sets (``self.nickname = "ann"``), the later ones for the same socket read.

    Args:
        namespace: the Socket.IO namespace.
        channel: a pattern of channels, for the methods whose events may have one.

    Attributes:
        request: the request of the socket.
        socket: the socket.

    Raises:
        EventError: the namespace, the pattern or the name of a method is not allowed.

    """

    __slots__ = ("__dict__", "request", "socket")

    request: Any
    socket: Socket
    registered: ClassVar[str | None] = None
    """The namespace of the class, if it is registered."""

    def __init_subclass__(cls, namespace: str | None = None, channel: str | None = None) -> None:
        super().__init_subclass__()
        cls.registered = None
        if namespace is None:
            if channel is not None:
                raise EventError(f"class {cls.__name__}(channel={channel!r}) needs namespace=…")
            return
        cls.registered = namespace = check_namespace(namespace)
        names = [one for one, _ in inspect.getmembers(cls, callable) if one.startswith(PREFIX)]
        for name in names:
            _register(cls, name, namespace, channel)
        if not names:
            events.on_connect(namespace=namespace)(_admit)

    @property
    def context(self) -> dict[str, Any]:
        """The context of the socket, as handlers in the form of functions get it."""
        return self.__dict__

    # Sending

    def emit(self, event: str, *args: Any, callback: Callable[..., Any] | None = None) -> bool:
        """Send an event to this client; see ``socket.emit``."""
        return self.socket.emit(event, *args, callback=callback)

    def send(self, message: Any) -> bool:
        """Send a message to this client; see ``socket.send``."""
        return self.socket.send(message)

    def call(self, event: str, *args: Any, timeout: float | None = 10.0) -> Any:
        """Send an event to this client, and return its answer; see ``socket.call``."""
        return self.socket.call(event, *args, timeout=timeout)

    def emit_to_room(self, room: str, event: str, message: Any = None) -> None:
        """Send an event to the other sockets on a channel; see ``socket.broadcast_channel``."""
        self.socket.broadcast_channel(message, room, event)

    def broadcast_event(self, event: str, message: Any = None) -> None:
        """Send an event to all sockets of the namespace; see ``socket.send_and_broadcast``."""
        self.socket.send_and_broadcast(message, event)

    def broadcast_event_not_me(self, event: str, message: Any = None) -> None:
        """Send an event to all other sockets of the namespace; see ``socket.broadcast``."""
        self.socket.broadcast(message, event)

    # Channels

    @property
    def rooms(self) -> list[str]:
        """The channels of the socket."""
        return self.socket.channels

    def join(self, room: str) -> bool:
        """Put the socket on a channel; see ``socket.subscribe``."""
        return self.socket.subscribe(room)

    def leave(self, room: str) -> bool:
        """Take the socket off a channel; see ``socket.unsubscribe``."""
        return self.socket.unsubscribe(room)

    # Life

    def spawn(self, function: Callable[..., Any], *args: Any) -> "Greenlet[..., Any]":
        """Run a function in a greenlet that ends with the socket; return the greenlet.

        If the client comes back to its socket in another process, ``on_return`` may spawn again.

        Raises:
            EventError: the socket has ended.

        """
        from django_socketio.concurrency.owned import spawn_for

        if self.socket.disconnect_reason is not None:
            raise EventError("a socket that has ended starts no greenlet")
        return spawn_for(self.socket, function, *args)

    def disconnect(self) -> None:
        """End the connection to this namespace."""
        self.socket.disconnect()

    # Methods that clients may call

    def get_initial_acl(self) -> Iterable[str] | None:
        """Return the names of the methods of this class that clients may call; None for all."""
        return None

    def add_acl_method(self, name: str) -> None:
        """Let the client call a method, beside those of the ACL; without one, no other method."""
        self._set_acl([*(one for one in self._acl() or () if one != name), name])

    def del_acl_method(self, name: str) -> None:
        """Let the client call a method no more.

        Raises:
            ValueError: there is no ACL.

        """
        allowed = self._acl()
        if allowed is None:
            raise ValueError(f"{name} cannot be taken off the ACL: all methods are allowed")
        self._set_acl([one for one in allowed if one != name])

    def lift_acl_restrictions(self) -> None:
        """Let the client call all methods."""
        self._set_acl(None)

    def reset_acl(self) -> None:
        """Let the client call the methods of ``get_initial_acl``."""
        self._set_acl(self.get_initial_acl())

    def is_method_allowed(self, name: str) -> bool:
        """Return whether the client may call a method."""
        allowed = self._acl()
        return allowed is None or name in allowed

    def _acl(self) -> list[str] | None:
        """Return the names of the methods that the client may call; None for all."""
        own = _name_of(type(self))
        if own not in self.context.get(ACL, ()):
            if type(self).get_initial_acl is Namespace.get_initial_acl:
                return None
            self.reset_acl()
        allowed: list[str] | None = self.context[ACL][own]
        return allowed

    def _set_acl(self, allowed: Iterable[str] | None) -> None:
        names = None if allowed is None else [*allowed]  # JSON: the context may go to a process
        self.context.setdefault(ACL, {})[_name_of(type(self))] = names


def _admit(request: Any, socket: Socket, context: dict[str, Any]) -> None:
    """Admit a client to the namespace of a class without methods."""


def _name_of(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _register(cls: type[Namespace], name: str, namespace: str, channel: str | None) -> None:
    event = getattr(events, name, None)
    if isinstance(event, events.Event):
        pattern = channel if event.supports_channels else None
        handler = _handler(cls, name, is_called=event is events.on_message)
        event(channel=pattern, namespace=namespace)(handler)
    else:
        decorate = events.on_event(name.removeprefix(PREFIX), channel=channel, namespace=namespace)
        decorate(_handler(cls, name, is_called=True))


def _handler(cls: type[Namespace], name: str, is_called: bool) -> Any:
    """Return the handler that calls a method.

    Args:
        cls, name: the method.
        is_called: whether clients call it by an event of theirs, which the ACL may refuse.

    """

    def handler(request: Any, socket: Any, context: dict[str, Any], *args: Any) -> Any:
        instance = cls.__new__(cls)
        instance.__dict__ = context
        instance.request, instance.socket = request, socket
        if is_called and not instance.is_method_allowed(name):
            raise PermissionDenied(f"{name} is not allowed")
        return getattr(instance, name)(*args)

    method = getattr(cls.__new__(cls), name)
    update_wrapper(handler, method)
    handler.__signature__ = _signature(cls, name, method)  # type: ignore[attr-defined]
    return markcoroutinefunction(handler) if is_async(method) else handler


def _signature(cls: type[Namespace], name: str, method: Any) -> inspect.Signature:
    """Return the signature of the handler that calls a method.

    Raises:
        EventError: the method takes no instance.

    """
    try:
        signature = inspect.signature(method)
    except ValueError:
        raise EventError(f"{cls.__name__}.{name} takes no self") from None
    own = signature.parameters
    first = [inspect.Parameter(_free(one, own), POSITIONAL_ONLY) for one in ARGUMENTS]
    return signature.replace(parameters=[*first, *own.values()])


def _free(name: str, taken: Container[str]) -> str:
    """Return a name for a parameter that no other parameter has."""
    while name in taken:
        name = f"_{name}"
    return name
