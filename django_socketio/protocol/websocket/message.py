"""Messages that come in several pieces: of a frame, or fragments (RFC 6455, section 5.4)."""

import codecs
from typing import Any

try:
    from websockets.speedups import apply_mask
except ImportError:  # where it could not be compiled
    from websockets.utils import apply_mask

from django_socketio.protocol.websocket.deflate import Inflater
from django_socketio.protocol.websocket.frames import COMPRESSED, MASK_SIZE, OPCODE_BITS, TEXT

MANY = 250
"""Parts of a message that are joined before the message is complete."""


class Message:
    """A message whose last byte has not come.

    Args:
        first: first byte of its first frame.
        max_size: bytes that the message may have, inflated where it is compressed.

    """

    __slots__ = (
        "_compressed",
        "_decoder",
        "_inflater",
        "_is_last",
        "_joined",
        "_length",
        "_mask",
        "_parts",
        "frame_size",
        "missing",
    )

    def __init__(self, first: int, max_size: int) -> None:
        self._decoder: codecs.IncrementalDecoder | None = None
        if first & OPCODE_BITS == TEXT:
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._inflater = Inflater(max_size) if first & COMPRESSED else None
        self._compressed = bytearray()
        """What has come of the current frame, where that is compressed."""
        self._parts: list[str | bytes] = []
        self._joined: list[str | bytes] = []
        """Parts that were many: an object for a single character takes fifty bytes or more."""
        self._mask = b""
        self._is_last = False
        self._length = self.missing = 0
        """Bytes of the current frame, and those of them that are still to come."""
        self.frame_size = 0
        """Bytes of the current frame that have come, inflated."""

    def begin_frame(self, length: int, mask: bytes, is_last: bool) -> None:
        """Begin the next frame of the message (section 5.4)."""
        self._length = self.missing = length
        self._mask, self._is_last = mask, is_last
        self.frame_size = 0

    def unmask(self, data: bytes) -> bytes:
        """Return the next payload of a frame that has begun before (section 5.3)."""
        turn = (self._length - self.missing) % MASK_SIZE
        return apply_mask(data, self._mask[turn:] + self._mask[:turn])

    def take(self, payload: bytes) -> str | bytes | None:
        """Take the next bytes of the current frame; return the message if they complete it.

        Raises:
            UnicodeDecodeError: the text is not UTF-8, as far as it has come (section 8.1).
            ProtocolError: the bytes cannot be inflated.
            MessageTooBig: the message has more bytes than it may, inflated.

        """
        self.missing -= len(payload)
        is_end = self._is_last and not self.missing
        if self._inflater is not None:
            self._compressed += payload
            if self.missing:  # inflated at once, so that cutting the frame changes no error
                return None
            payload = self._inflater.inflate(bytes(self._compressed), is_end)
            self._compressed.clear()
        self.frame_size += len(payload)
        part = payload if self._decoder is None else self._decoder.decode(payload, is_end)
        if is_end:
            return self._completed(part)
        self._keep(part)
        return None

    def _completed(self, last: str | bytes) -> str | bytes:
        if not self._parts and not self._joined:
            return last
        return self._join([*self._joined, *self._parts, last])

    def _keep(self, part: str | bytes) -> None:
        if part:  # or fragments of nothing would fill the memory
            self._parts.append(part)
        if len(self._parts) == MANY:
            self._joined.append(self._join(self._parts))
            self._parts.clear()

    def _join(self, parts: list[Any]) -> str | bytes:
        glue: Any = b"" if self._decoder is None else ""
        joined: str | bytes = glue.join(parts)
        return joined
