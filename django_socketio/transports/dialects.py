"""The versions of Engine.IO that an engine speaks: each is a dialect of the same sessions."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.engineio.heartbeat import SessionProtocol
from django_socketio.protocol.engineio.packets import Packet
from django_socketio.transports.accept import KINDS, Kinds
from django_socketio.transports.encoded import EncodedPacket, payload_parts
from django_socketio.transports.http import Answer, EngineRequest, ErrorCode, RequestError, shown
from django_socketio.transports.limits import Limits
from django_socketio.transports.polling import NOOP, PollingTransport
from django_socketio.transports.session import Session, Sessions
from django_socketio.transports.websocket import WebSocketTransport


class Dialect:
    """Engine.IO 4, and the base class of other dialects.

    Attributes:
        version: the version that clients name in their requests (``EIO``).
        kinds: the classes of WebSockets.
        noop: the payload of an answer to a poll that has nothing to say.

    """

    version: ClassVar[str] = engineio.VERSION
    kinds: ClassVar[Kinds] = KINDS
    noop: ClassVar[bytes] = NOOP

    def polling(self, request: EngineRequest, max_unsent_bytes: int) -> PollingTransport:
        """Return the transport of a session that begins with a request of long-polling."""
        return PollingTransport(max_unsent_bytes)

    def payload(self, packet: EncodedPacket) -> bytes:
        """Return a single packet as a payload of long-polling."""
        return engineio.join_payload(packet.render(payload_parts))

    def poll_answer(self, request: EngineRequest, payload: bytes) -> Answer:
        """Return the answer to a poll."""
        return Answer(200, payload)

    def packets(self, request: EngineRequest, limits: Limits) -> Iterator[Packet]:
        """Return the packets in the body of a POST.

        Raises:
            ProtocolError: the body is no payload of this dialect; see ``decode_payload``.
            MessageTooBig: the body is larger than the limit.

        """
        body = request.body(limits.max_message_size)
        return engineio.decode_payload(body, limits.max_payload_packets)

    def session(
        self,
        sid: str,
        transport: WebSocketTransport | PollingTransport,
        engine: Sessions,
        limits: Limits,
    ) -> Session:
        """Return a session of an engine; see ``Session``."""
        protocol = SessionProtocol(limits.ping_interval, limits.ping_timeout, engine.clock())
        return Session(sid, protocol, transport, engine)


class Dialects:
    """The dialects of an engine.

    Args:
        more: dialects beside Engine.IO 4.

    """

    def __init__(self, *more: Dialect) -> None:
        self._all: Mapping[str, Dialect] = {one.version: one for one in (Dialect(), *more)}

    def of(self, request: EngineRequest) -> Dialect:
        """Return the dialect that a client names ("Query parameters").

        Raises:
            RequestError: this engine does not speak it.

        """
        dialect = self._all.get(request.version)
        if dialect is None:
            raise RequestError(
                ErrorCode.UNSUPPORTED_PROTOCOL_VERSION,
                f"Unsupported protocol version: EIO={shown(request.version)} came, "
                f"{' and '.join(f'EIO={version}' for version in self._all)} is spoken; "
                f"use a client of Socket.IO 3 or later{_remedy(request.version)}",
            )
        return dialect


def _remedy(version: str) -> str:
    return ", or SOCKETIO_ALLOW_EIO3 = True on the server" if version == "3" else ""
