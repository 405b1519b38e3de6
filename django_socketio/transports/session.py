"""An Engine.IO session on its transport."""

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from gevent.event import Event

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.timers import Clock, Timer
from django_socketio.exceptions import ProtocolError
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.engineio.heartbeat import Reason, SessionProtocol
from django_socketio.protocol.websocket.connection import CloseCode
from django_socketio.transports.encoded import PING, EncodedPacket
from django_socketio.transports.http import OVER
from django_socketio.transports.polling import PollingTransport
from django_socketio.transports.websocket import WebSocketTransport

logger = ClientLog(get_logger("django_socketio.transports"))


class Delegate(Protocol):
    """Receives the messages of a session, in the event loop or a greenlet. It must not block."""

    def received(self, data: str | bytes) -> None:
        """Take a message of the client.

        Raises:
            ProtocolError: the protocol does not allow the message; the session is closed.

        """

    def extra_received(self, count: int, size: int) -> None:
        """Count packets or frames of the client without a message, of ``size`` bytes.

        Raises:
            ProtocolError: the client has sent too many; the session is closed.

        """

    def upgraded(self, unfetched: Sequence[str | bytes]) -> None:
        """Note that the client has all packets but these: it has upgraded after a poll."""

    def closed(self, reason: str, error: ProtocolError | None) -> None:
        """End: the session is over; called once."""


class Sessions(Protocol):
    """The part of an ``Engine`` that its sessions use."""

    clock: Clock

    def forget(self, session: "Session") -> None:
        """Forget a session that is over."""


