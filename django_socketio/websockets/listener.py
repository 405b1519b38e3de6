"""One raw WebSocket, whose messages the event loop hands to methods: the base of all others."""

from collections.abc import Sequence
from typing import Any, NoReturn

from gevent import getcurrent
from websockets.exceptions import ProtocolError as FrameError
from websockets.frames import Close, CloseCode

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.threads import forbid, running
from django_socketio.exceptions import ProtocolError, RateExceeded
from django_socketio.logs import get_logger
from django_socketio.protocol import json
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.engineio.packets import size_of
from django_socketio.publishing.values import encode_default
from django_socketio.sockets.server import SocketServer
from django_socketio.transports.encoded import EncodedPacket
from django_socketio.websockets.heartbeat import Heartbeat

logger = ClientLog(get_logger("django_socketio.websockets"))

INTERNAL_ERROR = "Internal error"
"""The reason that clients receive where a view or a method has failed."""

MAX_PONGS_DUE = 10
"""The most pongs that are waited for: a client need not answer each ping (RFC 6455, 5.5.3)."""


class WebSocketListener:
    """A raw WebSocket. Subclass it, and hand an instance to ``accept`` in a view.

    The event loop calls ``on_open``, ``on_message`` and ``on_close``. They must not wait: no
    database, no ``time.sleep``. Views that wait are made by ``accept_websocket``.

    Attributes:
        subprotocol: the subprotocol that was agreed on; None without one.
        close_code: the code with which the connection was closed (RFC 6455, 7.4), by either side;
            1006 where it broke. None while it is open.
        close_reason: the text beside the code.

    """

    subprotocol: str | None = None
    close_code: int | None = None
    close_reason = ""

    _transport: Any = None
    _server: SocketServer | None = None
    _request: Any = None
    _login: Any = None
    _is_accepted = True
    """Whether the view that accepts it has returned when it opens."""
    _meters: Sequence[Any] = ()
    _heartbeat: Heartbeat | None = None
    _path = ""
    _is_paused = False
    _is_heard = False
    _pongs_due = 0
    """Pings that the client has to answer: as many frames do not count against the rates."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._path}>"

    # For subclasses

    def on_open(self) -> None:
        """Be told that the connection is open."""

    def on_message(self, message: str | bytes) -> None:
        """Take a message of the client: a text, or binary data."""

    def on_close(self, code: int, reason: str) -> None:
        """Be told that the connection is closed, once. Nothing can be sent any more."""

    # For views

    def send(self, message: str | bytes) -> bool:
        """Send a text, or binary data; False if the connection is closed.

        Raises:
            TypeError: the message is neither a text nor bytes.

        """
        if running:
            forbid("websocket.send")
        return self._transport is not None and bool(self._transport.send(encoded(message)))

    def send_json(self, value: Any) -> bool:
        """Send a value as JSON text; False if the connection is closed.

        Raises:
            TypeError, ValueError: the value cannot be written as JSON.

        """
        return self.send(json.dumps(value, encode_default))

    def ping(self) -> bool:
        """Send a ping now, besides those in each interval; False if the connection is closed."""
        if running:
            forbid("websocket.ping")
        if self._transport is not None:
            self._pongs_due = min(self._pongs_due + 1, MAX_PONGS_DUE)
            self._transport.ping()
        return self._transport is not None

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection, after what was sent before. A closed one stays as it is.

        Args:
            code: 1000 to 1003, 1007 to 1014, or one of the site's own from 3000 to 4999.
            reason: a text; the client gets up to 123 bytes of it.

        Raises:
            TypeError: the code is no number, or the reason is no text.
            ValueError: the code cannot be sent.

        """
        if running:
            forbid("websocket.close")
        _check_code(code)
        if not isinstance(reason, str):
            raise TypeError(f"a WebSocket is closed with a text as reason, not {reason!r:.100}")
        if self._transport is not None:
            self._transport.close(code, reason)
            self._end(code, reason)

    def is_closed(self) -> bool:
        """Return whether the connection is closed, by either side."""
        return self.close_code is not None

    # For the transport, in the event loop

    def bind(self, server: SocketServer, request: Any) -> None:
        """Belong to a server and to the request that opens the connection.

        Raises:
            RuntimeError: the object has served a connection already.

        """
        if self._server is not None:
            raise RuntimeError(f"{self!r} serves one WebSocket; make an object for each")
        self._server, self._request, self._path = server, request, request.path

    def opened(self, websocket: Any) -> None:
        """Begin: the connection is open."""
        server, request, self._request = self._bound(), self._request, None
        self._transport = websocket
        self._login = server.guard.begin(_Ends(self), request)
        self._login.is_accepted = self._is_accepted
        self._meters = server.guard.meters(request)
        limits = server.limits
        times = limits.ping_interval, limits.ping_timeout
        self._heartbeat = Heartbeat(self, server.timers, *times)
        self._guarded(self.on_open)

    def data_received(self, data: str | bytes) -> None:
        """Take a message of the client."""
        self._is_heard = True
        if self._meters and not self._is_within_rates(1, size_of(data)):
            return
        self._guarded(self.on_message, data)

    def extra_received(self, frames: int, size: int) -> None:
        """Count frames of the client without a message: pongs, for example."""
        self._is_heard = True
        asked_for = min(frames, self._pongs_due)
        self._pongs_due -= asked_for
        if self._meters:
            self._is_within_rates(frames - asked_for, size)

    def transport_closed(self, reason: str, error: ProtocolError | None) -> None:
        """End: the client has closed the connection, or it broke."""
        transport = self._transport
        if error is not None:
            logger.warning("%r closed: %s", self, error)
        if reason == Reason.SLOW_CLIENT:
            logger.warning("%r closed: more waits for it than SOCKETIO_MAX_UNSENT_BYTES", self)
        if reason == Reason.SHUTTING_DOWN:
            return self._end(CloseCode.GOING_AWAY, reason)
        received = None if transport is None else transport.close_received
        self._end(*(received or (CloseCode.ABNORMAL_CLOSURE, str(error or reason))))

    def _bound(self) -> SocketServer:
        if self._server is None:
            raise RuntimeError(f"{self!r} is not open; pass it to accept")
        return self._server

    def _guarded(self, method: Any, *args: Any) -> None:
        """Call a method of a subclass; its error closes this connection, and harms no other."""
        try:
            method(*args)
        except Exception:
            logger.exception(
                "%r failed", self
            )  # not written by the event loop, which must not wait
            self.close(CloseCode.INTERNAL_ERROR, INTERNAL_ERROR)

    def _is_within_rates(self, count: int, size: int) -> bool:
        try:
            for meter in self._meters:
                meter.count(count, size)
        except RateExceeded as error:
            logger.warning("%r closed: %s", self, error)
            self.close(CloseCode.POLICY_VIOLATION, str(error))
            return False
        return True

    def _end(self, code: int, reason: str) -> None:
        if self.close_code is not None:
            return
        self.close_code, self.close_reason = int(code), reason
        self._transport, self._meters = None, ()
        heartbeat, self._heartbeat = self._heartbeat, None
        if heartbeat is not None:
            heartbeat.stop()
        self._guarded(self.on_close, int(code), reason)
        self._release()

    def _release(self) -> None:
        """Let go of the login: the request is not used any more."""
        login, self._login = self._login, None
        if login is not None:
            login.release()

    # For the heartbeat

    def take_heard(self, now: float) -> bool:
        """Return whether the client has sent anything since the last call, or may have."""
        transport, is_heard, self._is_heard = self._transport, self._is_heard, False
        is_sending = transport.is_sending(now)
        if self._is_paused:
            return is_heard or not transport.is_abandoned
        return is_sending or is_heard

    def fall_silent(self) -> None:
        """End: the client has not answered a ping in time."""
        self.close(CloseCode.INTERNAL_ERROR, Reason.PING_TIMEOUT)

    # For the login

    def log_out(self, reason: str) -> None:
        """End: the login of the connection has ended."""
        self.close(CloseCode.POLICY_VIOLATION, reason)


