"""Where WebSocket frames end in a stream of bytes (RFC 6455, section 5.2)."""

from collections.abc import Iterator

from django_socketio.exceptions import MessageTooBig, ProtocolError

FIN, COMPRESSED, CONTROL = 0x80, 0x40, 0x08
MASK_BIT, LENGTH_BITS = 0x80, 0x7F
MASK_SIZE = 4
MAX_CONTROL_SIZE = 125

# The 7 bits that announce a longer length: how many bytes it has, and the least it may be.
EXTENDED = {126: (2, 126), 127: (8, 0x10000)}


def too_big(max_message_size: int) -> str:
    """Say that a message is larger than it may be."""
    return f"a message has more than {max_message_size} bytes (SOCKETIO_MAX_MESSAGE_SIZE)"


class FrameBoundaries:
    """Cuts what comes from a client where its frames end, however it arrives.

    Args:
        max_message_size: bytes that a message may have; more is refused from a frame's header.
        max_deflated_size: bytes that a message may have that comes compressed.

    """

    __slots__ = (
        "_header",
        "_limit",
        "_max_deflated_size",
        "_max_message_size",
        "_message_begun",
        "_message_size",
        "_rest",
    )

    def __init__(self, max_message_size: int, max_deflated_size: int) -> None:
        self._max_message_size = max_message_size
        self._max_deflated_size = max_deflated_size
        self._limit = max_message_size
        """Bytes that the current message may have as it comes."""
        self._message_size = 0
        self._message_begun = False
        self._header = b""
        self._rest = 0
        """Bytes of the frame that are still to come, once its header is complete."""

    @property
    def is_between_messages(self) -> bool:
        """Whether the next byte begins a frame that begins a message."""
        return not self._header and not self._message_begun

    @property
    def is_within_frame(self) -> bool:
        """Whether the next byte belongs to a frame that has begun."""
        return bool(self._header)

    def split(self, data: bytes) -> Iterator[bytes]:
        """Yield ``data`` in pieces, none of which goes beyond the end of a frame.

        Raises:
            ProtocolError: a length is written in more bytes than it needs, or is more than a
                control frame may have.
            MessageTooBig: a message has more bytes than it may.

        """
        start = position = 0
        while position < len(data):
            try:
                position += self._take(data, position)
            except ProtocolError:
                yield data[start : position + 2]  # what these say comes first, however it is cut
                raise
            if not self._header:
                yield data[start:position]
                start = position
        if start < position:
            yield data[start:]

    def _take(self, data: bytes, position: int) -> int:
        """Take bytes of the current frame; return how many."""
        if self._rest:
            taken = min(self._rest, len(data) - position)
            self._rest -= taken
        else:
            taken = self._take_header(data, position)
        if not self._rest and self._is_complete():
            self._header = b""
        return taken

    def _take_header(self, data: bytes, position: int) -> int:
        piece = data[position : position + self._missing()]
        self._header += piece
        if self._is_complete():
            length = self._payload_length()
            self._add_to_message(self._header[0], length)
            self._rest = length + (MASK_SIZE if self._header[1] & MASK_BIT else 0)
        return len(piece)

    def _add_to_message(self, first: int, length: int) -> None:
        if first & CONTROL:
            # Nothing else bounds how much of such a frame would be kept (section 5.5).
            if length > MAX_CONTROL_SIZE:
                raise ProtocolError(f"WebSocket: a control frame has {length} bytes, 125 at most")
            return
        if not self._message_begun:
            # Its first frame says whether a message is compressed (RFC 7692, section 6).
            deflated = first & COMPRESSED
            self._limit = self._max_deflated_size if deflated else self._max_message_size
        self._message_size += length
        if self._message_size > self._limit:
            raise MessageTooBig(too_big(self._max_message_size))
        self._message_begun = not first & FIN
        if not self._message_begun:
            self._message_size = 0

    def _is_complete(self) -> bool:
        return len(self._header) >= 2 and not self._missing()

    def _missing(self) -> int:
        """Return how many bytes the header lacks, the mask aside, as far as can be told yet."""
        if len(self._header) < 2:
            return 2 - len(self._header)
        extra, _ = EXTENDED.get(self._header[1] & LENGTH_BITS, (0, 0))
        return 2 + extra - len(self._header)

    def _payload_length(self) -> int:
        """Return what the header announces ("the minimal number of bytes MUST be used")."""
        announced = self._header[1] & LENGTH_BITS
        if announced not in EXTENDED:
            return announced
        size, least = EXTENDED[announced]
        length = int.from_bytes(self._header[2 : 2 + size], "big")
        if length < least:
            raise ProtocolError(f"WebSocket: a length of {length} bytes is written in {size} bytes")
        return length
