"""A WebSocket by hand: bytes out, frames in."""

import socket
import struct

from tests.kit.frames import CLOSE, FIN, closing
from tests.kit.http import TIMEOUT, UPGRADE, request

WEBSOCKET_FIELDS = {"Host": "localhost", **UPGRADE}


class RawWebSocket:
    """A WebSocket by hand."""

    def __init__(self, port, headers=WEBSOCKET_FIELDS, **target):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(request(headers, **target))
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.socket.recv(65536)
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")

    def send(self, *pieces):
        for piece in pieces:
            self.socket.sendall(piece)

    def chop(self, data, size):
        """Send so that every piece is read by itself, or at least sent by itself."""
        self.send(*(data[start : start + size] for start in range(0, len(data), size)))

    def take(self, size):
        while len(self.buffer) < size:
            received = self.socket.recv(65536)
            if not received:
                raise EOFError
            self.buffer += received
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def frame(self):
        """Return the next frame as its first byte and its payload (server frames: 5.1, 5.2)."""
        first, size = self.take(2)
        assert not size & 0x80, "a server must not mask"
        if size == 126:
            (size,) = struct.unpack("!H", self.take(2))
            assert size > 125
        elif size == 127:
            (size,) = struct.unpack("!Q", self.take(8))
            assert size > 0xFFFF
        return first, self.take(size)

    def is_at_end(self):
        """Whether the server closes TCP, and sends nothing before that (7.1.1)."""
        try:
            return self.take(1) and False
        except EOFError:
            return True

    def code(self):
        """Return the code of the close frame that must come next, and with it the end of TCP."""
        first, payload = self.frame()
        assert first == FIN | CLOSE
        assert len(payload) != 1
        assert len(payload) <= 125
        payload[2:].decode()
        assert self.is_at_end()
        return struct.unpack("!H", payload[:2])[0] if payload else None

    def leave(self):
        """Close, and see it done in order."""
        self.send(closing(1000))
        assert self.code() == 1000
