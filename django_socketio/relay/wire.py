"""Envelopes as they travel between processes: JSON with a version, never pickle."""

from base64 import b64decode, b64encode
from typing import Any

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol import json, socketio
from django_socketio.protocol.socketio import Decoder, Packet, PacketType
from django_socketio.relay.base import Envelope

VERSION = 1
MAX_ATTACHMENTS = 1_000_000_000
"""Of an envelope: what a server sends is limited by nobody but itself."""


def encode(envelope: Envelope, default: json.Default | None = None) -> bytes:
    """Return an envelope as bytes; ``default`` turns values into ones that JSON knows.

    Raises:
        TypeError, ValueError: an argument cannot be written as JSON.

    """
    event = Packet(PacketType.EVENT, envelope.namespace, [envelope.event, *envelope.args])
    packet, *attachments = socketio.encode(event, default)
    content = {
        "version": VERSION,
        "id": envelope.id,
        "topics": envelope.topics,
        "exclude": envelope.exclude,
        "packet": packet,
        "attachments": [b64encode(data).decode() for data in attachments],  # type: ignore[arg-type]
    }
    return json.dumps(content).encode()


def decode(data: bytes) -> Envelope:
    """Return the envelope that the bytes hold.

    Raises:
        ProtocolError: they are no envelope, or one of another version.

    """
    try:
        content = json.loads(data.decode())
        if content["version"] != VERSION:
            raise ProtocolError(f"an envelope of version {content['version']!r:.20}, not 1")
        return _envelope(content)
    except ProtocolError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"no envelope of django-socketio: {error!r:.100}") from None


def _envelope(content: dict[str, Any]) -> Envelope:
    packet = _packet(content["packet"], content["attachments"])
    event, *args = packet.data
    topics, exclude, id = content["topics"], content["exclude"], content["id"]
    _check_types((*topics, id, "" if exclude is None else exclude), str)
    _check_types((topics, content["attachments"]), list)
    return Envelope(tuple(topics), packet.namespace, event, tuple(args), exclude, id)


def _check_types(values: tuple[Any, ...], expected: type) -> None:
    for value in values:
        if type(value) is not expected:
            raise TypeError(f"{value!r:.20} is no {expected.__name__}")


def _packet(text: str, attachments: list[str]) -> Packet:
    decoder = Decoder(MAX_ATTACHMENTS)
    packet = decoder.feed(text)
    for attachment in attachments:
        packet = decoder.feed(b64decode(attachment, validate=True))
    if packet is None or packet.type is not PacketType.EVENT:
        raise ProtocolError("an envelope without a whole event")
    return packet
