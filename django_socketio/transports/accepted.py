"""The connections of an engine that are no sessions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.websocket.connection import CloseCode

FEW = 100
"""Number of connections up to which closed ones are kept with them."""


class Connection(Protocol):
    """A raw WebSocket, or what carries an event stream."""

    listener: Any
    """Is told of its end; None once it is told, or nobody is."""

    @property
    def is_closed(self) -> bool:
        """Whether it is closed, or is being closed."""

    def close(self, code: int, reason: str) -> None:
        """Close it after what waits to be sent; the listener is called no more."""


class AcceptedConnections:
    """Raw WebSockets and event streams, kept until their engine stops.

    The closed ones are dropped from time to time. Weak references would do without that, but
    compiled objects have none.

    Attributes:
        is_over: whether the engine has stopped; connections end that were admitted before.

    """

    def __init__(self) -> None:
        self._members: set[Connection] = set()
        self.is_over = False
        self._many = FEW
        """Number of connections past which the closed ones among them are dropped."""

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._members)

    def _add(self, connection: Connection) -> None:
        """Keep a connection."""
        if len(self._members) >= self._many:
            self._members = {one for one in self._members if not one.is_closed}
            self._many = FEW + 2 * len(self._members)
        self._members.add(connection)

    @contextmanager
    def beginning(self, connection: Connection) -> Iterator[None]:
        """Keep a connection, which begins in the block."""
        self._add(connection)
        yield
        if self.is_over:
            _end(connection)

    def clear(self) -> None:
        """Forget all connections."""
        self._members.clear()

    def ends(self) -> list[Callable[[], None]]:
        """Return a function for each connection that closes it: the server stops."""
        return [partial(_end, connection) for connection in self._members]


def _end(connection: Connection) -> None:
    listener = connection.listener
    connection.close(CloseCode.GOING_AWAY, Reason.SHUTTING_DOWN)
    if listener is not None:
        listener.transport_closed(Reason.SHUTTING_DOWN, None)
