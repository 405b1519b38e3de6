"""Event streams on connections that were hijacked: a watcher of the event loop, no greenlet."""

import socket as sockets
from contextlib import suppress
from socket import SHUT_WR, socket
from typing import Any, Final, Protocol

from gevent import get_hub

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.timers import Timers
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.event_stream import CONTENT_TYPE, retry
from django_socketio.transports.limits import Limits
from django_socketio.transports.lingering import Lingering
from django_socketio.transports.write_batch import WriteBatch

logger = ClientLog(get_logger("django_socketio.transports"))

HEADERS: Final = (
    ("Content-Type", CONTENT_TYPE),
    ("Cache-Control", "private, no-cache, no-store, no-transform"),
    ("X-Accel-Buffering", "no"),
)
"""The header fields of a stream, by which nothing on the way keeps or changes it; the last one
tells nginx."""

EMPTY: Final = retry(1)
"""The content of a stream that ends at once: its client comes back after a second."""

READ, WRITE = 1, 2

CHUNK = 4096
"""Bytes read at once."""

MAX_RECEIVED = 65_536
"""Bytes that a client may send after its request; none is expected."""

USER_TIMEOUT = getattr(sockets, "TCP_USER_TIMEOUT", None)
"""The option of TCP that ends a connection whose peer acknowledges nothing; Linux has it."""


class StreamListener(Protocol):
    """Is told of the end of a stream's transport, in the event loop. It must not block."""

    def transport_closed(self, reason: str, error: Exception | None) -> None:
        """End: the transport sends nothing any more."""


class EventStreamTransport:
    """One connection on which only the server sends. The end of the connection ends the stream.

    Args:
        sock: the connection, as a plain non-blocking socket that nothing else uses.
        head: the head of the answer; it leaves with the first events.
        batch: sends the bytes at the end of a turn of the event loop.
        timers: close the connection where the client does not read its last bytes.
        limits: the limits of clients; one that acknowledges nothing is gone when a socket's
            client would be.

    """

    __slots__ = (
        "_batch",
        "_closing",
        "_lingering",
        "_max_unsent",
        "_open",
        "_pending",
        "_queued",
        "_reader",
        "_received",
        "_send_timeout",
        "_socket",
        "_timers",
        "_unsent",
        "_writer",
        "listener",
    )

    def __init__(
        self,
        sock: socket,
        head: bytes,
        batch: WriteBatch,
        timers: Timers,
        limits: Limits,
    ) -> None:
        self._socket = sock
        self._batch = batch
        self._timers = timers
        self._max_unsent = limits.max_unsent_bytes
        self._send_timeout = limits.send_timeout
        self._open, self._closing, self._queued = True, False, False
        self._pending: list[bytes] = []
        self._unsent = self._received = 0
        self._writer: Any = None
        self._lingering: Lingering | None = None
        self.listener: StreamListener | None = None
        limit_silence(sock, limits.ping_interval + limits.ping_timeout)
        self._reader: Any = get_hub().loop.io(sock.fileno(), READ)
        self._reader.start(self._read)
        self.send(head)

    @property
    def is_closed(self) -> bool:
        """Whether the stream is closed, or is being closed."""
        return not self._open or self._closing

    @property
    def unsent(self) -> int:
        """The bytes that wait for the client."""
        return self._unsent

    def _read(self) -> None:
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._received += len(data)
        if not data or self._received > MAX_RECEIVED:
            self._abort(Reason.TRANSPORT_CLOSE)

    def send(self, data: bytes) -> bool:
        """Send bytes at the end of this turn of the loop; False if the stream is closed."""
        if not self._open or self._closing:
            return False
        if self._unsent + len(data) > self._max_unsent and not self._has_room(len(data)):
            self._abort(Reason.SLOW_CLIENT)
            return False
        self._pending.append(data)
        self._unsent += len(data)
        if not self._queued:
            self._queued = True
            self._batch.add(self)
        return True

    def _has_room(self, size: int) -> bool:
        """Return whether so many bytes may wait, after the kernel has taken as many as it can."""
        self.flush()
        return self._open and (not self._unsent or self._unsent + size <= self._max_unsent)

    def flush(self) -> None:
        """Send the bytes that the kernel takes now; the rest when it takes more."""
        data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        try:
            sent = self._socket.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            return self._abort(Reason.TRANSPORT_CLOSE)
        rest = data[sent:]
        self._unsent = len(rest)
        self._pending = [rest] if rest else []
        self._queued = bool(rest)
        self._watch(bool(rest))
        if self._closing and not rest:
            self._abort(Reason.TRANSPORT_CLOSE)

    def _watch(self, is_waiting: bool) -> None:
        """Watch for room in the kernel while bytes wait for it."""
        if is_waiting and self._writer is None:
            self._writer = get_hub().loop.io(self._socket.fileno(), WRITE)
            self._writer.start(self.flush)
        elif not is_waiting and self._writer is not None:
            self._writer.stop()
            self._writer.close()
            self._writer = None

    def close(self, code: int = 0, reason: str = "") -> None:
        """End the stream after the bytes that wait; the listener is called no more.

        The arguments are for WebSockets. A stream has no way to tell them.
        """
        self.listener = None
        if not self.is_closed:
            self._closing = True
            self._lingering = Lingering(self, self._timers, self._send_timeout)
            self.flush()

    def give_up(self) -> None:
        """End the connection: its client takes nothing more."""
        self._abort(Reason.TRANSPORT_CLOSE)

    def _abort(self, reason: str) -> None:
        """Close the connection at once."""
        if not self._open:
            return
        self._open = False
        self._watch(False)
        self._reader.stop()
        self._reader.close()
        if self._lingering is not None:
            self._lingering.stop()
            self._lingering = None  # it refers to this object
        self._pending, self._unsent = [], 0
        with suppress(OSError):
            self._socket.shutdown(SHUT_WR)  # not a reset, where the client has sent something
        self._socket.close()
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.transport_closed(reason, None)


def limit_silence(sock: socket, timeout: float) -> None:
    """Have the kernel end a connection whose client acknowledges nothing for some seconds."""
    if USER_TIMEOUT is not None:
        with suppress(OSError):  # the connection is a Unix socket
            sock.setsockopt(sockets.IPPROTO_TCP, USER_TIMEOUT, round(timeout * 1000))
