"""WebSocket frames: any bytes, in any pieces, against a plain reading of RFC 6455 and RFC 7692."""

import codecs
import random
import struct
import zlib
from functools import partial

from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from django_socketio.protocol.websocket.connection import WebSocketProtocol
from tests.fuzz.engineio import refusal_is_fit_to_be_told
from tests.fuzz.target import Target
from tests.kit.frames import KEY, client_frame

LIMIT = 300
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Refused(Exception):
    """The connection fails, with one of these codes."""

    def __init__(self, *codes: int) -> None:
        super().__init__(codes)
        self.codes = codes


class Incomplete(Exception):
    """More bytes are needed; ``codes`` are those with which a reader may refuse them already."""

    def __init__(self, *codes: int) -> None:
        super().__init__(codes)
        self.codes = codes


def inflate(data: bytes) -> tuple[bytes, bool]:
    """Return what one message's data become, from their beginning, and if they are complete."""
    inflated, streams, ended = b"", 0, False
    try:
        while data:
            inflater, streams = zlib.decompressobj(wbits=-15), streams + 1
            inflated += inflater.decompress(data)
            data, ended = inflater.unused_data, inflater.eof
    except zlib.error:
        raise Refused(1002, 1009) from None  # it may have been too much before
    problems = ((1009,) if len(inflated) > LIMIT else ()) + ((1002,) if streams > 16 else ())
    if problems:
        raise Refused(*problems)
    return inflated, ended


class Reading:
    """What the RFCs say of the bytes of a client: all at once, and slowly.

    With ``compression``, its messages may be compressed.
    """

    def __init__(self, data: bytes, compression: bool) -> None:
        self.compression = compression
        self.compressed: bytes | None = None
        """What has come of a compressed message."""
        self.messages: list[str | bytes] = []
        self.pongs: list[bytes] = []
        self.codes: tuple[int, ...] = ()
        """With which of them the connection is refused, if it must be."""

        self.early: tuple[int, ...] = ()
        """With which of them it may be refused, though its last frame is not complete."""

        self.closing: bytes | None = None
        """The content of a close frame that was right."""

        self.kind, self.parts = 0, b""
        self.was_within = False
        try:
            while data and self.closing is None:
                data = self._frame(data)
        except Refused as refused:
            self.codes = refused.codes
        except Incomplete as incomplete:
            self.early = incomplete.codes

    def _frame(self, data: bytes) -> bytes:
        """Take one frame (section 5.2); return what follows it."""
        if len(data) < 2:
            raise Incomplete(1002)
        fin, reserved, opcode = data[0] & 0x80, data[0] & 0x70, data[0] & 0x0F
        masked, size, start = data[1] & 0x80, data[1] & 0x7F, 2
        may_be_compressed = self.compression and opcode in (1, 2)
        compressed = self.compressed is not None or (may_be_compressed and reserved & 0x40)
        wrong = reserved and not (may_be_compressed and reserved == 0x40)
        wrong = wrong or opcode not in (0, 1, 2, 8, 9, 10) or not masked
        wrong = wrong or (opcode & 8 and (not fin or size > 125))
        wrong = wrong or (opcode == CONT and not self.kind) or (opcode in (1, 2) and self.kind)
        # A frame that is wrong for another reason may be inflated first.
        codes = ((1002, 1009) if compressed else (1002,)) if wrong else ()
        if size > 125:
            extra, least = (2, 126) if size == 126 else (8, 65536)
            if len(data) < 2 + extra:
                raise Incomplete(*codes)
            size, start = int.from_bytes(data[2 : 2 + extra], "big"), 2 + extra
            if size < least:
                raise Refused(1002)
        coming = self.parts if self.compressed is None else self.compressed
        most = LIMIT + LIMIT // 8 + 64 if compressed else LIMIT
        if not opcode & 8 and len(coming) + size > most:
            raise Refused(1009, *codes)
        if opcode & 8 and size > 125:
            raise Refused(1002)
        return self._content(data, start, size, codes)

    def _content(self, data: bytes, start: int, size: int, codes: tuple[int, ...]) -> bytes:
        key = data[start : start + 4] if data[1] & 0x80 else b"\0\0\0\0"
        start += 4 if data[1] & 0x80 else 0
        content = data[start : start + size]
        content = bytes(byte ^ key[place % 4] for place, byte in enumerate(content))
        if len(data) < start + size:
            if codes:
                raise Incomplete(*codes)
            self._incomplete(data[0], content)
            raise Incomplete
        if codes:
            raise Refused(*codes)
        self._complete(data[0], content)
        return data[start + size :]

    def _incomplete(self, first: int, content: bytes) -> None:
        kind = first & 0x0F or self.kind
        if kind == TEXT and not first & 0x40 and self.compressed is None:
            before = b"" if first & 0x0F else self.parts
            self._check_text(before + content, final=False)

    def _check_text(self, data: bytes, final: bool) -> None:
        try:
            codecs.getincrementaldecoder("utf-8")().decode(data, final)
        except UnicodeDecodeError:
            raise Refused(1007) from None

    def _complete(self, first: int, content: bytes) -> None:
        opcode, fin = first & 0x0F, bool(first & 0x80)
        if opcode == PING:
            self.pongs.append(content)
        elif opcode == CLOSE:
            self._close(content)
        elif opcode != PONG:
            self.kind = self.kind or opcode
            self._take(content, compressed=bool(first & 0x40), fin=fin)
            if self.kind == TEXT:
                self._check_text(self.parts, fin)
            if fin:
                message = self.parts.decode() if self.kind == TEXT else self.parts
                self.messages.append(message)
                self.kind, self.parts, self.compressed = 0, b"", None

    def _take(self, content: bytes, compressed: bool, fin: bool) -> None:
        if compressed:
            self.compressed = b""
        if self.compressed is None:
            self.parts += content
            return
        self.compressed += content
        ends = fin and bool(content)
        self.parts, ended = inflate(self.compressed + b"\0\0\xff\xff\3\0" * ends)
        if ends and not ended:
            raise Refused(1002)

    def _close(self, content: bytes) -> None:
        """Take a close frame (sections 5.5.1 and 7.4)."""
        if len(content) == 1:
            raise Refused(1002)
        if content:
            (code,) = struct.unpack_from("!H", content)
            defined = {1000, 1001, 1002, 1003, *range(1007, 1015)}
            # Which of two mistakes is told first, is free.
            problems = () if code in defined or 3000 <= code < 5000 else (1002,)
            try:
                content[2:].decode()
            except UnicodeDecodeError:
                problems += (1007,)
            if problems:
                raise Refused(*problems)
        self.was_within = bool(self.kind)
        self.closing = content


