"""Envelopes as they travel between processes: JSON with a version, never pickle."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

from django_socketio.exceptions import EventError, ProtocolError
from django_socketio.protocol import json
from django_socketio.protocol.socketio import packets as socketio
from django_socketio.protocol.socketio.names import check_event
from django_socketio.protocol.socketio.packets import Decoder, Packet, PacketType
from django_socketio.relay.base import Envelope

VERSION = 1
MAX_ATTACHMENTS = 1_000_000_000
"""Of an envelope: what a server sends is limited by nobody but itself."""

MAX_DEPTH = 250
"""Levels of lists and objects in an event: JSON's writers write as many on whichever stack."""


def encode(envelope: Envelope, default: json.Default | None = None) -> bytes:
    """Return an envelope as bytes; ``default`` turns values into ones that JSON knows.

    Refuses what ``decode`` would refuse.

    Raises:
        EventError: the event or the namespace cannot have its name.
        TypeError, ValueError: an argument cannot be written as JSON, or read again.

    """
    text, attachments = encode_event(envelope, default)
    header = socketio.event_header(envelope.namespace, None, len(attachments))
    content = {
        "version": VERSION,
        "id": envelope.id,
        "topics": envelope.topics,
        "exclude": envelope.exclude,
        "packet": header + text,
        "attachments": [b64encode(data).decode() for data in attachments],
    }
    return json.dumps(content).encode()


def encode_event(
    envelope: Envelope, default: json.Default | None = None
) -> tuple[str, Sequence[bytes]]:
    """Return the event of an envelope as JSON text with placeholders, and its attachments.

    Every relay publishes by this, so that all of them refuse the same.

    Raises:
        EventError: the event or the namespace cannot have its name.
        TypeError, ValueError: an argument cannot be written as JSON, or read again.

    """
    check_event(envelope.event)
    if envelope.namespace != "/":  # as most are
        _check_namespace(envelope.namespace)
    text, attachments = socketio.encode_data([envelope.event, *envelope.args], default)
    _check_depth(text)
    return text, attachments


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


def _check_namespace(namespace: str) -> None:
    if not isinstance(namespace, str) or namespace[:1] != "/" or "," in namespace:
        raise EventError(
            f"a namespace begins with a slash and holds no comma; got {namespace!r:.100}"
        )


def _check_depth(text: str) -> None:
    """Check that a packet's text is not nested too deeply to be written again.

    Raises:
        ProtocolError: it is, or it is no JSON.

    """
    # Few texts are so long and have so many brackets, and are walked through.
    if len(text) <= MAX_DEPTH or text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    if _depth(text) > MAX_DEPTH:
        raise ProtocolError(f"an event is nested more than {MAX_DEPTH} levels deep")


def _depth(text: str) -> int:
    depth, level = 0, [json.loads(text[text.index("[") :])]
    while level := [value for value in level if isinstance(value, (list, dict))]:
        depth += 1
        level = [
            item
            for value in level
            for item in (value.values() if isinstance(value, dict) else value)
        ]
    return depth


def _check_types(values: tuple[Any, ...], expected: type) -> None:
    for value in values:
        if type(value) is not expected:
            raise TypeError(f"{value!r:.20} is no {expected.__name__}")


def _packet(text: str, attachments: list[str]) -> Packet:
    decoder = Decoder(MAX_ATTACHMENTS)
    _check_depth(text)
    packet = decoder.feed(text)
    for attachment in attachments:
        packet = decoder.feed(b64decode(attachment, validate=True))
    if packet is None or packet.type is not PacketType.EVENT:
        raise ProtocolError("an envelope without a whole event")
    return packet
