"""The Engine.IO server: its sessions, and its answers to HTTP requests.

https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md
"""

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from socket import socket
from typing import Any

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.timers import Timers
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.engineio.heartbeat import Reason, open_packet
from django_socketio.transports import event_stream, http
from django_socketio.transports.accept import KINDS, Acceptor, Begin, Kinds
from django_socketio.transports.accepted import AcceptedConnections
from django_socketio.transports.dialects import Dialect, Dialects
from django_socketio.transports.encoded import EncodedPacket
from django_socketio.transports.event_stream import EventStreamTransport
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
    EndedError,
    LatePolls,
    OverlapError,
    PollingTransport,
)
from django_socketio.transports.posts import receive_post
from django_socketio.transports.session import Delegate, Session
from django_socketio.transports.upgrade import TAKEN, Upgrade, turn_away
from django_socketio.transports.websocket import WebSocketTransport

logger = ClientLog(get_logger("django_socketio.transports"))

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
        dialects: the versions of Engine.IO that clients may speak; by default version 4 only.

    """

    def __init__(
        self,
        limits: Limits,
        timers: Timers,
        can_upgrade: bool,
        worker_id: str,
        welcome: Welcome,
        connect: Connect,
        dialects: Dialects | None = None,
    ) -> None:
        self._connect = connect
        self._dialects = dialects or Dialects()
        self._limits = limits
        self.can_upgrade = can_upgrade
        self.worker_id = worker_id
        self.welcome = welcome
        self._timers = timers
        self.clock = timers.clock
        self._acceptor = Acceptor(limits, timers)
        self.sessions: dict[str, Session] = {}
        self.accepted = AcceptedConnections()
        self._late_polls = LatePolls()

    def stop(self) -> None:
        """End all sessions, and accept no new one."""
        self.accepted.is_over = True
        for end in self.ends():
            end()

    def ends(self) -> list[Callable[[], object]]:
        """Return a function for each connection that ends it."""
        ends = (partial(one.close, Reason.SHUTTING_DOWN) for one in self.sessions.values())
        return [*ends, *self.accepted.ends()]

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

    def accept(
        self,
        request: EngineRequest,
        listener: WebSocketListener,
        subprotocols: Sequence[str] | None = None,
    ) -> Answer:
        """Answer the handshake of a WebSocket that is not Engine.IO's.

        For ``subprotocols`` see ``protocol.websocket.handshake.accept``.
        """

        def begin(websocket: WebSocketTransport, received: bytes) -> None:
            with self.accepted.beginning(websocket):
                websocket.start(listener)
                listener.opened(websocket)
                websocket.feed(received)

        try:
            self._admit(request)
            if not self.can_upgrade:
                raise RequestError(ErrorCode.BAD_REQUEST, http.NO_WEBSOCKETS, 501)
            return self._accept(request, begin, subprotocols)
        except RequestError as error:
            return self._refuse(request, error)

    def stream(
        self, request: EngineRequest, begin: Callable[[EventStreamTransport], None]
    ) -> Answer:
        """Answer a request for an event stream; ``begin`` gets the connection once it is ours."""

        def hijack(sock: socket, head: bytes, received: bytes) -> None:
            batch, timers = self._acceptor.batch, self._timers
            stream = EventStreamTransport(sock, head, batch, timers, self._limits)
            with self.accepted.beginning(stream):
                begin(stream)

        return self.refuse_stream(request) or Answer(200, b"", event_stream.HEADERS, hijack)

    def refuse_stream(self, request: EngineRequest) -> Answer | None:
        """Return the answer to a request for an event stream; None if the stream is admitted."""
        if self.accepted.is_over:
            # A browser gives up at a 503. After an empty stream it comes back, to another process.
            return Answer(200, event_stream.EMPTY, event_stream.HEADERS)
        try:
            self._admit(request)
        except RequestError as error:
            return self._refuse(request, error)
        return None

    def _admit(self, request: EngineRequest) -> None:
        """Refuse a connection if the server is stopping, or if ``welcome`` does.

        Raises:
            RequestError: the connection is refused.

        """
        if self.accepted.is_over:
            raise RequestError(ErrorCode.BAD_REQUEST, http.STOPPING, 503)
        self.welcome(request)

    def _handshake(self, request: EngineRequest, site_request: Any) -> Answer:
        transport, dialect = request.transport(), self._dialects.of(request)
        if request.method != "GET":
            raise RequestError(
                ErrorCode.BAD_HANDSHAKE_METHOD,
                f"Bad handshake method: a session begins with GET, not {request.method:.20}",
            )
        self._admit(request)
        if transport == WEBSOCKET:
            return self._open_websocket(request, site_request, dialect)
        return self._open_polling(request, site_request, dialect)

    def _open_polling(self, request: EngineRequest, site_request: Any, dialect: Dialect) -> Answer:
        sid, upgrades = self._new_sid(), [WEBSOCKET] if self.can_upgrade else []
        transport = dialect.polling(request, self._limits.max_unsent_bytes)
        answer = dialect.poll_answer(request, dialect.payload(self._open_packet(sid, upgrades)))
        return answer._replace(on_send=partial(self.begin, sid, transport, site_request, dialect))

    def _open_websocket(self, request: EngineRequest, site: Any, dialect: Dialect) -> Answer:
        def begin(transport: WebSocketTransport, received: bytes) -> None:
            sid = self._new_sid()
            session = self.begin(sid, transport, site, dialect)
            transport.start(session)
            session.send(self._open_packet(sid, []))
            transport.feed(received)

        return self._accept(request, begin, kinds=dialect.kinds)

    def _new_sid(self) -> str:
        secret = secrets.token_urlsafe(15)
        return f"{secret}.{self.worker_id}" if self.worker_id else secret

    def _open_packet(self, sid: str, upgrades: list[str]) -> EncodedPacket:
        limits = self._limits
        times = limits.ping_interval, limits.ping_timeout
        packet = open_packet(sid, upgrades, *times, limits.max_message_size)
        return EncodedPacket([engineio.encode(packet)])

    def begin(
        self,
        sid: str,
        transport: WebSocketTransport | PollingTransport,
        site_request: Any,
        dialect: Dialect,
    ) -> Session:
        """Begin a session on a transport, which a handshake has opened."""
        session = dialect.session(sid, transport, self, self._limits)
        self.sessions[sid] = session
        session.delegate = self._connect(session, site_request)
        session.timer = self._timers.set(session.protocol.deadline, session.wake)
        return session

    def forget(self, session: Session) -> None:
        """Forget a session that is over."""
        self.sessions.pop(session.sid, None)
        if session.timer is not None:
            self._timers.cancel(session.timer)

    # WebSocket

    def _accept(
        self,
        request: EngineRequest,
        begin: Begin,
        subprotocols: Sequence[str] | None = None,
        kinds: Kinds = KINDS,
    ) -> Answer:
        if not self.can_upgrade:
            raise RequestError(ErrorCode.BAD_REQUEST, http.ONLY_POLLING)
        return self._acceptor.accept(request, begin, subprotocols, kinds)

    def _upgrade(self, request: EngineRequest, session: Session, dialect: Dialect) -> Answer:
        def begin(websocket: WebSocketTransport, received: bytes) -> None:
            polling = session.transport
            if session.is_over:
                return turn_away(websocket, http.OVER)
            if not isinstance(polling, PollingTransport) or polling.probed:
                return turn_away(websocket, TAKEN)
            upgrade = Upgrade(session, polling, websocket, self._timers, self._limits.ping_timeout)
            websocket.start(upgrade)
            websocket.feed(received)

        return self._accept(request, begin, kinds=dialect.kinds)

    # Requests of a session

    def respond(self, request: EngineRequest) -> Answer:
        """Answer a request that names a session; a GET waits for packets of the server."""
        try:
            return self._respond(request)
        except RequestError as error:
            return self._refuse(request, error)

    def _respond(self, request: EngineRequest) -> Answer:
        transport, dialect = request.transport(), self._dialects.of(request)
        if self._late_polls.take(request):
            return dialect.poll_answer(request, dialect.noop)
        session = self._find(request.sid)
        if session.version != dialect.version:
            raise RequestError(
                ErrorCode.BAD_REQUEST,
                f"The session began with EIO={session.version}, but EIO={dialect.version} came",
            )
        if transport == WEBSOCKET:
            return self._upgrade(request, session, dialect)
        if not isinstance(session.transport, PollingTransport):
            raise RequestError(ErrorCode.BAD_REQUEST, "The session has been upgraded to WebSocket")
        if request.method == "GET":
            return dialect.poll_answer(request, self._get(session, session.transport))
        if request.method == "POST":
            return self._post(request, session, session.transport, dialect)
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
                f"Session ID unknown: {http.OVER}, or belongs to another host or process",
            )
        return session

    def _get(self, session: Session, polling: PollingTransport) -> bytes:
        try:
            return polling.get()
        except OverlapError as error:
            session.close(Reason.TRANSPORT_ERROR, error)
            raise RequestError(ErrorCode.BAD_REQUEST, str(error)) from None
        except EndedError:
            raise http.session_over(session.protocol.reason) from None

    def _post(
        self,
        request: EngineRequest,
        session: Session,
        polling: PollingTransport,
        dialect: Dialect,
    ) -> Answer:
        polled = polling.polled
        read = partial(dialect.packets, request, self._limits)
        receive_post(session, polling, read, self._acceptor.turns)
        if session.protocol.reason is not None and not polled:
            self._late_polls.wait(session.sid)
        return Answer(200, b"ok")

    def _refuse(self, request: EngineRequest, error: RequestError) -> Answer:
        transport = request.query.get("transport")
        logger.info("Refused %.20s %.20s: %s", request.method, transport, error)
        return error.answer()
