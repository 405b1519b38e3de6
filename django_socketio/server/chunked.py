"""Chunked request bodies, read strictly (RFC 9112, section 7.1).

A proxy and a server that read such a body differently see different requests on one connection
(request smuggling). Therefore every deviation from the grammar ends the connection.
"""

import re
from io import BufferedReader, RawIOBase
from typing import Any, Protocol

MAX_LINE = 8_192
"""The most bytes of a chunk's first line, with its extensions, and of a trailer field."""

MAX_TRAILERS = 100

# chunk-size [ chunk-ext ] CRLF; an extension holds neither line ends nor control characters.
_FIRST_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t -~\x80-\xff]*)?\r\n")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n")


class File(Protocol):
    """The methods of a binary file that ``read_chunks`` calls."""

    def read(self, size: int, /) -> bytes:
        """Read up to ``size`` bytes."""

    def readline(self, size: int, /) -> bytes:
        """Read a line of up to ``size`` bytes."""


class _Chunks(RawIOBase):
    """The content of a chunked body."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._left = 0
        """The bytes of the current chunk that have not been read yet."""
        self._is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left and not self._is_over:
            self._left = self._size_of_chunk()
            self._is_over = not self._left
            if self._is_over:
                self._skip_trailers()
        piece = self._read(len(buffer)) if self._left else b""
        buffer[: len(piece)] = piece
        return len(piece)

    def _read(self, wanted: int) -> bytes:
        piece = self._file.read(min(self._left, wanted))
        if not piece:
            raise ValueError("a body that ends within a chunk")
        self._left -= len(piece)
        if not self._left and self._file.read(2) != b"\r\n":
            raise ValueError("a chunk that is longer than it says")
        return piece

    def _size_of_chunk(self) -> int:
        line = self._file.readline(MAX_LINE)
        match = _FIRST_LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"a chunk begins with its size and CRLF, not {line[:60]!r}")
        return int(match[1], 16)

    def _skip_trailers(self) -> None:
        for _ in range(MAX_TRAILERS + 1):
            line = self._file.readline(MAX_LINE)
            if line == b"\r\n":
                return
            if _TRAILER.fullmatch(line) is None:
                break
        raise ValueError(f"chunks end with CRLF, after up to {MAX_TRAILERS} trailer fields")


def read_chunks(file: File) -> BufferedReader:
    """Return the content of a chunked body as a file.

    Reading the file raises ``ValueError`` where the body breaks the grammar.
    """
    return BufferedReader(_Chunks(file))
