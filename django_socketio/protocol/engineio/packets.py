"""Engine.IO 4 packets, and their encoding for both transports.

https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md
(sections "Protocol" and "Packet encoding")
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple

from django_socketio.exceptions import ProtocolError

VERSION = "4"
SEPARATOR = "\x1e"


class PacketType(IntEnum):
    """The packet types, with the specification's numbers."""

    OPEN = 0
    CLOSE = 1
    PING = 2
    PONG = 3
    MESSAGE = 4
    UPGRADE = 5
    NOOP = 6


class Packet(NamedTuple):
    """A packet: text is a ``str``, binary (messages only) is ``bytes``."""

    type: PacketType
    data: str | bytes = ""


_TYPES = {str(int(type)): type for type in PacketType}
_DIGITS = {type: str(int(type)) for type in PacketType}
_BASE64_VARIANTS = str.maketrans("-_", "+/", " \t\n\v\f\r")


def encode(packet: Packet) -> str | bytes:
    """Return the packet as the content of one WebSocket message ("Packet encoding", WebSocket)."""
    if isinstance(packet.data, bytes):
        return packet.data
    return _DIGITS[packet.type] + packet.data


def decode(data: str | bytes) -> Packet:
    """Return the packet that one WebSocket message, or one part of a payload, holds.

    Binary may be base64 after a "b" in both: the official client writes it so if it is told to
    (``forceBase64``).

    Raises:
        ProtocolError: the first character is not a packet type, or the rest is not base64.

    """
    if isinstance(data, bytes):
        return Packet(PacketType.MESSAGE, data)
    type = _TYPES.get(data[:1])
    if type is None:
        if data[:1] == "b":
            return Packet(PacketType.MESSAGE, _decode_base64(data[1:]))
        raise ProtocolError(
            f"an Engine.IO packet starts with a digit from 0 to 6, not {data[:1]!r}"
        )
    return Packet(type, data[1:])


def message_in(data: str | bytes) -> str | bytes | None:
    """Return the message in a WebSocket message; None if it is a packet of another type.

    Most packets are messages. This function decodes them without an object for the packet.
    """
    if isinstance(data, bytes):
        return data
    return data[1:] if data[:1] == "4" else None


def size_of(content: str | bytes) -> int:
    """Return the number of bytes of a text (in UTF-8), or of binary data."""
    if isinstance(content, bytes) or content.isascii():
        return len(content)
    return len(content.encode())


def payload_part(content: str | bytes) -> bytes:
    """Return the result of ``encode`` as a part of a payload ("Packet encoding", HTTP)."""
    return b"b" + b64encode(content) if isinstance(content, bytes) else content.encode()


def join_payload(parts: Iterable[bytes]) -> bytes:
    """Return the body of the answer to a poll, from parts of a payload."""
    return SEPARATOR.encode().join(parts)


def decode_payload(body: bytes, max_packets: int) -> Iterator[Packet]:
    """Return the packets in the body of a POST ("Packet encoding", HTTP long-polling).

    The iterator decodes one packet after the other: there may be a hundred thousand.

    Raises:
        ProtocolError: the body is not UTF-8, or holds more than ``max_packets`` packets. The
            iterator raises it at a part that is not a packet.

    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"the payload is not UTF-8: {error}") from None
    if text.count(SEPARATOR) >= max_packets:
        raise ProtocolError(
            f"the payload holds more than {max_packets} packets (SOCKETIO_MAX_PAYLOAD_PACKETS)"
        )
    return _packets_of(text)


def _packets_of(text: str) -> Iterator[Packet]:
    start = 0
    while (end := text.find(SEPARATOR, start)) >= 0:
        yield decode(text[start:end])
        start = end + 1
    yield decode(text[start:])


def _decode_base64(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return _decode_loosely(text)


def _decode_loosely(text: str) -> bytes:
    """Return the bytes of base64 that does not obey RFC 4648, section 4.

    Encoders of clients break lines (RFC 2045, section 6.8: Java), omit the padding, or use the
    alphabet for URLs (RFC 4648, section 5). Socket.IO's own server reads all of these.
    """
    data = text.translate(_BASE64_VARIANTS).rstrip("=")
    try:
        return b64decode(data + "=" * (-len(data) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError(f"a binary packet is not base64: {text[:60]!r}") from None


def encode_message(content: str | bytes) -> str | bytes:
    """Return a message packet as the content of one WebSocket message."""
    return content if isinstance(content, bytes) else "4" + content
