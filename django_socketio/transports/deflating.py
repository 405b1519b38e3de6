"""WebSocket connections whose client has agreed to compressed messages."""

from socket import socket

from django_socketio.concurrency.timers import Timers
from django_socketio.concurrency.turns import Turns
from django_socketio.protocol.websocket.connection import WebSocketProtocol
from django_socketio.transports.encoded import EncodedPacket, deflated
from django_socketio.transports.websocket import WebSocketTransport
from django_socketio.transports.write_batch import WriteBatch

CHUNK = 4096
"""Bytes read at once: inflated, they may be a thousand times as many."""


class DeflatingTransport(WebSocketTransport):
    """A connection with compressed messages. All of them send the same bytes, compressed once.

    Args:
        threshold: size in bytes from which a message is compressed.

    """

    __slots__ = ("_deflated",)

    def __init__(
        self,
        sock: socket,
        head: bytes,
        protocol: WebSocketProtocol,
        batch: WriteBatch,
        turns: Turns,
        timers: Timers,
        max_unsent_bytes: int,
        send_timeout: float,
        threshold: int,
    ) -> None:
        super().__init__(sock, head, protocol, batch, turns, timers, max_unsent_bytes, send_timeout)
        self._deflated = deflated(threshold)

    def send(self, encoded: EncodedPacket) -> bool:
        """Send a packet, compressed, at the end of this turn; False if the connection is closed."""
        return super().send(encoded.render(self._deflated))

    def _start_reading(self) -> None:
        self._reader.start(self._read, CHUNK)
