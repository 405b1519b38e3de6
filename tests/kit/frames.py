"""WebSocket frames, as a client writes and reads them (RFC 6455, section 5; RFC 7692)."""

import struct
import zlib

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN = 0x80
RSV1 = 0x40
MASKED = 0x80
KEY = b"\x01\x80\xfe\x3c"
FLUSHED = b"\x00\x00\xff\xff"


def mask(payload, key):
    size = len(payload)
    repeated = (key * (size // len(key) + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(size)


def length_of(size, form=None, bit=MASKED):
    """The length field, minimal unless its form (126 or 127) is given."""
    if form == 127 or (form is None and size > 0xFFFF):
        return struct.pack("!BQ", bit | 127, size)
    if form == 126 or (form is None and size > 125):
        return struct.pack("!BH", bit | 126, size)
    return bytes([bit | size])


def client_frame(first, payload=b"", key=KEY, form=None, length=None):
    """A frame as a client sends it.

    Args:
        first: the first byte: the bits and the opcode.
        key: the masking key; None leaves the frame unmasked, which a server must refuse.
        length: a length that is not the payload's.

    """
    size = len(payload) if length is None else length
    if key is None:
        return bytes([first]) + length_of(size, form, bit=0) + payload
    return bytes([first]) + length_of(size, form) + key + mask(payload, key)


def sent(opcode, payload=b"", fin=True, key=KEY, form=None, reserved=0):
    """A frame as a client sends it, by its opcode."""
    return client_frame((FIN if fin else 0) | reserved | opcode, payload, key, form)


def closing(code, reason=b""):
    return sent(CLOSE, struct.pack("!H", code) + reason)


def deflated(payload, bits=15, level=6, flush=zlib.Z_SYNC_FLUSH):
    """What a client makes of a payload (RFC 7692, section 7.2.1)."""
    compressor = zlib.compressobj(level, wbits=-bits)
    return (compressor.compress(payload) + compressor.flush(flush)).removesuffix(FLUSHED)


def compressed(opcode, payload, **options):
    """A whole message, compressed."""
    return sent(opcode, deflated(payload), reserved=RSV1, **options)


def inflated(frame, bits=15):
    """Read a frame as the `websockets` package does at the client's side."""
    assert frame[0] & RSV1
    size = {126: 4, 127: 10}.get(frame[1], 2)
    extension = PerMessageDeflate(True, True, bits, 15)
    read = extension.decode(Frame(Opcode(frame[0] & 0x0F), frame[size:], rsv1=True))
    content = bytes(read.data)
    return content.decode() if read.opcode is Opcode.TEXT else content
