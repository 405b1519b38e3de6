"""Compressed messages (permessage-deflate, RFC 7692), each of them independent of all others.

Nothing is kept from one message to the next ("no context takeover", section 7.1.1): a message that
goes to many clients is compressed once, and an idle connection has no zlib objects.
"""

import zlib
from typing import Any

from django_socketio.exceptions import MessageTooBig, ProtocolError

WINDOW_BITS = 12
"""Window of sent messages: 4 KB, so that clients without memory for more get the same bytes.

32 KB (15) make messages of 57 KB 5 % smaller, and shorter ones no smaller."""

_MEMORY_LEVEL = 5
"""Of 9; more makes hardly anything smaller in such a window."""

_INFLATING_WINDOW = 15  # every window that a client may choose is within it

_FLUSHED = b"\x00\x00\xff\xff"
"""The end of a flushed stream; removed from what is sent (section 7.2.1)."""

_END = _FLUSHED + b"\x03\x00"
"""What completes a message: what was removed, and an empty block that is marked as the last."""

MAX_STREAMS = 16
"""Of one message: clients that cannot flush end a stream instead, and begin another (7.2.3.5)."""


def deflate(payload: bytes) -> bytes:
    """Return a message's payload as it is sent compressed (section 7.2.1)."""
    compressor = zlib.compressobj(wbits=-WINDOW_BITS, memLevel=_MEMORY_LEVEL)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(_FLUSHED)


def max_deflated_size(max_message_size: int) -> int:
    """Return how many bytes the frames of a compressed message may have together.

    A message that cannot be made smaller becomes larger: by an eighth, with the codes that DEFLATE
    has ready (RFC 1951, section 3.2.6).
    """
    return max_message_size + max_message_size // 8 + 64


def too_big(max_message_size: int) -> MessageTooBig:
    """Return the error of a message that is larger than it may be."""
    text = f"a message has more than {max_message_size} bytes (SOCKETIO_MAX_MESSAGE_SIZE)"
    return MessageTooBig(text)


class Inflater:
    """Inflates one message as it comes (section 7.2.2).

    Args:
        max_message_size: bytes that the message may have; inflating stops there.

    """

    __slots__ = ("_max_message_size", "_room", "_stream", "_streams")

    def __init__(self, max_message_size: int) -> None:
        self._max_message_size = self._room = max_message_size
        self._streams = 1
        self._stream: Any = zlib.decompressobj(wbits=-_INFLATING_WINDOW)

    def inflate(self, data: bytes, is_end: bool) -> bytes:
        """Return what the next bytes of the message inflate to.

        Args:
            data: compressed bytes.
            is_end: whether they are the last ones of the message.

        Raises:
            ProtocolError: the bytes cannot be inflated, or are incomplete.
            MessageTooBig: the message has more bytes than it may.

        """
        # The last fragment may be empty, after one that was flushed: then nothing is incomplete.
        ends = is_end and data
        if ends:
            data += _END
        inflated = b""
        try:
            while data:
                if self._stream.eof:
                    self._begin_stream()
                inflated += self._inflate(data)  # MAX_STREAMS bounds how often
                data = self._stream.unused_data
        except zlib.error:
            raise ProtocolError("WebSocket: a compressed message cannot be inflated") from None
        if ends and not self._stream.eof:
            raise ProtocolError("WebSocket: a compressed message is incomplete")
        return inflated

    def _inflate(self, data: bytes) -> bytes:
        inflated: bytes = self._stream.decompress(data, self._room + 1)
        self._room -= len(inflated)
        if self._room < 0:
            raise too_big(self._max_message_size)
        return inflated

    def _begin_stream(self) -> None:
        self._streams += 1
        if self._streams > MAX_STREAMS:
            text = f"a compressed message has more than {MAX_STREAMS} last blocks"
            raise ProtocolError(f"WebSocket: {text}")
        self._stream = zlib.decompressobj(wbits=-_INFLATING_WINDOW)
