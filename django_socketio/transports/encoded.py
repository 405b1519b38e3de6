"""What is sent, encoded once for all its receivers."""

from collections.abc import Sequence

from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.engineio.heartbeat import PROBE
from django_socketio.protocol.websocket import connection as websocket


class EncodedPacket:
    """Packets that travel together, with the bytes that each transport sends for them.

    Each form is made when the first receiver needs it, and serves all the others.

    Args:
        contents: the packets, each as ``engineio.encode`` makes it.

    """

    __slots__ = ("_deflated", "_parts", "contents", "framed")

    def __init__(self, contents: Sequence[str | bytes]) -> None:
        self.contents = contents
        self.framed: bytes | None = None
        """``frames``, once they have been asked for."""
        self._parts: list[bytes] | None = None
        self._deflated: EncodedPacket | None = None

    @property
    def frames(self) -> bytes:
        """The WebSocket frames of all packets, one after the other."""
        if self.framed is None:
            contents = self.contents
            if len(contents) == 1:  # most have
                self.framed = websocket.frame(contents[0])
            else:
                self.framed = b"".join(map(websocket.frame, contents))
        return self.framed

    def deflated(self, threshold: int) -> "EncodedPacket":
        """Return the same packets for clients that take compressed frames.

        Args:
            threshold: bytes from which a packet is compressed; the same for all clients.

        """
        if self._deflated is None:
            self._deflated = EncodedPacket(self.contents)
            self._deflated.framed = self._deflated_frames(threshold)
        return self._deflated

    def _deflated_frames(self, threshold: int) -> bytes:
        frames = [websocket.deflated_frame(content, threshold) for content in self.contents]
        if not any(frames):
            return self.frames  # the very bytes that all others get
        pairs = zip(frames, self.contents, strict=True)
        return b"".join([frame or websocket.frame(content) for frame, content in pairs])

    @property
    def parts(self) -> list[bytes]:
        """The packets as parts of a long-polling payload."""
        if self._parts is None:
            self._parts = [engineio.payload_part(content) for content in self.contents]
        return self._parts


def one(type: engineio.PacketType, data: str = "") -> EncodedPacket:
    """Return a single packet, ready to be sent."""
    return EncodedPacket([engineio.encode(engineio.Packet(type, data))])


PING = one(engineio.PacketType.PING)
PROBE_ANSWER = one(engineio.PacketType.PONG, PROBE)
