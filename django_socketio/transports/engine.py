"""The Engine.IO server: its sessions, and its answers to HTTP requests.

https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md
"""

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.timers import Timers, clock
from django_socketio.exceptions import MessageTooBig, ProtocolError
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.engineio.heartbeat import Reason, SessionProtocol, open_packet
from django_socketio.protocol.websocket.connection import CloseCode
from django_socketio.transports.accept import Acceptor, Begin
from django_socketio.transports.encoded import EncodedPacket, payload_parts
from django_socketio.transports.http import (
    WEBSOCKET,
    Answer,
    EngineRequest,
    ErrorCode,
    RequestError,
)
from django_socketio.transports.interfaces import WebSocketListener
from django_socketio.transports.limits import Limits
from django_socketio.transports.polling import (
    NOOP,
    EndedError,
    LatePolls,
    OverlapError,
    PollingTransport,
)
from django_socketio.transports.session import Delegate, Session
from django_socketio.transports.upgrade import TAKEN, Upgrade
from django_socketio.transports.websocket import WebSocketTransport

logger = ClientLog(get_logger("django_socketio.transports"))

LONG = 0.001
"""Seconds after which a POST that is being handled lets the event loop turn."""

FEW = 100
"""Number of accepted WebSockets up to which closed ones are kept with them."""

Welcome = Callable[[EngineRequest], None]
"""Called with each handshake; refuses one by raising ``RequestError``."""

Connect = Callable[[Session, Any], Delegate]
"""Gets a new session and the site's request of its handshake; returns the session's delegate."""