class Session:
    """One client's session, whichever transport carries it.

    Args:
        sid: its secret id.
        protocol: the state of its heartbeat.
        transport: its first transport.
        engine: lists the session until it is over.

    """

    version: ClassVar[str] = engineio.VERSION
    """The version of Engine.IO that the client speaks."""

    __slots__ = (
        "_engine",
        "_pauses",
        "_resumed",
        "delegate",
        "protocol",
        "sid",
        "timer",
        "transport",
    )

    def __init__(
        self,
        sid: str,
        protocol: SessionProtocol,
        transport: WebSocketTransport | PollingTransport,
        engine: Sessions,
    ) -> None:
        self.sid = sid
        self.protocol = protocol
        self.transport = transport
        self._engine = engine
        self._pauses = 0
        self._resumed: Event | None = None
        self.delegate: Delegate | None = None
        self.timer: Timer | None = None
        """The timer that calls ``wake``."""
        transport.listener = self

    def __repr__(self) -> str:
        # Whoever knows the sid can use the session: it is never shown completely.
        return f"<Session {self.sid[:4]}… {self.transport.name}>"

    @property
    def is_over(self) -> bool:
        """Whether the session has ended."""
        return self.protocol.reason is not None

    def send(self, encoded: EncodedPacket) -> bool:
        """Send a packet to the client; False if the session is over."""
        return self.transport.send(encoded)

    def data_received(self, data: str | bytes) -> None:
        """Take one packet of the client, as a WebSocket message holds it."""
        message = engineio.message_in(data)
        try:
            if message is None:
                self.packet_received(engineio.decode(data))
            elif self.delegate is not None:
                self.delegate.received(message)
        except ProtocolError as error:
            self.close(Reason.PARSE_ERROR, error)

    def packet_received(self, packet: engineio.Packet) -> None:
        """Take one packet of the client.

        Raises:
            ProtocolError: the client must not send it.

        """
        if self.protocol.is_over:
            return
        is_asked_for = self.protocol.is_asked_for(packet)
        message = self.protocol.receive(packet, self._engine.clock())
        if message is not None and self.delegate is not None:
            self.delegate.received(message)
        elif self.protocol.is_over:
            self._end(None, say_so=False)
        elif self.delegate is not None and not is_asked_for:
            self.delegate.extra_received(1, engineio.size_of(packet.data))

    def extra_received(self, frames: int, size: int) -> None:
        """Count frames of the client without a message."""
        try:
            if self.delegate is not None:
                self.delegate.extra_received(frames, size)
        except ProtocolError as error:
            self.close(Reason.PARSE_ERROR, error)

    def transport_closed(self, reason: str, error: ProtocolError | None) -> None:
        """End the session with its transport."""
        if self.protocol.close(reason):
            self._end(error, say_so=False)

    def close(self, reason: str, error: ProtocolError | None = None) -> None:
        """End the session, and tell the client in the way of its transport."""
        if self.protocol.close(reason):
            self._end(error, say_so=True)

    def _end(self, error: ProtocolError | None, say_so: bool) -> None:
        self._engine.forget(self)
        self._close_transport(say_so, str(error or self.protocol.reason or ""))
        self._release_posts()
        delegate, self.delegate = self.delegate, None
        if delegate is not None:
            delegate.closed(self.protocol.reason or Reason.TRANSPORT_CLOSE, error)
        if error is not None:
            logger.warning("%r closed: %s", self, error)

    def _close_transport(self, say_so: bool, problem: str) -> None:
        code = _CLOSE_CODES.get(self.protocol.reason, CloseCode.NORMAL_CLOSURE)
        if isinstance(self.transport, PollingTransport):
            self.transport.close(say_so)
            self.transport.end_upgrade(code, f"{OVER} ({self.protocol.reason})")
        else:
            self.transport.close(code, problem)

    def wake(self, now: float) -> float | None:
        """Send a ping, or end the session, if it is time; return the time of the next call."""
        if now >= self.protocol.deadline:
            self._beat(now)
        return None if self.protocol.is_over else self.protocol.next_tick(now)

    def _beat(self, now: float) -> None:
        transport = self.transport
        if self._pauses and isinstance(transport, WebSocketTransport) and transport.is_abandoned:
            return self.close(Reason.TRANSPORT_CLOSE)  # its close frame would not be read
        if self.protocol.tick(now, not transport.is_sending(now) and not self._pauses) is not None:
            self.send(PING)
            transport.flush()  # the time for the pong runs: handlers must not delay the ping
        elif self.protocol.reason == Reason.PING_TIMEOUT:
            self._end(None, say_so=True)

    # Reading less than the client sends

    def pause(self) -> None:
        """Read nothing from the client until ``resume`` has been called as many times."""
        self._pauses += 1
        if isinstance(self.transport, WebSocketTransport):
            self.transport.pause()

    def resume(self) -> None:
        """Undo one ``pause``."""
        self._pauses -= 1
        if self._pauses:
            return
        self._release_posts()
        if isinstance(self.transport, WebSocketTransport) and not self.protocol.is_over:
            self.transport.resume()

    def wait_until_read(self) -> None:
        """Wait until the session is not paused: the POST of the client is answered then."""
        if self._pauses and not self.protocol.is_over:
            self._resumed = self._resumed or Event()
            self._resumed.wait()

    def _release_posts(self) -> None:
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None

    def move_to(self, transport: WebSocketTransport) -> None:
        """Continue over a WebSocket, with the packets that were not fetched yet ("Upgrade")."""
        old, self.transport = self.transport, transport
        transport.listener = self
        if isinstance(old, PollingTransport):
            rest = old.drain()
            if old.probed and self.delegate is not None:
                self.delegate.upgraded(rest.contents)
            old.close(say_so=False)
            if rest.contents:
                transport.send(rest)
        if self._pauses:
            transport.pause()


_CLOSE_CODES: dict[Any, CloseCode] = {
    Reason.SHUTTING_DOWN: CloseCode.GOING_AWAY,
    Reason.PARSE_ERROR: CloseCode.POLICY_VIOLATION,
    Reason.SESSION_ENDED: CloseCode.POLICY_VIOLATION,
    Reason.TOO_FAST: CloseCode.POLICY_VIOLATION,
}