def receive(pieces: list[bytes], compression: bool) -> tuple:
    """Return all that can be seen of a protocol that got these pieces."""
    protocol, messages, out, closed = WebSocketProtocol(LIMIT, compression), [], b"", False
    for piece in pieces:
        come = piece
        while come or protocol.rest:
            messages += protocol.receive(come)
            data, eof = protocol.data_to_send()
            out, closed, come = out + data, closed or eof, b""
    return messages, out, closed, str(protocol.error)


def frames_of(data: bytes) -> list[tuple[int, bytes]]:
    """Return the server's frames, none of which is long, as pairs of opcode and content."""
    frames = []
    while data:
        assert data[0] & 0xF0 == 0x80
        assert data[1] < 126
        frames.append((data[0] & 0x0F, data[2 : 2 + data[1]]))
        data = data[2 + data[1] :]
    return frames


def cuts(data: bytes, chance: random.Random) -> list[bytes]:
    """Return the data in pieces."""
    pieces = []
    while data:
        size = chance.choice((1, 1, 2, 3, 7, 50))
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def check(data: bytes, compression: bool = False) -> None:
    """Take any bytes; the first says how they are cut."""
    chance, data = random.Random(data[:1]), data[1:]
    whole = receive([data], compression)
    pieces = cuts(data, chance)
    assert receive(pieces, compression) == whole, pieces
    messages, out, closed, error = whole
    reading = Reading(data, compression)
    frames = frames_of(out)
    assert messages == reading.messages
    assert [content for opcode, content in frames if opcode == PONG] == reading.pongs
    refusal_is_fit_to_be_told(ValueError(error))
    check_end(reading, frames, closed)
    if not (compression or reading.codes or reading.early or reading.was_within):
        assert by_websockets(data) == (messages, out, closed)


