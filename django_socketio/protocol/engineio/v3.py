"""Engine.IO 3 packets, and their encoding for both transports.

https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v3.md
(sections "Encoding" and "JSONP")

Text is encoded as in Engine.IO 4. Binary has its packet type before it, and payloads have lengths
instead of separators. A length is a number of JavaScript's characters, which are code units of
UTF-16.
"""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol import json
from django_socketio.protocol.engineio import packets as v4
from django_socketio.protocol.engineio.packets import Packet, PacketType

VERSION = "3"

TEXT, BINARY, END_OF_LENGTH = 0, 1, 255
"""Bytes of a binary payload."""

MAX_DIGITS = 15
"""Number of digits of a length. JavaScript's safe integers have one more."""

_MESSAGE = bytes([PacketType.MESSAGE])
_LENGTH = re.compile(r"([0-9]{1,15}):")
_LINE_BREAK = re.compile(r"(\\)?\\n")
_FIRST_ASTRAL = "\U00010000"
"""Characters from this one on have two code units."""


def encode(content: str | bytes) -> str | bytes:
    """Return a packet as a WebSocket message holds it ("Packet").

    Args:
        content: the packet as a WebSocket message of Engine.IO 4 holds it.

    """
    return _MESSAGE + content if isinstance(content, bytes) else content


def decode(data: str | bytes) -> Packet:
    """Return the packet in a WebSocket message, or in one part of a payload ("Packet").

    Raises:
        ProtocolError: the first character, or byte, is not a packet type.

    """
    if isinstance(data, bytes):
        return _decode_binary(data)
    if data[:1] != "b":
        return v4.decode(data)
    if data[1:2] != "4":
        raise ProtocolError(f"base64 of an Engine.IO 3 packet starts with b4, not {data[:2]!r}")
    return v4.decode("b" + data[2:])


def _decode_binary(data: bytes) -> Packet:
    if data[:1] != _MESSAGE:
        raise ProtocolError(
            f"a binary packet of Engine.IO 3 starts with the byte 4, not {data[:1]!r}"
        )
    return Packet(PacketType.MESSAGE, data[1:])


# Payloads


def payload_part(content: str | bytes) -> bytes:
    """Return a packet as a part of a payload of text ("Payload").

    Args:
        content: the packet as a WebSocket message of Engine.IO 4 holds it.

    """
    text = f"b4{v4.payload_part(content)[1:].decode()}" if isinstance(content, bytes) else content
    return f"{_length(text)}:{text}".encode()


def binary_payload(contents: Sequence[str | bytes]) -> bytes:
    """Return packets as a binary payload ("Payload", where XHR2 is supported)."""
    return b"".join(map(_binary_part, contents))


def _binary_part(content: str | bytes) -> bytes:
    kind = BINARY if isinstance(content, bytes) else TEXT
    encoded = encode(content)
    data = encoded if isinstance(encoded, bytes) else encoded.encode()
    return bytes([kind, *map(int, str(len(data))), END_OF_LENGTH]) + data


def is_binary_payload(body: bytes) -> bool:
    """Return whether a payload is a binary one: those of text begin with a digit."""
    return body[:1] in (bytes([TEXT]), bytes([BINARY]))


def decode_payload(body: bytes, max_packets: int) -> Iterator[Packet]:
    """Return the packets in the body of a POST, of text or binary ("Payload").

    Raises:
        ProtocolError: a payload of text is not UTF-8. The iterator raises it at a part that is not
            a packet, and after ``max_packets`` packets.

    """
    if is_binary_payload(body):
        return _limited(_binary_packets(body), max_packets)
    try:
        return _limited(_packets(body.decode()), max_packets)
    except UnicodeDecodeError as error:
        raise ProtocolError(f"the payload is not UTF-8: {error}") from None


def _limited(packets: Iterator[Packet], max_packets: int) -> Iterator[Packet]:
    for number, packet in enumerate(packets):
        if number == max_packets:
            raise ProtocolError(
                f"the payload holds more than {max_packets} packets (SOCKETIO_MAX_PAYLOAD_PACKETS)"
            )
        yield packet


def _packets(text: str) -> Iterator[Packet]:
    if not text:
        raise ProtocolError("the payload is empty")
    units = text.encode("utf-16-le") if max(text) >= _FIRST_ASTRAL else None
    start = passed = 0  # in characters, and in code units
    while start < len(text):
        header = _LENGTH.match(text, start)
        if header is None:
            raise ProtocolError(f"a payload has a length and a colon, not {text[start:][:20]!r}")
        begin, length = header.end(), int(header[1])
        passed += begin - start
        part = text[begin : begin + length] if units is None else _cut(units, passed, length)
        passed += length
        if _length(part) != length:
            raise ProtocolError(f"a packet has {length} characters, but {_length(part)} came")
        yield decode(part)
        start = begin + len(part)


def _cut(units: bytes, start: int, length: int) -> str:
    try:
        return units[2 * start : 2 * (start + length)].decode("utf-16-le")
    except UnicodeDecodeError:
        raise ProtocolError(f"a packet of {length} characters ends within a character") from None


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _binary_packets(body: bytes) -> Iterator[Packet]:
    start = 0
    while start < len(body):
        kind, (begin, length) = body[start], _binary_length(body, start + 1)
        data = body[begin : begin + length]
        if kind not in (TEXT, BINARY) or len(data) != length:
            raise ProtocolError(f"a packet of kind {kind} has {length} bytes; {len(data)} came")
        yield _decode_binary(data) if kind == BINARY else decode(_text(data))
        start = begin + length


def _binary_length(body: bytes, start: int) -> tuple[int, int]:
    """Return the index of the first byte after a length, and the length."""
    end = body.find(END_OF_LENGTH, start, start + MAX_DIGITS + 1)
    digits = body[start : max(end, start)]
    if not digits or max(digits) > 9:
        raise ProtocolError("a packet of a binary payload has no length")
    return end + 1, int("".join(map(str, digits)))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"a packet is not UTF-8: {error}") from None


# JSONP


def jsonp_script(index: str, payload: bytes) -> bytes:
    """Return a payload as the script that answers a poll ("JSONP").

    Args:
        index: the number of the client's function, in ASCII digits.
        payload: a payload of text.

    """
    text = json.dumps(payload.decode())
    # These end a line of JavaScript before ECMAScript 2019.
    safe = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return f"___eio[{index}]({safe});".encode()


def jsonp_payload(body: bytes) -> bytes:
    """Return the payload in the body of a form ("Posting data").

    Raises:
        ProtocolError: the form has no payload.

    """
    try:
        fields = parse_qs(body.decode("ascii"), errors="strict", max_num_fields=10)
        text = fields["d"][0]
    except (ValueError, KeyError):
        raise ProtocolError("a form of JSONP has a field d with the payload") from None
    # Browsers change line breaks in forms, so clients write them as \n, and \n as \\n.
    broken = _LINE_BREAK.sub(lambda found: found[0] if found[1] else "\n", text)
    return broken.replace("\\\\n", "\\n").encode()
