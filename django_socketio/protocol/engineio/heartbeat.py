"""The state of one Engine.IO session: its heartbeat and its end.

https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md
(sections "Handshake", "Heartbeat" and "Upgrade")
"""

from typing import Final

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol import json
from django_socketio.protocol.engineio.packets import Packet, PacketType

PROBE = "probe"
PING = Packet(PacketType.PING)


class Reason:
    """The reasons of the end of a session or a socket, in Socket.IO's words."""

    CLIENT_LEFT: Final = "client namespace disconnect"
    SERVER_LEFT: Final = "server namespace disconnect"
    TRANSPORT_CLOSE: Final = "transport close"
    TRANSPORT_ERROR: Final = "transport error"
    PING_TIMEOUT: Final = "ping timeout"
    PARSE_ERROR: Final = "parse error"
    SLOW_CLIENT: Final = "slow client"
    TOO_MANY_EVENTS: Final = "too many events"
    SHUTTING_DOWN: Final = "server shutting down"
    NEVER_CONNECTED: Final = "connect timeout"
    SESSION_ENDED: Final = "session ended"
    TOO_FAST: Final = "rate exceeded"


class SessionProtocol:
    """One Engine.IO session, sans I/O.

    All times are in seconds of one monotonic clock. ``tick`` is to be called at ``deadline``.

    Args:
        ping_interval: seconds from a pong (or the handshake) to the next ping.
        ping_timeout: seconds from a ping to its pong.

    """

    __slots__ = ("_awaiting_pong", "_interval", "_timeout", "deadline", "reason")

    def __init__(self, ping_interval: float, ping_timeout: float, now: float) -> None:
        self._interval = ping_interval
        self._timeout = ping_timeout
        self._awaiting_pong = False
        self.deadline = now + ping_interval
        self.reason: str | None = None
        """The reason of the end; None while the session is open."""

    @property
    def is_over(self) -> bool:
        """Whether the session has ended."""
        return self.reason is not None

    def is_asked_for(self, packet: Packet) -> bool:
        """Return whether a packet is the pong that the server waits for, and nothing else."""
        return packet.type is PacketType.PONG and self._awaiting_pong and not packet.data

    def receive(self, packet: Packet, now: float) -> str | bytes | None:
        """Take a packet of the client; return its content if it is a message.

        Raises:
            ProtocolError: a client must not send this packet ("Heartbeat": the server sends pings).

        """
        if packet.type is PacketType.MESSAGE:
            return packet.data
        if packet.type is PacketType.PONG:
            self._awaiting_pong = False
            self.deadline = now + self._interval
        elif packet.type is PacketType.CLOSE:
            self.close(Reason.TRANSPORT_CLOSE)
        elif packet.type not in (PacketType.NOOP, PacketType.UPGRADE):
            # Clients repeat an UPGRADE, or send one on a WebSocket that is their first transport.
            raise ProtocolError(f"{packet.type.name} packet from the client")
        return None

    def tick(self, now: float, is_heard: bool = True) -> Packet | None:
        """Return a ping if it is time for one; close the session if the last one has no pong.

        Args:
            is_heard: whether all data of the client has been read. If not, its pong may be in the
                data that was not read, and the client is pinged again.

        """
        if now < self.deadline or self.reason is not None:
            return None
        if self._awaiting_pong and is_heard:
            self.close(Reason.PING_TIMEOUT)
            return None
        self._awaiting_pong = True
        self.deadline = now + self._timeout
        return PING

    def next_tick(self, now: float) -> float:
        """Return the time of the next ``tick``: a pong may move the deadline forward."""
        return min(self.deadline, now + self._interval)

    def close(self, reason: str) -> bool:
        """End the session; False if it was over already."""
        if self.reason is not None:
            return False
        self.reason = reason
        return True


def open_packet(
    sid: str, upgrades: list[str], ping_interval: float, ping_timeout: float, max_payload: int
) -> Packet:
    """Return the first packet of a session; times are in seconds ("Handshake")."""
    handshake = {
        "sid": sid,
        "upgrades": upgrades,
        "pingInterval": round(ping_interval * 1000),
        "pingTimeout": round(ping_timeout * 1000),
        "maxPayload": max_payload,
    }
    return Packet(PacketType.OPEN, json.dumps(handshake))
