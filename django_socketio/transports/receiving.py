"""The receiving side of a WebSocket: a watcher of the event loop reads a batch in each turn."""

from collections.abc import Callable, Iterator
from socket import socket

from gevent import get_hub

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.turns import Turns
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.websocket.connection import WebSocketProtocol
from django_socketio.transports.interfaces import TransportListener
from django_socketio.transports.limits import SLOWEST
from django_socketio.transports.peer_closed import has_hung_up, has_sent

logger = ClientLog(get_logger("django_socketio.transports"))

READ = 1
CHUNK = 65_536
"""Bytes read at once."""

FRAME = 64
"""Bytes that a frame without a listener counts for, besides its own."""


class WebSocketReader:
    """The receiving side of one WebSocket connection.

    One read may return thousands of frames. The first batch is handled at once, each other batch in
    a turn of its own. The socket is not read again before that.

    Args:
        sock: the connection, as a plain non-blocking socket that nothing else uses.
        protocol: reads its frames.
        turns: runs the batches after the first.

    """

    __slots__ = (
        "_dead",
        "_discarded",
        "_grew_at",
        "_is_queued",
        "_left",
        "_paused",
        "_protocol",
        "_reader",
        "_socket",
        "_turns",
        "listener",
    )

    def __init__(self, sock: socket, protocol: WebSocketProtocol, turns: Turns) -> None:
        self._socket = sock
        self._protocol = protocol
        self._turns = turns
        self._dead = self._paused = False
        self._discarded = 0
        """Bytes that have come for no listener."""
        self._grew_at: float | None = None
        """The time of the last ``is_sending``, if a part of a message had come then."""
        self._is_queued = False
        """Whether ``_go_on`` is about to be called."""
        self._left: tuple[list[str | bytes], bytes, bool] | None = None
        """The arguments of the paused ``_deliver``, without the delivered messages."""
        self._reader = get_hub().loop.io(sock.fileno(), READ)
        self.listener: TransportListener | None = None

    def feed(self, received: bytes) -> None:
        """Take the bytes that were read with the handshake."""
        if received:
            self._guarded(self._receive, received)
            if self._has_more:
                self._go_on_later()

    def pause(self) -> None:
        """Deliver and read nothing until ``resume``: TCP then slows the client down."""
        self._paused = True
        self._reader.stop()

    def resume(self) -> None:
        """Deliver again, and read."""
        self._paused = False
        if self._has_more:
            self._queue_batch()
        elif not self._dead:
            self._start_reading()

    def _start_reading(self) -> None:
        self._reader.start(self._read)

    @property
    def _has_more(self) -> bool:
        """Whether data that was read from the socket has not been delivered."""
        return self._left is not None or bool(self._protocol.rest)

    def is_sending(self, now: float) -> bool:
        """Return whether data has not been delivered, or a long message is on its way.

        A client that sends a long message can send no pong before its end.
        """
        is_growing = self._is_growing(now)
        return not self._dead and (is_growing or self._has_more or has_sent(self._socket))

    def _is_growing(self, now: float) -> bool:
        """Return whether a part of a message has come since the last call, and not too slowly.

        The first part may have come just now: it counts, however small it is.
        """
        since: float | None = self._grew_at
        growth = self._protocol.take_growth()
        self._grew_at = now if growth else None
        return growth > 0 and (since is None or growth >= SLOWEST * (now - since))

    @property
    def is_abandoned(self) -> bool:
        """Whether the client has closed its side, even if the socket is not read at present."""
        return has_hung_up(self._socket)

    def _guarded(self, call: Callable[..., None], *args: object) -> None:
        # An error of this connection must not reach the event loop or other connections.
        try:
            call(*args)
        except Exception:
            self._failed()

    def _failed(self) -> None:
        self._abort(Reason.TRANSPORT_ERROR)
        logger.exception("A WebSocket connection failed")

    def _read(self, size: int = CHUNK) -> None:
        try:
            data = self._socket.recv(size)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            if data:
                self._receive(data)
            else:
                self._end()
            if self._left is not None or self._protocol.rest:  # _has_more, for each message
                self._go_on_later()
        except Exception:
            self._failed()

    def _end(self) -> None:
        self._protocol.receive_eof()
        self._abort(Reason.TRANSPORT_CLOSE)

    def _receive(self, data: bytes) -> None:
        messages = iter(self._protocol.receive(data))
        answer, eof = self._protocol.data_to_send()
        if answer and not eof:  # pongs go before answers of listeners; a close frame goes last
            self._reply(answer, eof)
        if self._protocol.extra_frames:
            extra = self._protocol.take_extra()
            if self.listener is not None:
                self.listener.extra_received(*extra)
            else:
                self._discard(*extra)
        self._deliver(messages, answer, eof)

    def _deliver(self, messages: Iterator[str | bytes], answer: bytes, eof: bool) -> None:
        for message in messages:
            if self.listener is None:
                self._discard(1, len(message))
                continue
            self.listener.data_received(message)
            if self._paused:
                left = list(messages)
                if left or eof:
                    self._left = left, answer, eof
                    return
        if eof:
            self._reply(answer, eof)

    def _discard(self, frames: int, size: int) -> None:
        """Count frames for which there is no listener; no rate limits them.

        A message may have been on its way when the server closed the connection. A client that goes
        on sending is reset.
        """
        self._discarded += frames * FRAME + size
        if self._discarded > self._protocol.max_message_size + CHUNK:
            self._abort(Reason.TRANSPORT_CLOSE)

    def _go_on_later(self) -> None:
        """Read nothing from the socket until all data that was read has been delivered."""
        if not self._dead and not self._paused:
            self._reader.stop()
            self._queue_batch()

    def _queue_batch(self) -> None:
        if not self._is_queued:
            self._is_queued = True
            self._turns.add(self._go_on)

    def _go_on(self) -> None:
        """Deliver the next batch; read from the socket again once there is none."""
        self._is_queued = False
        if self._dead or self._paused:
            return
        self._guarded(self._take_next)
        if not self._dead and not self._paused:
            self.resume()

    def _take_next(self) -> None:
        left, self._left = self._left, None
        if left is None:
            self._receive(b"")
        else:
            messages, answer, eof = left
            self._deliver(iter(messages), answer, eof)

    def _forget(self) -> None:
        """Keep nothing of what was received: others may refer to a closed connection."""
        self._left = None
        self._protocol.receive_eof()

    def _reply(self, data: bytes, eof: bool) -> None:
        raise NotImplementedError

    def _abort(self, reason: str) -> None:
        raise NotImplementedError
