"""Frames that the server sends, and the parts of every frame's header (RFC 6455, section 5.2)."""

from struct import Struct

from django_socketio.protocol.websocket.deflate import deflate

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
OPCODE_BITS = 0x0F
CONTROL = 0x08
"""The bit of an opcode that all control frames have, and no other frame."""

FIN, RESERVED_BITS = 0x80, 0x70
COMPRESSED = 0x40
"""The reserved bit that marks the first frame of a compressed message (RFC 7692, section 6)."""

MASKED = 0x80
MASK_SIZE = 4
MAX_CONTROL_SIZE = 125
EXTENDED = {126: (2, 126), 127: (8, 0x10000)}
"""Values of the 7 bits that announce a longer length: its size in bytes, and its least value."""

_MAX_REASON_SIZE = MAX_CONTROL_SIZE - 2  # the code of a close frame takes two bytes
_SHORT_TEXT = [bytes((FIN | TEXT, length)) for length in range(126)]
_MEDIUM = Struct("!BBH")
_LARGE = Struct("!BBQ")
_CODE = Struct("!H")


def frame(message: str | bytes) -> bytes:
    """Return a whole message in one frame; a server does not mask its frames (section 5.1)."""
    if isinstance(message, bytes):
        return with_header(FIN | BINARY, message)
    payload = message.encode()
    if len(payload) < 126:  # most are
        return _SHORT_TEXT[len(payload)] + payload
    return with_header(FIN | TEXT, payload)


def deflated_frame(message: str | bytes, threshold: int) -> bytes | None:
    """Return a whole message in one compressed frame (RFC 7692, section 6.1).

    None if the message has less than ``threshold`` bytes, or would not become smaller.
    """
    first, payload = FIN | BINARY, message
    if isinstance(payload, str):
        first, payload = FIN | TEXT, payload.encode()
    if len(payload) < threshold:
        return None
    deflated = deflate(payload)
    if len(deflated) >= len(payload):
        return None
    return with_header(first | COMPRESSED, deflated)


def close_frame(code: int, reason: str) -> bytes:
    """Return a close frame; a reason of more than 123 bytes is cut off (section 5.5.1).

    A text of a client, in a reason, may have lone surrogates: UTF-8 has none.
    """
    shortened = reason.encode(errors="replace")[:_MAX_REASON_SIZE].decode(errors="ignore")
    return with_header(FIN | CLOSE, _CODE.pack(code) + shortened.encode())


def with_header(first: int, payload: bytes) -> bytes:
    """Return a frame: its first byte, the shortest form of its length, and its payload."""
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 0x10000:
        return _MEDIUM.pack(first, 126, length) + payload
    return _LARGE.pack(first, 127, length) + payload
