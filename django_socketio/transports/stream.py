"""What comes on a connection, as pywsgi reads it: a file."""

from io import DEFAULT_BUFFER_SIZE, BufferedReader, RawIOBase
from typing import Any

from django_socketio.transports.alarms import clock


class _Incoming(RawIOBase):
    """Reads what was received already, then from the connection.

    Attributes:
        waits_since: the time since when bytes of the connection are waited for; None while they
            are not.
        began: the time when the first bytes came after the attribute was set to None.

    """

    waits_since: float | None = None
    began: float | None = None

    def __init__(self, sock: Any, received: bytes) -> None:
        self._socket = sock
        self._received = received
        self.may_wait = True
        """Whether to read from the connection."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._received:
            part = self._received[: len(buffer)]
            self._received = self._received[len(part) :]
            buffer[: len(part)] = part
            return len(part)
        return self._receive_into(buffer) if self.may_wait else None

    def _receive_into(self, buffer: Any) -> int:
        self.waits_since = clock()
        try:
            size: int = self._socket.recv_into(buffer)
        finally:
            self.waits_since = None
        if self.began is None:
            self.began = clock()
        return size


class Stream(BufferedReader):
    """A connection as a file; closing it leaves the connection open.

    Args:
        sock: the connection.
        received: what was read from it already.

    """

    def __init__(self, sock: Any, received: bytes = b"") -> None:
        self._incoming = _Incoming(sock, received)
        # All of it fits into the buffer, where ``read_ahead`` finds it.
        super().__init__(self._incoming, max(len(received), DEFAULT_BUFFER_SIZE))

    def begin(self) -> None:
        """Note the time at which the next bytes come."""
        self._incoming.began = None

    def began(self) -> float | None:
        """Return the time at which the first bytes after ``begin`` came."""
        return self._incoming.began

    def waits_since(self) -> float | None:
        """Return the time since when bytes are waited for; None while they are not."""
        return self._incoming.waits_since

    def read_ahead(self) -> bytes:
        """Return what was read from the connection too far, without taking it; never waits."""
        self._incoming.may_wait = False
        try:
            return self.peek()
        finally:
            self._incoming.may_wait = True
