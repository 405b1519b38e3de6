"""HTTP long-polling: a GET waits for packets of the server, a POST carries packets of the client.

https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md
(section "HTTP long-polling")
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gevent.event import Event

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.engineio.packets import Packet, PacketType
from django_socketio.transports.encoded import EncodedPacket, one, payload_parts
from django_socketio.transports.http import EngineRequest
from django_socketio.transports.interfaces import PendingUpgrade, TransportListener

MAX_PACKETS_OUT = 16
"""Highest number of packets in one answer: some clients drop the connection at more."""

NOOP = engineio.payload_part(engineio.encode(Packet(PacketType.NOOP)))
CLOSE = one(PacketType.CLOSE)

LATE_POLL_TIME = 0.05
"""Seconds that a POST with a close packet waits for a poll that was sent before it."""


class OverlapError(ProtocolError):
    """A second GET (or POST) came while one was still open ("HTTP long-polling")."""


class EndedError(Exception):
    """The server has ended the session, and all its packets have been fetched."""


class PollingTransport:
    """The queue of packets that a polling client has not fetched yet, and its waiting GET.

    Args:
        max_unsent_bytes: bytes that may be in the queue; a single packet may always be.

    """

    __slots__ = (
        "_max_unsent",
        "_posting",
        "_queue",
        "_refuses",
        "_unsent",
        "_waiting",
        "closed",
        "listener",
        "probed",
        "upgrade",
    )

    name = "polling"

    def __init__(self, max_unsent_bytes: int) -> None:
        self._queue: deque[tuple[bytes, str | bytes]] = deque()
        self._unsent = 0
        self._max_unsent = max_unsent_bytes
        self._waiting: Event | None = None
        self._posting = False
        self._refuses = False
        self.probed = False
        """Whether a WebSocket is about to replace this transport: GETs then do not wait."""
        self.upgrade: PendingUpgrade | None = None
        """The only WebSocket that may replace this transport."""
        self.closed = False
        self.listener: TransportListener | None = None

    def send(self, encoded: EncodedPacket) -> bool:
        """Queue a packet for the next GET; False if the transport is closed, or gets closed."""
        if self.closed:
            return False
        parts = self._parts_of(encoded)
        size = sum(map(len, parts))
        if self._unsent and self._unsent + size > self._max_unsent:
            self._abort()
            return False
        self._queue.extend(zip(parts, encoded.contents, strict=True))
        self._unsent += size
        self.release()
        return True

    def _abort(self) -> None:
        listener = self.listener
        self.close(say_so=True)
        if listener is not None:
            listener.transport_closed(Reason.SLOW_CLIENT, None)

    def get(self) -> bytes:
        """Wait until there are packets for the client; return the body of the answer to a GET.

        Raises:
            OverlapError: another GET is waiting; that one is answered with a close packet.
            EndedError: the server has ended the session.

        """
        if self._waiting is not None:
            self.send(CLOSE)
            raise OverlapError("a GET came while another one was waiting")
        if not self._queue and not self.probed and not self.closed:
            self._wait()
        if self._refuses and not self._queue:
            raise EndedError
        return self._payload(self._take())

    def _parts_of(self, encoded: EncodedPacket) -> list[bytes]:
        return encoded.render(payload_parts)

    def _payload(self, taken: list[tuple[bytes, str | bytes]]) -> bytes:
        """Return the payload of packets, each as a part and as its content; a NOOP for none."""
        return engineio.join_payload([part for part, _ in taken] or [NOOP])

    @property
    def unsent(self) -> int:
        """The bytes that wait for the client."""
        return self._unsent

    def flush(self) -> None:
        """Do nothing: packets wait for the next GET, or have woken the one that waits."""

    def is_sending(self, now: float) -> bool:
        """Return whether a POST is being read that may hold a pong.

        The HTTP server ends one that comes too slowly.
        """
        return self._posting

    @property
    def polled(self) -> bool:
        """Whether a GET is waiting."""
        return self._waiting is not None

    def wake(self, waiting: Any) -> None:
        """Have ``waiting.set()`` called for each packet, as if a GET always waited.

        Args:
            waiting: takes the packets by ``drain``; a client of the package's test tools.

        """
        self._waiting = waiting

    def _wait(self) -> None:
        self._waiting = Event()
        try:
            self._waiting.wait()
        finally:
            self._waiting = None

    def _take(self) -> list[tuple[bytes, str | bytes]]:
        taken = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_PACKETS_OUT))]
        self._unsent -= sum(len(part) for part, _ in taken)
        return taken

    def release(self) -> None:
        """Have the waiting GET, if there is one, answered with the queued packets, or a NOOP."""
        if self._waiting is not None:
            self._waiting.set()

    def drain(self) -> EncodedPacket:
        """Remove all packets from the queue, and return them as one."""
        contents = [content for _, content in self._queue]
        self._queue.clear()
        self._unsent = 0
        return EncodedPacket(contents)

    @contextmanager
    def posting(self) -> Iterator[None]:
        """Mark a POST as being read, until the end of a ``with`` block.

        Raises:
            OverlapError: another POST is being read.

        """
        if self._posting:
            raise OverlapError("a POST came while another one was being read")
        self._posting = True
        try:
            yield
        finally:
            self._posting = False

    def close(self, say_so: bool) -> None:
        """Close the transport, and have the waiting GET answered.

        The answer to a GET is an error then, and not a close packet: python-socketio's client takes
        a close packet for a DISCONNECT and does not connect again. All clients connect again after
        an error, as after any end of a WebSocket.

        Args:
            say_so: whether to tell the client, which has not closed the session itself.

        """
        if not self.closed:
            self._refuses = say_so
        self.closed = True
        self.listener = None
        self.release()

    def end_upgrade(self, code: int, reason: str) -> None:
        """Close the WebSocket that asks to replace this transport, if there is one."""
        if self.upgrade is not None:
            self.upgrade.close(code, reason)


class LatePolls:
    """Sessions that their client has closed while one of its polls was still on its way.

    A client that posts a close packet has a poll in flight. That poll may arrive after the POST; it
    is answered with a NOOP, not with "Session ID unknown".
    """

    def __init__(self) -> None:
        self._closed: dict[str, Event] = {}

    def __contains__(self, sid: str) -> bool:
        """Whether a POST waits for the last poll of a session."""
        return sid in self._closed

    def take(self, request: EngineRequest) -> bool:
        """Return whether a request is such a poll. After any request of a session none is."""
        arrived = self._closed.pop(request.sid, None)
        if arrived is None or request.method != "GET":
            return False
        arrived.set()
        return True

    def wait(self, sid: str) -> None:
        """Wait a moment for the last poll of a session."""
        self._closed[sid] = arrived = Event()
        arrived.wait(LATE_POLL_TIME)
        self._closed.pop(sid, None)