def check_end(reading: Reading, frames: list[tuple[int, bytes]], closed: bool) -> None:
    """Check that the connection ends if, and as, it must."""
    closes = [content for opcode, content in frames if opcode == CLOSE]
    if reading.closing is not None:
        assert (closes, closed) == ([reading.closing], True)
    elif closed or reading.codes:
        assert closed
        ((code,),) = [struct.unpack_from("!H", content) for content in closes]
        assert code in (reading.codes or reading.early)
    else:
        assert closes == []


def by_websockets(data: bytes) -> tuple:
    """Return what the `websockets` package by itself makes of bytes that are legal."""
    protocol = ServerProtocol(state=State.OPEN, max_size=None)
    protocol.receive_data(data)
    messages, parts, kind = [], b"", None
    for frame in protocol.events_received():
        assert isinstance(frame, Frame)
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            kind, parts = kind or frame.opcode, parts + bytes(frame.data)
            if frame.fin:
                messages.append(parts.decode() if kind is Opcode.TEXT else parts)
                kind, parts = None, b""
    writes = protocol.data_to_send()
    return messages, b"".join(writes), b"" in writes


sent = partial(client_frame, key=bytes(4))
"""A key of zeros leaves the payload as it is, so that mutations find it."""

TARGET = Target(
    "websocket frames",
    check,
    seeds=tuple(
        b"*" + data
        for data in (
            sent(0x81, b"hello"),
            sent(0x81, "ü€😀".encode(), key=KEY),
            sent(0x82, bytes(range(130))),
            sent(0x01, b"a") + sent(0x89, b"ping") + sent(0x00, b"b") + sent(0x80, b"c"),
            sent(0x01, "😀".encode()[:2]) + sent(0x80, "😀".encode()[2:]),
            sent(0x89, b"x" * 125) + sent(0x8A),
            sent(0x88, b"\x03\xe8bye"),
            sent(0x81, b"x") * 3 + sent(0x88),
            sent(0x02, b"12") + sent(0x88, b"\x03\xe9"),
            sent(0x81, b"x" * 290) + sent(0x81, b"x" * 301),
        )
    ),
    tokens=(
        sent(0x81, b"t"),
        sent(0x01, b"\xc3"),
        sent(0x80, b"\xa9"),
        sent(0x00),
        sent(0x89),
        sent(0x88, b"\x03\xe8"),
        b"\x81\xfe\x01\x2c\0\0\0\0",
        b"\x82\xfe\x01\x2d",
        b"\x81\xff\0\0\0\0\0\1\0\0",
        b"\x89\xfe\x00\x7e",
        b"\x82\xfe\x00\x05",
        b"\xed\xa0\x80",
        b"\xf4\x90",
        b"\x81\x05",
        b"\xc1\x80\0\0\0\0",
        b"\x03",
    ),
)


def deflated(content: bytes, end: int = zlib.Z_SYNC_FLUSH, level: int = 6) -> bytes:
    """Return the payload of a compressed message."""
    compressor = zlib.compressobj(level, wbits=-15)
    data = compressor.compress(content) + compressor.flush(end)
    return data.removesuffix(b"\0\0\xff\xff")


FLUSHED = b"\0\0\0\xff\xff"
HELLO = deflated(b"Hello")
TWO_STREAMS = deflated(b"He", zlib.Z_FINISH) + deflated(b"llo", zlib.Z_FINISH) + b"\0"

COMPRESSED = Target(
    "compressed websocket frames",
    partial(check, compression=True),
    seeds=(
        *TARGET.seeds,
        *(
            b"*" + data
            for data in (
                sent(0xC1, HELLO),
                sent(0xC2, deflated(bytes(range(130)), level=0)),
                sent(0x41, HELLO[:3]) + sent(0x89, b"ping") + sent(0x80, HELLO[3:]),
                sent(0xC1, TWO_STREAMS) + sent(0x81, b"plain") + sent(0xC1, b"\0"),
                sent(0x41, HELLO + b"\0\0\xff\xff") + sent(0x80),
                sent(0x41, deflated("😀".encode() * 9)[:8])
                + sent(0x80, deflated("😀".encode() * 9)[8:]),
                sent(0xC2, deflated(b"x" * LIMIT)) + sent(0xC2, deflated(b"x" * (LIMIT + 1))),
            )
        ),
    ),
    tokens=(
        *TARGET.tokens,
        sent(0xC1, HELLO),
        sent(0x41, HELLO[:4]),
        HELLO,
        b"\3\0",
        FLUSHED,
        deflated(b"x" * 250),
    ),
)
