"""Packets of Socket.IO, made ready to be sent."""

from typing import Any

from django_socketio.channels.encoded_event import EncodedEvent
from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.json import Default
from django_socketio.protocol.socketio import packets as socketio
from django_socketio.protocol.socketio.packets import Packet
from django_socketio.relay.envelope import Delivery
from django_socketio.transports.encoded import EncodedPacket


class Encoder:
    """Encodes packets.

    Args:
        default: turns a value that JSON does not know into one that it knows.

    """

    def __init__(self, default: Default | None = None) -> None:
        self._default = default

    def event(
        self, namespace: str, event: str, args: tuple[Any, ...], id: int | None = None
    ) -> EncodedEvent:
        """Return an EVENT; with an acknowledgment id if the receiver shall answer it.

        Raises:
            TypeError, ValueError: an argument cannot be written as JSON.

        """
        data = [event, *args]
        text, attachments = socketio.encode_data(data, self._default)
        return EncodedEvent(namespace, data, id, text, attachments)

    def delivery(self, delivery: Delivery) -> EncodedEvent:
        """Return the event of a delivery, which the relay may have encoded.

        Raises:
            TypeError, ValueError: an argument cannot be written as JSON.

        """
        envelope = delivery.envelope
        data = [envelope.name, *envelope.args]
        text, attachments = delivery.encoded or socketio.encode_data(data, self._default)
        return EncodedEvent(envelope.namespace, data, None, text, attachments, delivery)

    def packet(self, packet: Packet) -> EncodedPacket:
        """Return a packet of any type.

        Raises:
            TypeError, ValueError: the data cannot be written as JSON.

        """
        contents = socketio.encode(packet, self._default)
        contents[0] = engineio.encode_message(contents[0])  # an attachment needs no header
        return EncodedPacket(contents)
