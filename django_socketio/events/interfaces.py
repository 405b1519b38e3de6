"""The types that projects write into annotations: ``Socket``, ``PublicSession`` and ``Handler``.

``Socket`` lists the public methods and attributes of sockets. The class that implements them,
``sockets.socket.Socket``, has internal ones as well, and imports gevent.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable


class PublicSession(NamedTuple):
    """The value of ``socket.session``, which has the public id of the socket since 0.3."""

    session_id: str
    """The argument of ``django_socketio.send``; the client reads it as ``socket.id``."""


@runtime_checkable
class Socket(Protocol):
    """One client's connection to one namespace, as handlers receive it."""

    @property
    def session(self) -> PublicSession:
        """The public id of the socket, as ``socket.session.session_id``."""

    @property
    def auth(self) -> dict[str, Any]:
        """The data that the client sent with its CONNECT packet."""

    @property
    def channels(self) -> list[str]:
        """The channels of the socket, in the order of their subscription."""

    @property
    def event_channel(self) -> str | None:
        """The channel that the client named for the event; None where it named none."""

    @property
    def recovered(self) -> bool:
        """Whether the client has come back to this socket after its connection broke."""

    @property
    def is_away(self) -> bool:
        """Whether the connection has broken, and the client may come back."""

    @property
    def disconnect_reason(self) -> str | None:
        """The reason why the socket ended, in Socket.IO's words; None while it is connected."""

    def send(self, message: Any, event: str = "message") -> bool:
        """Send a message to this client; return False if the socket has ended."""

    def broadcast(self, message: Any, event: str = "message") -> None:
        """Send a message to all other sockets of the namespace."""

    def broadcast_channel(
        self, message: Any, channel: str | None = None, event: str = "message"
    ) -> None:
        """Send a message to the other sockets on a channel, or on any channel of this socket."""

    def send_and_broadcast(self, message: Any, event: str = "message") -> None:
        """Send a message to all sockets of the namespace, this one included."""

    def send_and_broadcast_channel(
        self, message: Any, channel: str | None = None, event: str = "message"
    ) -> None:
        """Send a message to this client and to all sockets on a channel."""

    def emit(self, event: str, *args: Any, callback: Callable[..., Any] | None = None) -> bool:
        """Send an event with any arguments; ``callback`` is called with the client's answer."""

    def call(self, event: str, *args: Any, timeout: float | None = 10.0) -> Any:
        """Send an event, wait for the client's answer, and return the answer."""

    def subscribe(self, channel: str) -> bool:
        """Put the socket on a channel; return False if it is on the channel already."""

    def unsubscribe(self, channel: str) -> bool:
        """Take the socket off a channel; return False if it is not on the channel."""

    def login(self, user: Any) -> None:
        """Have ``request.user`` be this user from now on, for all sockets of the client."""

    def disconnect(self) -> None:
        """End the connection of the client to this namespace."""


class Handler(Protocol):
    """A function that ``on_connect``, ``on_event`` and the other decorators accept.

    ``request`` is the site's own class of requests, if it has one, and ``context`` may be annotated
    as ``dict[str, Any]`` or as a ``TypedDict``. The arguments of the event follow. A handler
    returns the answer to the client's acknowledgment. A handler may be a coroutine function
    (``async def``); every decorator around it has to be asynchronous then.
    """

    def __call__(
        self, request: Any, socket: Socket, context: Any, /, *args: Any, **kwargs: Any
    ) -> Any:
        """Handle an event of a socket."""
