"""Sessions of Engine.IO 3, for clients of Socket.IO 1 and 2.

https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v3.md
(sections "Encoding", "Transports" and "Timeouts")

Transports get the same packets as those of Engine.IO 4, and render them for their clients. The
session reads another encoding, and answers the pings of its client.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.engineio import v3
from django_socketio.protocol.engineio.client_pings import ClientPings
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.engineio.packets import Packet, PacketType
from django_socketio.protocol.socketio import v4 as socketio
from django_socketio.transports.accept import Kinds
from django_socketio.transports.dialects import Dialect
from django_socketio.transports.encoded import EncodedPacket, one
from django_socketio.transports.http import NOT_CACHED, PLAIN, Answer, EngineRequest
from django_socketio.transports.interfaces import TransportListener
from django_socketio.transports.limits import Limits
from django_socketio.transports.polling import NOOP, PollingTransport
from django_socketio.transports.session import Session, Sessions
from django_socketio.transports.websocket import WebSocketTransport

BINARY_TYPE = (("Content-Type", "application/octet-stream"), NOT_CACHED)
TEXT_TYPE = (("Content-Type", PLAIN), NOT_CACHED)
SCRIPT_TYPE = (
    ("Content-Type", "text/javascript; charset=UTF-8"),
    ("X-Content-Type-Options", "nosniff"),
    NOT_CACHED,
)

FORM = "application/x-www-form-urlencoded"


def is_script(query: Mapping[str, str]) -> bool:
    """Return whether the answer to a request with this query is a script ("JSONP")."""
    return "j" in query


def old_content(content: str | bytes) -> str | bytes:
    """Return an Engine.IO packet with a packet of Socket.IO 4 in the place of one of Socket.IO 5.

    Args:
        content: the packet as a WebSocket message of Engine.IO 4 holds it.

    """
    if isinstance(content, bytes) or content[:2] not in ("40", "44"):
        return content
    return "4" + socketio.to_v4(content[1:])


def old_frames(encoded: EncodedPacket) -> EncodedPacket:
    """Return the form of packets for a WebSocket of Engine.IO 3."""
    contents = [v3.encode(old_content(content)) for content in encoded.contents]
    # Text that is the same in both versions has the very bytes that all other clients get.
    return encoded if contents == [*encoded.contents] else EncodedPacket(contents)


def old_parts(encoded: EncodedPacket) -> list[bytes]:
    """Return packets as parts of a payload of text."""
    return [v3.payload_part(old_content(content)) for content in encoded.contents]


HEAD_START = 0.005
"""Seconds from the head of the answer to a WebSocket's handshake to the first frame."""


class OldWebSocket(WebSocketTransport):
    """A WebSocket of Engine.IO 3, on which the head of the answer leaves before all frames.

    Programs in Node that wait for "open", and only then listen to messages, miss a message that
    they read together with the head; clients of Engine.IO 3 wait for the server's first packet.
    """

    __slots__ = ("_is_held",)

    def start(self, listener: TransportListener | None) -> None:
        """Listen to the client, and send the head."""
        self._is_held = False
        super().start(listener)
        self.flush()
        self._is_held = True
        self._timers.after(HEAD_START, self._release)

    def _release(self, now: float) -> None:
        self._is_held = False
        self.flush()

    def flush(self) -> None:
        """Send the bytes that the kernel takes now; the rest when it takes more."""
        if not self._is_held:
            super().flush()

    def _has_room(self, size: int) -> bool:
        # A client is not slow to which nothing was sent yet.
        return self._is_held or super()._has_room(size)

    def send(self, encoded: EncodedPacket) -> bool:
        """Send a packet at the end of a turn of the loop; False if the connection is closed."""
        return super().send(encoded.render(old_frames))


class OldPolling(PollingTransport):
    """Long-polling of Engine.IO 3.

    Args:
        max_unsent_bytes: see ``PollingTransport``.
        takes_binary: whether payloads with binary are binary payloads.

    """

    __slots__ = ("_takes_binary",)

    def __init__(self, max_unsent_bytes: int, takes_binary: bool) -> None:
        super().__init__(max_unsent_bytes)
        self._takes_binary = takes_binary

    def _parts_of(self, encoded: EncodedPacket) -> list[bytes]:
        return encoded.render(old_parts)

    def _payload(self, taken: list[tuple[bytes, str | bytes]]) -> bytes:
        contents = [old_content(content) for _, content in taken]
        if self._takes_binary and any(isinstance(content, bytes) for content in contents):
            return v3.binary_payload(contents)
        return b"".join([part for part, _ in taken]) or EngineIO3.noop


class OldSession(Session):
    """A session of Engine.IO 3."""

    version: ClassVar[str] = v3.VERSION

    __slots__ = ()

    def data_received(self, data: str | bytes) -> None:
        """Take one packet of the client, as a WebSocket message holds it."""
        try:
            self.packet_received(v3.decode(data))
        except ProtocolError as error:
            self.close(Reason.PARSE_ERROR, error)

    def packet_received(self, packet: Packet) -> None:
        """Take one packet of the client; a ping is answered with its own data.

        Raises:
            ProtocolError: the client must not send it.

        """
        super().packet_received(packet)
        if packet.type is PacketType.PING and isinstance(packet.data, str):
            self.send(one(PacketType.PONG, packet.data))


class EngineIO3(Dialect):
    """The dialect of Engine.IO 3."""

    version: ClassVar[str] = v3.VERSION
    kinds: ClassVar[Kinds] = Kinds(OldWebSocket, None)
    queue: ClassVar[type[OldPolling]] = OldPolling
    noop: ClassVar[bytes] = v3.payload_part(NOOP.decode())

    def polling(self, request: EngineRequest, max_unsent_bytes: int) -> PollingTransport:
        """Return the transport of a session that begins with a request of long-polling."""
        takes_binary = "b64" not in request.query and not is_script(request.query)
        return self.queue(max_unsent_bytes, takes_binary)

    def payload(self, packet: EncodedPacket) -> bytes:
        """Return a single packet as a payload of long-polling."""
        return b"".join(packet.render(old_parts))

    def poll_answer(self, request: EngineRequest, payload: bytes) -> Answer:
        """Return the answer to a poll, as a script for a client of JSONP."""
        if is_script(request.query):
            digits = "".join(filter(_is_digit, request.query["j"]))
            return Answer(200, v3.jsonp_script(digits, payload), SCRIPT_TYPE)
        return Answer(200, payload, BINARY_TYPE if v3.is_binary_payload(payload) else TEXT_TYPE)

    def packets(self, request: EngineRequest, limits: Limits) -> Iterator[Packet]:
        """Return the packets in the body of a POST, or in a form of JSONP.

        Raises:
            ProtocolError: the body is no payload of this dialect; see ``decode_payload``.
            MessageTooBig: the body is larger than the limit.

        """
        body = request.body(limits.max_message_size)
        if request.environ.get("CONTENT_TYPE", "").startswith(FORM):
            body = v3.jsonp_payload(body)
        return v3.decode_payload(body, limits.max_payload_packets)

    def session(
        self,
        sid: str,
        transport: WebSocketTransport | PollingTransport,
        engine: Sessions,
        limits: Limits,
    ) -> Session:
        """Return a session of an engine; see ``Session``."""
        protocol = ClientPings(limits.ping_interval, limits.ping_timeout, engine.clock())
        return OldSession(sid, protocol, transport, engine)


def _is_digit(character: str) -> bool:
    return character in "0123456789"
