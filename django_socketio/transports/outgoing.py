"""What is sent, encoded once for all its receivers."""

from collections.abc import Sequence

from django_socketio.protocol import engineio, websocket
from django_socketio.protocol.session import PROBE


class Outgoing:
    """Packets that travel together, with the bytes that each transport sends for them.

    Each form is made when the first receiver needs it, and serves all the others.
    """

    __slots__ = ("_frames", "_parts", "packets")

    def __init__(self, packets: Sequence[engineio.Packet]) -> None:
        self.packets = packets
        self._frames: bytes | None = None
        self._parts: list[bytes] | None = None

    @property
    def frames(self) -> bytes:
        """The WebSocket frames of all packets, one after the other."""
        if self._frames is None:
            self._frames = b"".join(
                [websocket.frame(engineio.encode(packet)) for packet in self.packets]
            )
        return self._frames

    @property
    def parts(self) -> list[bytes]:
        """The packets as parts of a long-polling payload."""
        if self._parts is None:
            self._parts = [engineio.encode_for_payload(packet) for packet in self.packets]
        return self._parts


def one(type: engineio.PacketType, data: str = "") -> Outgoing:
    """Return a single packet, ready to be sent."""
    return Outgoing([engineio.Packet(type, data)])


PING = one(engineio.PacketType.PING)
PROBE_ANSWER = one(engineio.PacketType.PONG, PROBE)
