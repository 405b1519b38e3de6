"""WebSocket connections as watchers of the event loop: no greenlet waits for them."""

from socket import SHUT_WR, socket
from typing import Any

from gevent import get_hub

from django_socketio.concurrency.timers import Timers
from django_socketio.concurrency.turns import Turns
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.websocket.connection import CloseCode, WebSocketProtocol
from django_socketio.protocol.websocket.frames import FIN, PING, with_header
from django_socketio.transports.encoded import EncodedPacket
from django_socketio.transports.interfaces import TransportListener
from django_socketio.transports.lingering import Lingering
from django_socketio.transports.receiving import WebSocketReader
from django_socketio.transports.write_batch import MORE_FOLLOWS, WriteBatch

WRITE = 2

PING_FRAME = with_header(FIN | PING, b"")


class WebSocketTransport(WebSocketReader):
    """One accepted WebSocket connection.

    Args:
        sock: the connection, as a plain non-blocking socket that nothing else uses.
        head: the head of the answer to its handshake; it leaves with the first frames.
        protocol: reads its frames.
        turns: runs the batches after the first.
        max_unsent_bytes: bytes that may wait for the client; past them, the connection is closed.
        send_timeout: seconds within which the client must take something of what waits for it,
            once the connection is being closed.

    """

    __slots__ = (
        "_batch",
        "_closing",
        "_lingering",
        "_max_unsent",
        "_open",
        "_pending",
        "_queued",
        "_send_timeout",
        "_timers",
        "_unsent",
        "_writer",
        "taken",
    )

    name = "websocket"

    def __init__(
        self,
        sock: socket,
        head: bytes,
        protocol: WebSocketProtocol,
        batch: WriteBatch,
        turns: Turns,
        timers: Timers,
        max_unsent_bytes: int,
        send_timeout: float,
    ) -> None:
        super().__init__(sock, protocol, turns)
        self._batch = batch
        self._timers = timers
        self._max_unsent = max_unsent_bytes
        self._send_timeout = send_timeout
        self._pending: list[bytes] = []
        self._unsent = 0
        self._queued = False
        self._write(head)
        self._open = self._closing = False
        self._lingering: Lingering | None = None
        self._writer: Any = None
        self.taken = 0
        """Bytes that the kernel has taken while others waited: they grow if the client reads."""

    def start(self, listener: TransportListener | None) -> None:
        """Listen to the client; without a listener, the connection is to be closed at once."""
        self.listener = listener
        self._open = True
        self.resume()

    @property
    def is_closed(self) -> bool:
        """Whether the connection is closed, or is being closed."""
        return not self._open

    # Sending

    def send(self, encoded: EncodedPacket) -> bool:
        """Send a packet at the end of this turn of the loop; False if the connection is closed."""
        if not self._open:
            return False
        frames = encoded.framed or encoded.frames
        if self._unsent + len(frames) > self._max_unsent and not self._has_room(len(frames)):
            self._abort(Reason.SLOW_CLIENT)
            return False
        self._write(frames)
        return True

    def ping(self) -> None:
        """Send a ping; the client's pong is told to ``extra_received`` of the listener."""
        if self._open:
            self._write(PING_FRAME)
            self.flush()  # the time for the pong runs

    @property
    def close_received(self) -> tuple[int, str] | None:
        """The code and the reason of the client's close frame; None before such a frame."""
        close = self._protocol.close_received
        return None if close is None else (int(close.code), close.reason)

    def has_room(self, size: int) -> bool:
        """Return whether so many bytes may wait, after the kernel has taken as many as it can."""
        if self._unsent + size <= self._max_unsent or not self._open:
            return True
        return self._has_room(size)

    @property
    def unsent(self) -> int:
        """The bytes that wait for the client."""
        return self._unsent

    def _has_room(self, size: int) -> bool:
        """Return whether so many bytes may wait, after the kernel has taken as many as it can."""
        self.flush()
        return not self._unsent or self._unsent + size <= self._max_unsent

    def _write(self, data: bytes) -> None:
        self._pending.append(data)
        self._unsent += len(data)
        if not self._queued:
            self._queued = True
            self._batch.add(self)

    def flush(self) -> None:
        """Send the bytes that the kernel takes now; the rest when it takes more."""
        if not self._pending:
            self._queued = False
            return
        data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        try:
            # The last bytes leave in one packet with the end of our side.
            sent = self._socket.send(data, MORE_FOLLOWS if self._closing else 0)
        except BlockingIOError:
            sent = 0
        except OSError:
            return self._abort(Reason.TRANSPORT_CLOSE)
        if sent == len(data) and self._writer is None and not self._closing:
            self._pending.clear()
            self._unsent = 0
            self._queued = False
        else:
            self.taken += sent
            self._keep(data[sent:])

    def _keep(self, rest: bytes) -> None:
        """Keep the bytes that the kernel did not take until it takes more."""
        self._unsent = len(rest)
        self._pending = [rest] if rest else []
        self._queued = bool(rest)
        if rest and self._writer is None:
            self._writer = get_hub().loop.io(self._socket.fileno(), WRITE)
            self._writer.start(self._guarded, self.flush)
        elif not rest and self._writer is not None:
            self._writer.stop()
            self._writer.close()
            self._writer = None
        if self._closing and not rest:
            self._shut_down()

    def _reply(self, data: bytes, eof: bool) -> None:
        """Send the protocol's own frames: pongs, and those of the closing handshake."""
        # Pongs that a client does not read are dropped (RFC 6455, 5.5.3, asks for the last only).
        if data and (eof or self._unsent <= self._max_unsent):
            self._write(data)
        if eof:
            self._finish()

    # Closing

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Start the closing handshake after the pending bytes; the listener is called no more."""
        self.listener = None
        if not self._open:
            return
        self._protocol.close(code, reason)
        self._open = False
        frame, _ = self._protocol.data_to_send()
        if frame:  # the client has not closed before
            self._write(frame)
        self.resume()  # or the client's answer would not be read
        self._linger()

    def _finish(self) -> None:
        # Section 7.1.1: close our side, then read until the client closes its own. Closing at once
        # would reset the connection where the client still sends, and lose the close frame.
        self._open, self._closing = False, True
        self._linger()
        if not self._pending:
            self._shut_down()
        self._tell(Reason.TRANSPORT_CLOSE)

    def _shut_down(self) -> None:
        try:
            self._socket.shutdown(SHUT_WR)
        except OSError:
            self._abort(Reason.TRANSPORT_CLOSE)

    def _linger(self) -> None:
        if self._lingering is None and not self._dead:
            self._lingering = Lingering(self, self._timers, self._send_timeout)

    def give_up(self) -> None:
        """End the connection: its client takes nothing more, or does not close its side."""
        self._abort(Reason.TRANSPORT_CLOSE)

    def _abort(self, reason: str) -> None:
        """Close the connection at once, without a closing handshake."""
        if self._dead:
            return
        for watcher in (self._reader, self._writer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._writer = None
        self._socket.close()
        self._open, self._dead = False, True
        self._forget()
        if self._lingering is not None:
            self._lingering.stop()
            self._lingering = None  # it refers to this object
        self._pending, self._unsent = [], 0
        self._tell(reason)

    def _tell(self, reason: str) -> None:
        listener, self.listener = self.listener, None
        if listener is not None:
            error = self._protocol.error
            listener.transport_closed(Reason.TRANSPORT_ERROR if error else reason, error)