class Engine:
    """All sessions of this process.

    Args:
        limits: the limits of clients.
        timers: calls the sessions at their deadlines.
        can_upgrade: whether connections can be hijacked for WebSocket.
        worker_id: suffix of every sid issued here (``<secret>.<worker_id>``), so that other workers
            can hand requests of the session off to this process. Empty where there is only one.
        welcome: called with each handshake.
        connect: makes the delegate of each new session.

    """

    def __init__(
        self,
        limits: Limits,
        timers: Timers,
        can_upgrade: bool,
        worker_id: str,
        welcome: Welcome,
        connect: Connect,
    ) -> None:
        self._connect = connect
        self._limits = limits
        self.can_upgrade = can_upgrade
        self.worker_id = worker_id
        self.welcome = welcome
        self._timers = timers
        self.clock = timers.clock
        self._acceptor = Acceptor(limits, timers)
        self.sessions: dict[str, Session] = {}
        self._accepted: set[WebSocketTransport] = set()
        self._many_accepted = FEW
        """Number of accepted WebSockets past which the closed ones among them are dropped."""
        self._accepting = True
        self._late_polls = LatePolls()

    def stop(self) -> None:
        """End all sessions, and accept no new one."""
        self._accepting = False
        for session in list(self.sessions.values()):
            session.close(Reason.SHUTTING_DOWN)
        for websocket in list(self._accepted):
            websocket.close(CloseCode.GOING_AWAY)

    def flush(self) -> None:
        """Send the bytes that wait for the end of this turn of the event loop."""
        self._acceptor.batch.flush()

    # Handshakes

    def handshake(self, request: EngineRequest, site_request: Any) -> Answer:
        """Answer a request that names no session; ``connect`` gets ``site_request``."""
        try:
            return self._handshake(request, site_request)
        except RequestError as error:
            return self._refuse(request, error)

    def accept(self, request: EngineRequest, listener: WebSocketListener) -> Answer:
        """Answer the handshake of a WebSocket that is not Engine.IO's."""

        def begin(websocket: WebSocketTransport, received: bytes) -> None:
            self._keep(websocket)
            websocket.start(listener)
            listener.opened(websocket)
            websocket.feed(received)

        try:
            self._admit(request)
            return self._accept(request, begin)
        except RequestError as error:
            return self._refuse(request, error)

    def _keep(self, websocket: WebSocketTransport) -> None:
        """Keep an accepted WebSocket for ``stop``; the closed ones are dropped from time to time.

        Weak references would do without that, but compiled objects have none.
        """
        if len(self._accepted) >= self._many_accepted:
            self._accepted = {other for other in self._accepted if not other.is_closed}
            self._many_accepted = FEW + 2 * len(self._accepted)
        self._accepted.add(websocket)

    def _admit(self, request: EngineRequest) -> None:
        """Refuse a connection if the server is stopping, or if ``welcome`` does.

        Raises:
            RequestError: the connection is refused.

        """
        if not self._accepting:
            raise RequestError(ErrorCode.BAD_REQUEST, "The server is shutting down", 503)
        self.welcome(request)

    def _handshake(self, request: EngineRequest, site_request: Any) -> Answer:
        transport = request.transport()
        if request.method != "GET":
            raise RequestError(
                ErrorCode.BAD_HANDSHAKE_METHOD,
                f"Bad handshake method: a session begins with GET, not {request.method:.20}",
            )
        self._admit(request)
        if transport == WEBSOCKET:
            return self._open_websocket(request, site_request)
        return self._open_polling(site_request)

    def _open_polling(self, site_request: Any) -> Answer:
        sid = self._new_sid()
        transport = PollingTransport(self._limits.max_unsent_bytes)
        upgrades = [WEBSOCKET] if self.can_upgrade else []
        (body,) = self._open_packet(sid, upgrades).render(payload_parts)
        return Answer(200, body, on_sent=partial(self.begin, sid, transport, site_request))

    def _open_websocket(self, request: EngineRequest, site_request: Any) -> Answer:
        def begin(transport: WebSocketTransport, received: bytes) -> None:
            sid = self._new_sid()
            session = self.begin(sid, transport, site_request)
            transport.start(session)
            session.send(self._open_packet(sid, []))
            transport.feed(received)

        return self._accept(request, begin)

    def _new_sid(self) -> str:
        secret = secrets.token_urlsafe(15)
        return f"{secret}.{self.worker_id}" if self.worker_id else secret

    def _open_packet(self, sid: str, upgrades: list[str]) -> EncodedPacket:
        limits = self._limits
        times = limits.ping_interval, limits.ping_timeout
        packet = open_packet(sid, upgrades, *times, limits.max_message_size)
        return EncodedPacket([engineio.encode(packet)])

    def begin(
        self, sid: str, transport: WebSocketTransport | PollingTransport, site_request: Any
    ) -> Session:
        """Begin a session on a transport, which a handshake has opened."""
        limits = self._limits
        protocol = SessionProtocol(limits.ping_interval, limits.ping_timeout, self.clock())
        session = Session(sid, protocol, transport, self)
        self.sessions[sid] = session
        session.delegate = self._connect(session, site_request)
        session.timer = self._timers.set(protocol.deadline, session.wake)
        return session

    def forget(self, session: Session) -> None:
        """Forget a session that is over."""
        self.sessions.pop(session.sid, None)
        if session.timer is not None:
            self._timers.cancel(session.timer)

    # WebSocket

    def _accept(self, request: EngineRequest, begin: Begin) -> Answer:
        if not self.can_upgrade:
            raise RequestError(
                ErrorCode.BAD_REQUEST,
                "This server does not support WebSocket; use transport=polling",
            )
        return self._acceptor.accept(request, begin)

    def _upgrade(self, request: EngineRequest, session: Session) -> Answer:
        def begin(websocket: WebSocketTransport, received: bytes) -> None:
            polling = session.transport
            if not isinstance(polling, PollingTransport) or polling.probed:
                # The specification has such a connection closed, not refused.
                websocket.start(session)
                return websocket.close(reason=TAKEN)
            upgrade = Upgrade(session, polling, websocket, self._timers, self._limits.ping_timeout)
            websocket.start(upgrade)
            websocket.feed(received)

        return self._accept(request, begin)

    # Requests of a session

    def respond(self, request: EngineRequest) -> Answer:
        """Answer a request that names a session; a GET waits for packets of the server."""
        try:
            return self._respond(request)
        except RequestError as error:
            return self._refuse(request, error)

    def _respond(self, request: EngineRequest) -> Answer:
        transport = request.transport()
        if self._late_polls.take(request):
            return Answer(200, NOOP)
        session = self._find(request.sid)
        if transport == WEBSOCKET:
            return self._upgrade(request, session)
        if not isinstance(session.transport, PollingTransport):
            raise RequestError(ErrorCode.BAD_REQUEST, "The session has been upgraded to WebSocket")
        if request.method == "GET":
            return self._get(session, session.transport)
        if request.method == "POST":
            return self._post(request, session, session.transport)
        raise RequestError(
            ErrorCode.BAD_REQUEST, f"Bad method: expected GET or POST, not {request.method:.20}"
        )

    def _find(self, sid: str) -> Session:
        session = self.sessions.get(sid)
        now = self.clock()
        if session is not None and not self._timers.is_behind(now):
            session.wake(now)  # it may have timed out, to the millisecond
        if session is None or session.protocol.reason is not None:
            raise RequestError(
                ErrorCode.UNKNOWN_SID,
                "Session ID unknown: the session is over, or belongs to another host or process",
            )
        return session

    def _get(self, session: Session, polling: PollingTransport) -> Answer:
        try:
            return Answer(200, polling.get())
        except OverlapError as error:
            session.close(Reason.TRANSPORT_ERROR, error)
            raise RequestError(ErrorCode.BAD_REQUEST, str(error)) from None
        except EndedError:
            problem = f"Session ID unknown: the session is over ({session.protocol.reason})"
            raise RequestError(ErrorCode.UNKNOWN_SID, problem) from None

    def _post(self, request: EngineRequest, session: Session, polling: PollingTransport) -> Answer:
        polled = polling.polled
        try:
            with polling.posting():
                self._feed(session, request.body(self._limits.max_message_size))
        except MessageTooBig as error:
            session.close(Reason.TRANSPORT_ERROR, error)
            raise RequestError(ErrorCode.BAD_REQUEST, str(error), 413) from None
        except ProtocolError as error:
            session.close(Reason.PARSE_ERROR, error)
            raise RequestError(ErrorCode.BAD_REQUEST, str(error)) from None
        if session.protocol.reason is not None and not polled:
            self._late_polls.wait(session.sid)
        return Answer(200, b"ok")

    def _feed(self, session: Session, body: bytes) -> None:
        packets = engineio.decode_payload(body, self._limits.max_payload_packets)
        end = clock() + LONG
        for packet in packets:
            session.packet_received(packet)
            session.wait_until_read()
            if session.protocol.is_over:
                return
            if clock() >= end:
                self._acceptor.turns.wait()
                end = clock() + LONG

    def _refuse(self, request: EngineRequest, error: RequestError) -> Answer:
        transport = request.query.get("transport")
        logger.info("Refused %.20s %.20s: %s", request.method, transport, error)
        return error.answer()
