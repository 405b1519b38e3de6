"""The state of an Engine.IO 3 session: its client sends the pings.

https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v3.md
(section "Timeouts")
"""

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.engineio.heartbeat import Reason, SessionProtocol
from django_socketio.protocol.engineio.packets import Packet, PacketType


class ClientPings(SessionProtocol):
    """One Engine.IO 3 session, sans I/O.

    Args:
        ping_interval: seconds between two pings of the client.
        ping_timeout: seconds that a packet of the client may come later than that.

    """

    __slots__ = ("_silence",)

    def __init__(self, ping_interval: float, ping_timeout: float, now: float) -> None:
        super().__init__(ping_interval, ping_timeout, now)
        self._silence = ping_interval + ping_timeout
        self.deadline = now + self._silence

    def receive(self, packet: Packet, now: float) -> str | bytes | None:
        """Take a packet of the client; return its content if it is a message.

        Raises:
            ProtocolError: a client must not send this packet.

        """
        self.deadline = now + self._silence
        if packet.type is PacketType.MESSAGE:
            return packet.data
        if packet.type is PacketType.CLOSE:
            self.close(Reason.TRANSPORT_CLOSE)
        elif packet.type not in (PacketType.PING, PacketType.NOOP, PacketType.UPGRADE):
            raise ProtocolError(f"{packet.type.name} packet from a client of Engine.IO 3")
        return None

    def tick(self, now: float, is_heard: bool = True) -> Packet | None:
        """Close the session if the client has been silent for too long; return None.

        Args:
            is_heard: whether all data of the client has been read; otherwise it gets more time.

        """
        if now >= self.deadline and self.reason is None:
            if is_heard:
                self.close(Reason.PING_TIMEOUT)
            else:
                self.deadline = now + self._timeout
        return None

    def next_tick(self, now: float) -> float:
        """Return the time of the next ``tick``: the deadline only moves to later times."""
        return self.deadline
