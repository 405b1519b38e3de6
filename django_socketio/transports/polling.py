"""HTTP long-polling: a GET waits for what the server has to say, a POST brings what the client has.

https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md
(section "HTTP long-polling")
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from gevent.event import Event

from django_socketio.concurrency.timers import clock
from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.engineio.packets import Packet, PacketType
from django_socketio.transports.encoded import EncodedPacket, one, payload_parts
from django_socketio.transports.interfaces import TransportListener

MAX_PACKETS_OUT = 16
"""In one answer: some clients drop the connection at more."""

NOOP = engineio.payload_part(engineio.encode(Packet(PacketType.NOOP)))
CLOSE = one(PacketType.CLOSE)


LONGEST_POST = 30.0
"""Seconds for which a POST that comes puts off the end of a session without pongs."""


class OverlapError(ProtocolError):
    """A second GET (or POST) came while one was still open ("HTTP long-polling")."""


class EndedError(Exception):
    """The server has ended the session, and has nothing left to say."""


class PollingTransport:
    """The queue of what a polling client has not fetched yet, and its waiting GET.

    Args:
        max_unsent_bytes: bytes that may wait for the client.

    """

    __slots__ = (
        "_max_unsent",
        "_posting",
        "_posting_since",
        "_queue",
        "_refuses",
        "_unsent",
        "_waiting",
        "closed",
        "listener",
        "probed",
    )

    name = "polling"

    def __init__(self, max_unsent_bytes: int) -> None:
        self._queue: deque[tuple[bytes, str | bytes]] = deque()
        self._unsent = 0
        self._max_unsent = max_unsent_bytes
        self._waiting: Event | None = None
        self._posting = False
        self._posting_since = 0.0
        self._refuses = False
        self.probed = False
        """Whether a WebSocket is about to replace this transport: GETs then wait no more."""
        self.closed = False
        self.listener: TransportListener | None = None

    def send(self, encoded: EncodedPacket) -> bool:
        """Keep it for the next GET; False if that cannot be."""
        if self.closed:
            return False
        parts = encoded.render(payload_parts)
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
        """Return the body of a GET's answer; waits until there is something to say.

        Raises:
            OverlapError: another GET waits already; it is answered with a close packet.
            EndedError: the server has ended the session.

        """
        if self._waiting is not None:
            self.send(CLOSE)
            raise OverlapError("a GET came while another one was waiting")
        if not self._queue and not self.probed and not self.closed:
            self._wait()
        if self._refuses and not self._queue:
            raise EndedError
        return engineio.join_payload(self._take() or [NOOP])

    def flush(self) -> None:
        """Do nothing: what is sent waits for the next GET, or has its answer sent."""

    @property
    def has_unread(self) -> bool:
        """Whether a POST is being read or taken that may hold a pong, unless it takes too long."""
        return self._posting and clock() - self._posting_since < LONGEST_POST

    @property
    def polled(self) -> bool:
        """Whether a GET waits."""
        return self._waiting is not None

    def _wait(self) -> None:
        self._waiting = Event()
        try:
            self._waiting.wait()
        finally:
            self._waiting = None

    def _take(self) -> list[bytes]:
        parts = [self._queue.popleft()[0] for _ in range(min(len(self._queue), MAX_PACKETS_OUT))]
        self._unsent -= sum(map(len, parts))
        return parts

    def release(self) -> None:
        """Let the waiting GET, if there is one, be answered with what there is, or a noop."""
        if self._waiting is not None:
            self._waiting.set()

    def drain(self) -> EncodedPacket:
        """Take all that was not fetched."""
        contents = [content for _, content in self._queue]
        self._queue.clear()
        self._unsent = 0
        return EncodedPacket(contents)

    @contextmanager
    def posting(self) -> Iterator[None]:
        """Note that a POST is being read and taken.

        Raises:
            OverlapError: so is another one.

        """
        if self._posting:
            raise OverlapError("a POST came while another one was being read")
        self._posting = True
        self._posting_since = clock()
        try:
            yield
        finally:
            self._posting = False

    def close(self, say_so: bool) -> None:
        """Answer the waiting GET, with an error if the client does not know (``say_so``).

        A close packet would say so as well, but python-socketio's client takes it for a DISCONNECT
        and does not come back. All clients do after an error, as after any end of a WebSocket.
        """
        if not self.closed:
            self._refuses = say_so
        self.closed = True
        self.listener = None
        self.release()
