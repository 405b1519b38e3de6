"""Transports that count the messages and the bytes that they send.

They are compiled, and a compiled class has a single base: each of them repeats what it counts.
"""

from typing import ClassVar

from django_socketio.transports.accept import Kinds
from django_socketio.transports.deflating import DeflatingTransport
from django_socketio.transports.dialects import Dialect
from django_socketio.transports.encoded import PING, EncodedPacket
from django_socketio.transports.engineio3 import EngineIO3, OldPolling, OldWebSocket
from django_socketio.transports.http import EngineRequest
from django_socketio.transports.polling import PollingTransport
from django_socketio.transports.websocket import WebSocketTransport


class Traffic:
    """What a process has sent. The classes of its transports share one object."""

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0


SENT = Traffic()


class MeasuredWebSocket(WebSocketTransport):
    """A WebSocket that counts what it sends."""

    __slots__ = ()

    def send(self, encoded: EncodedPacket) -> bool:
        """Count and send a packet."""
        SENT.messages += encoded is not PING
        return super().send(encoded)

    def _write(self, data: bytes) -> None:
        SENT.bytes += len(data)
        super()._write(data)


class MeasuredDeflating(DeflatingTransport):
    """A WebSocket with compressed messages that counts what it sends."""

    __slots__ = ()

    def send(self, encoded: EncodedPacket) -> bool:
        """Count and send a packet."""
        SENT.messages += encoded is not PING
        return super().send(encoded)

    def _write(self, data: bytes) -> None:
        SENT.bytes += len(data)
        super()._write(data)


class MeasuredOldWebSocket(OldWebSocket):
    """A WebSocket of Engine.IO 3 that counts what it sends."""

    __slots__ = ()

    def send(self, encoded: EncodedPacket) -> bool:
        """Count and send a packet."""
        SENT.messages += encoded is not PING
        return super().send(encoded)

    def _write(self, data: bytes) -> None:
        SENT.bytes += len(data)
        super()._write(data)


class MeasuredPolling(PollingTransport):
    """Long-polling that counts what clients fetch."""

    __slots__ = ()

    def send(self, encoded: EncodedPacket) -> bool:
        """Count and queue a packet."""
        SENT.messages += encoded is not PING
        return super().send(encoded)

    def _take(self) -> list[tuple[bytes, str | bytes]]:
        taken = super()._take()
        SENT.bytes += sum([len(part) for part, _ in taken])
        return taken


class MeasuredOldPolling(OldPolling):
    """Long-polling of Engine.IO 3 that counts what clients fetch."""

    __slots__ = ()

    def send(self, encoded: EncodedPacket) -> bool:
        """Count and queue a packet."""
        SENT.messages += encoded is not PING
        return super().send(encoded)

    def _take(self) -> list[tuple[bytes, str | bytes]]:
        taken = super()._take()
        SENT.bytes += sum([len(part) for part, _ in taken])
        return taken


class MeasuredDialect(Dialect):
    """Engine.IO 4 on transports that count."""

    kinds: ClassVar[Kinds] = Kinds(MeasuredWebSocket, MeasuredDeflating)

    def polling(self, request: EngineRequest, max_unsent_bytes: int) -> PollingTransport:
        """Return the transport of a session that begins with a request of long-polling."""
        return MeasuredPolling(max_unsent_bytes)


class MeasuredEngineIO3(EngineIO3):
    """Engine.IO 3 on transports that count."""

    kinds: ClassVar[Kinds] = Kinds(MeasuredOldWebSocket, None)
    queue: ClassVar[type[OldPolling]] = MeasuredOldPolling