class _Ends:
    """A raw WebSocket as its login uses it."""

    __slots__ = ("_websocket",)

    def __init__(self, websocket: WebSocketListener) -> None:
        self._websocket = websocket

    def __repr__(self) -> str:
        return repr(self._websocket)

    @property
    def is_over(self) -> bool:
        return self._websocket.is_closed()

    def close(self, reason: str) -> None:
        self._websocket.log_out(reason)


def encoded(message: str | bytes) -> EncodedPacket:
    """Return a message, ready to be sent.

    Raises:
        TypeError: it is neither a text nor bytes.

    """
    if isinstance(message, bytearray | memoryview):
        message = bytes(message)
    if not isinstance(message, str | bytes):
        _refuse(message)
    return EncodedPacket([message])


def _refuse(message: object) -> NoReturn:
    raise TypeError(
        f"a WebSocket sends a text or bytes, not {type(message).__name__}; send_json(value) sends "
        "any JSON value"
    )


def _check_code(code: int) -> None:
    if not isinstance(code, int):
        raise TypeError(f"a WebSocket is closed with a number as code, not {code!r:.100}")
    try:
        Close(code, "").check()
    except FrameError:
        raise ValueError(
            "a WebSocket is closed with 1000 to 1003, 1007 to 1014, or a code from 3000 to 4999, "
            f"not {code!r}"
        ) from None


def in_event_loop(server: SocketServer) -> bool:
    """Return whether the event loop itself runs, which must not wait."""
    return getcurrent() is server.hub
