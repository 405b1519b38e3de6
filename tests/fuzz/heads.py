"""Header fields and chunked bodies of HTTP requests, beside plain readings of RFC 9112."""

import re
from io import BufferedReader, BytesIO, RawIOBase

from django_socketio.protocol.http.fields import HeadLimits, read_fields
from django_socketio.server.chunked import MAX_LINE, MAX_TRAILERS, read_chunks
from tests.fuzz.target import Target

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
LIMITS = HeadLimits()
REFUSED = None


class Pieces(RawIOBase):
    """A connection on which a few bytes come at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._file = BytesIO(data)
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:
        piece = self._file.read(min(self._size, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


def files(data: bytes) -> list[BufferedReader]:
    """Return the data as it may come."""
    return [BufferedReader(Pieces(data, size)) for size in (10_000, 7, 1)]


def plain_fields(data: bytes) -> tuple[list[tuple[str, str]], bytes] | None:
    """Return the fields (5.1: no space before the colon, no folding), and what follows them."""
    file, fields, size = BytesIO(data), [], 0
    for line in iter(file.readline, b""):
        if line in (b"\r\n", b"\n"):
            return fields, file.read()
        size += len(line)
        text = line.decode("latin-1").removesuffix("\n").removesuffix("\r")
        name, colon, value = text.partition(":")
        if not line.endswith(b"\n") or not colon or not TOKEN.fullmatch(name):
            return REFUSED
        if len(fields) == LIMITS.fields or size > LIMITS.size or {"\0", "\r"} & set(value):
            return REFUSED
        fields.append((name.lower(), value.strip(" \t")))
    return REFUSED


def check_fields(data: bytes) -> None:
    """Read header fields, in whatever pieces they come."""
    expected = plain_fields(data)
    for file in files(data):
        lines: list[bytes] = []
        try:
            found = list(read_fields(file, lines, LIMITS).items())
        except ValueError as error:
            assert expected is REFUSED, error
            assert str(error).isprintable(), error
        else:
            assert expected is not REFUSED
            assert (sorted(found), file.read()) == (sorted(expected[0]), expected[1])
            assert data.startswith(b"".join(lines))


def plain_chunks(data: bytes) -> tuple[bytes, bytes] | None:
    """Return the content of a chunked body (7.1), and what follows it."""
    content = b""
    while True:
        line, newline, data = data.partition(b"\n")
        match = re.fullmatch(rb"([0-9a-fA-F]{1,16})([ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r", line)
        if not match or not newline or len(line) >= MAX_LINE:
            return REFUSED
        size = int(match[1], 16)
        if not size:
            return plain_trailers(content, data)
        if data[size : size + 2] != b"\r\n":
            return REFUSED
        content, data = content + data[:size], data[size + 2 :]


def plain_trailers(content: bytes, data: bytes) -> tuple[bytes, bytes] | None:
    for _ in range(MAX_TRAILERS + 1):
        line, newline, data = data.partition(b"\n")
        if newline and line == b"\r":
            return content, data
        name, colon, value = line.decode("latin-1").partition(":")
        if not newline or not colon or not TOKEN.fullmatch(name) or len(line) >= MAX_LINE:
            return REFUSED
        if not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*\r", value):
            return REFUSED
    return REFUSED


def check_chunks(data: bytes) -> None:
    """Read a chunked body, in whatever pieces it comes."""
    expected = plain_chunks(data)
    for file in files(data):
        try:
            content = read_chunks(file).read()
        except ValueError as error:
            assert expected is REFUSED, error
            assert str(error).isprintable(), error
        else:
            assert (content, file.read()) == expected


FIELDS = Target(
    "header fields",
    check_fields,
    seeds=(
        b"Host: localhost\r\nX-Field: \t a b \t\r\n\r\nGET ",
        b"Host: a\nCookie: a=1\r\nCookie: b=2\n\n4",
        b"\r\nrest",
        b"X_Y: \xfc\r\n!#$: a:b\r\n\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(100)) + b"\r\n",
    ),
    tokens=(
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\r\n",
        b":",
        b" :",
        b": ",
        b"\t",
        b"\0",
        b"A: b\r\n",
        b"\x85",
    ),
)

CHUNKS = Target(
    "chunked bodies",
    check_chunks,
    seeds=(
        b"2\r\n40\r\n0\r\n\r\nGET ",
        b'A;a;b="c"\r\n0123456789\r\n00 ;\r\nX: a\r\nY:\r\n\r\nrest',
        b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
        b"0\r\n\r\n",
    ),
    tokens=(
        b"\r\n",
        b"\n",
        b"\r",
        b";",
        b" ",
        b"0",
        b"0x",
        b"+",
        b"f" * 16,
        b"\0",
        b": ",
        b"X: a\r\n",
    ),
)
