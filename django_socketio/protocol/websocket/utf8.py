"""Text that is checked while its frame is still coming (RFC 6455, section 8.1)."""

import codecs

try:
    from websockets.speedups import apply_mask
except ImportError:  # where it could not be compiled
    from websockets.utils import apply_mask

from django_socketio.protocol.websocket.framing import EXTENDED, LENGTH_BITS, MASK_SIZE


class EarlyCheck:
    """Finds what is not UTF-8 in one masked frame of text before the frame is complete.

    Args:
        before: what decoded the fragments before this one; it is left as it is.

    """

    __slots__ = ("_decoder", "_header", "_mask", "_position")

    def __init__(self, before: codecs.IncrementalDecoder | None) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        if before is not None:
            self._decoder.setstate(before.getstate())
        self._header = b""
        self._mask = b""
        self._position = 0

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the frame; the first ones are its header.

        Raises:
            UnicodeDecodeError: they cannot be part of a text.

        """
        if not self._mask:
            piece = self._take_header(piece)
        turn = self._position % MASK_SIZE
        self._position += len(piece)
        if piece:
            self._decoder.decode(apply_mask(piece, self._mask[turn:] + self._mask[:turn]))

    def _take_header(self, piece: bytes) -> bytes:
        """Return what follows the header, once that is complete."""
        self._header += piece
        size = 2
        if len(self._header) >= size:
            size += EXTENDED.get(self._header[1] & LENGTH_BITS, (0, 0))[0] + MASK_SIZE
            self._mask = self._header[size - MASK_SIZE : size] if len(self._header) >= size else b""
        return self._header[size:] if self._mask else b""
