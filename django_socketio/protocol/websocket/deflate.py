"""Compressed messages (permessage-deflate, RFC 7692): each by itself, without those before it.

Nothing is kept from one message to the next ("no context takeover", section 7.1.1): a message that
goes to many is compressed once, and a connection that is idle has no zlib objects.
"""

import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from websockets.exceptions import PayloadTooBig
from websockets.exceptions import ProtocolError as FrameError
from websockets.extensions import Extension
from websockets.frames import CTRL_OPCODES, Frame, Opcode
from websockets.typing import ExtensionName

from django_socketio.protocol.websocket.framing import too_big

NAME = ExtensionName("permessage-deflate")

WINDOW_BITS = 12
"""Of what is sent: 4 KB to look back, so that clients which have no more memory get the same bytes.

32 KB (15) make messages of 57 KB 5 % smaller, and shorter ones no smaller."""

_MEMORY_LEVEL = 5
"""Of 9; more makes hardly anything smaller in such a window."""

_INFLATING_WINDOW = 15  # whatever the client chose is within it

_FLUSHED = b"\x00\x00\xff\xff"
"""How a flushed stream ends; removed from what is sent (section 7.2.1)."""

_LAST_BLOCK = b"\x03\x00"
"""An empty block that says it is the last: after it, a stream is known to be complete."""

MAX_STREAMS = 16
"""Of one message: clients that cannot flush end a stream instead, and begin another (7.2.3.5)."""


def deflate(payload: bytes) -> bytes:
    """Return a message's payload as it is sent compressed (section 7.2.1)."""
    compressor = zlib.compressobj(wbits=-WINDOW_BITS, memLevel=_MEMORY_LEVEL)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(_FLUSHED)


def inflate(content: bytes, max_size: int) -> bytes | None:
    """Return a whole message as it was; None if there is anything unusual in how it came.

    That is left to ``Inflation``, mistakes included.
    """
    inflater = zlib.decompressobj(wbits=-_INFLATING_WINDOW)
    try:
        payload = inflater.decompress(content + _FLUSHED + _LAST_BLOCK, max_size + 1)
    except zlib.error:
        return None
    is_usual = inflater.eof and not inflater.unused_data and len(payload) <= max_size
    return payload if is_usual else None


def max_deflated_size(max_message_size: int) -> int:
    """Return how many bytes a message may have that comes compressed.

    What cannot be made smaller becomes larger: by an eighth, with the codes that DEFLATE has ready
    (RFC 1951, section 3.2.6).
    """
    return max_message_size + max_message_size // 8 + 64


class InflatedTooBig(PayloadTooBig):
    """A message has more bytes than it may, inflated."""

    def __init__(self, max_message_size: int) -> None:
        super().__init__(None, max_message_size)
        self._sentence = too_big(max_message_size)  # the library changes its sizes

    def __str__(self) -> str:
        return self._sentence


class Inflation(Extension):
    """Inflates the messages of one client (section 7.2.2).

    Args:
        max_message_size: bytes that a message may have; inflating stops there.

    """

    name = NAME

    def __init__(self, max_message_size: int) -> None:
        self._max_message_size = max_message_size
        self._inflater: Any = None
        self._room = self._streams = 0

    @property
    def is_within_message(self) -> bool:
        """Whether more of a compressed message is to come."""
        return self._inflater is not None

    def encode(self, frame: Frame) -> Frame:
        """Return it as it is: the library sends control frames only, which are never compressed."""
        return frame

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Return a frame with its payload inflated, if it is one of a compressed message.

        A reserved bit where it has no meaning (section 6) stays, and is refused by the library.

        Raises:
            FrameError: these are no compressed data.
            InflatedTooBig: the message has more bytes than it may.

        """
        if frame.opcode in CTRL_OPCODES:
            return frame
        if frame.opcode is not Opcode.CONT and frame.rsv1:
            self._begin()
        elif frame.rsv1 or self._inflater is None:
            return frame
        data = self._inflate(bytes(frame.data), frame.fin)
        return replace(frame, data=data, rsv1=False)

    def _begin(self) -> None:
        self._room, self._streams = self._max_message_size, 0
        self._begin_stream()

    def _begin_stream(self) -> None:
        self._streams += 1
        if self._streams > MAX_STREAMS:
            raise FrameError(f"a compressed message has more than {MAX_STREAMS} last blocks")
        self._inflater = zlib.decompressobj(wbits=-_INFLATING_WINDOW)

    def _inflate(self, data: bytes, final: bool) -> bytes:
        # A last fragment may be empty, after one that was flushed: then nothing is incomplete.
        if final and data:
            data += _FLUSHED + _LAST_BLOCK
        try:
            inflated = b"".join(self._pieces(data))
        except zlib.error:
            raise FrameError("a compressed message cannot be inflated") from None
        if final:
            complete, self._inflater = self._inflater.eof or not data, None
            if not complete:
                raise FrameError("a compressed message is incomplete")
        return inflated

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflater.eof:
                self._begin_stream()
            piece = self._inflater.decompress(data, self._room + 1)
            self._room -= len(piece)
            if self._room < 0:
                raise InflatedTooBig(self._max_message_size)
            yield piece
            data = self._inflater.unused_data
