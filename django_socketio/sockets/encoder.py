"""Socket.IO packets, made ready to be sent."""

from typing import Any

from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.json import Default
from django_socketio.protocol.socketio import packets as socketio
from django_socketio.protocol.socketio.packets import Packet
from django_socketio.transports.encoded import EncodedPacket


class Encoder:
    """Encodes packets; ``default`` turns values that JSON does not know into ones that it knows."""

    def __init__(self, default: Default | None = None) -> None:
        self._default = default

    def event(
        self, namespace: str, event: str, args: tuple[Any, ...], id: int | None = None
    ) -> EncodedPacket:
        """Return an EVENT, with an id if its receiver shall acknowledge it.

        Raises:
            TypeError, ValueError: an argument cannot be written as JSON.

        """
        return _encoded(socketio.encode_event(namespace, [event, *args], id, self._default))

    def packet(self, packet: Packet) -> EncodedPacket:
        """Return any packet, ready to be sent."""
        return _encoded(socketio.encode(packet, self._default))


def _encoded(contents: list[str | bytes]) -> EncodedPacket:
    contents[0] = engineio.encode_message(contents[0])  # binary is a message as it is
    return EncodedPacket(contents)
