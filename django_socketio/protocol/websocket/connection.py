"""WebSocket, sans I/O: messages out of bytes, and frames out of messages (RFC 6455).

The usual message, a short text in one frame, is read and written here, compressed or not, and so is
a client's close frame where it is the first other one. All else, mistakes included, is the
`websockets` package's (``frames.py``). What it needs is made when the first such frame comes: few
connections ever have one.
"""

from contextlib import suppress
from struct import Struct

from websockets.exceptions import ProtocolError as FrameError
from websockets.frames import Close, CloseCode

try:
    from websockets.speedups import apply_mask
except ImportError:  # where it could not be compiled
    from websockets.utils import apply_mask

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.websocket.deflate import deflate, inflate
from django_socketio.protocol.websocket.frames import BATCH, Frames, cost

__all__ = ["CloseCode", "WebSocketProtocol", "deflated_frame", "frame"]

_WHOLE_TEXT, _WHOLE_BINARY, _CLOSE, _MASKED, _EXTENDED_LENGTH = 0x81, 0x82, 0x88, 0x80, 126
_COMPRESSED = 0x40
_COMPRESSED_TEXT = _WHOLE_TEXT | _COMPRESSED
_SHORT_HEADER = 6
"""Bytes before the payload: two, and the mask."""

_SHORT_TEXT = [bytes((_WHOLE_TEXT, length)) for length in range(_EXTENDED_LENGTH)]
_MEDIUM = Struct("!BBH")
_LARGE = Struct("!BBQ")


def frame(message: str | bytes) -> bytes:
    """Return a whole message in one frame (section 5.2); a server's is not masked (5.1)."""
    if isinstance(message, bytes):
        return _header(_WHOLE_BINARY, message) + message
    payload = message.encode()
    if len(payload) < _EXTENDED_LENGTH:  # most are
        return _SHORT_TEXT[len(payload)] + payload
    return _header(_WHOLE_TEXT, payload) + payload


def deflated_frame(message: str | bytes, threshold: int) -> bytes | None:
    """Return a whole message in one compressed frame (RFC 7692, section 6.1).

    None if it has less than ``threshold`` bytes, or would not become smaller.
    """
    first, payload = _WHOLE_BINARY, message
    if isinstance(payload, str):
        first, payload = _WHOLE_TEXT, payload.encode()
    if len(payload) < threshold:
        return None
    deflated = deflate(payload)
    if len(deflated) >= len(payload):
        return None
    return _header(first | _COMPRESSED, deflated) + deflated


def _header(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < _EXTENDED_LENGTH:
        return bytes((first, length))
    if length < 0x10000:
        return _MEDIUM.pack(first, 126, length)
    return _LARGE.pack(first, 127, length)


def _short_payload(data: bytes, start: int) -> bytes | None:
    """Return the payload of the client's frame at ``start``, whose header is there.

    None if it has more than 125 bytes, or is not masked, or not whole.
    """
    length = data[start + 1] - _MASKED
    begin = start + _SHORT_HEADER
    if not 0 <= length < _EXTENDED_LENGTH or begin + length > len(data):
        return None
    return apply_mask(data[begin : begin + length], data[begin - 4 : begin])


class WebSocketProtocol:
    """The server's side of one WebSocket connection.

    Args:
        max_message_size: bytes that a message of the client may have.
        compression: whether messages may come compressed, as the handshake has agreed.

    """

    __slots__ = (
        "_all_frames",
        "_compression",
        "_farewell",
        "_has_to_answer",
        "_is_between_messages",
        "_max_message_size",
        "has_extra",
        "rest",
    )

    def __init__(self, max_message_size: int, compression: bool = False) -> None:
        self._max_message_size = max_message_size
        self._compression = compression
        self._all_frames: Frames | None = None
        self._farewell: bytes | None = None
        """The answer to a client that closed in order, where no other frame had come before."""
        self._is_between_messages = self._may_be_short
        self._has_to_answer = False
        self.has_extra = False
        """Whether ``take_extra`` has something to return."""
        self.rest = b""
        """Received bytes that ``receive`` has left for its next call."""

    @property
    def _may_be_short(self) -> bool:
        """Whether every short text is within the limit; else the library looks at each."""
        return self._max_message_size >= _EXTENDED_LENGTH - 1

    @property
    def error(self) -> ProtocolError | None:
        """What the client did wrong, once it did."""
        return None if self._all_frames is None else self._all_frames.error

    @property
    def _frames(self) -> Frames:
        if self._all_frames is None:
            self._all_frames = Frames(self._max_message_size, self._compression)
        return self._all_frames

    def receive(self, data: bytes) -> list[str | bytes]:
        """Return the messages that these bytes complete; then see ``data_to_send``.

        Takes no more than a batch of frames, and leaves the others as ``rest``: calls with more
        bytes, or none, go on from there.
        """
        messages: list[str | bytes] = []
        if self.rest:
            data, self.rest = self.rest + data, b""
        if self._is_between_messages:
            data = self._take_short_texts(data, messages)
            if self.rest:
                return messages
            if data and self._all_frames is None:
                self._take_close(data)
        if data and self._farewell is None:
            frames = self._frames
            self.rest = frames.receive(data, messages)
            self._is_between_messages = frames.is_between_messages and self._may_be_short
            self._has_to_answer = True
            self.has_extra = frames.extra > 0
        return messages

    def take_extra(self) -> tuple[int, int]:
        """Return how many frames without a message came since the last call, and their bytes."""
        frames = self._frames
        extra = frames.extra, frames.extra_bytes
        frames.extra = frames.extra_bytes = 0
        self.has_extra = False
        return extra

    def _take_short_texts(self, data: bytes, messages: list[str | bytes]) -> bytes:
        """Take the whole texts of up to 125 bytes that ``data`` begins with; return the others.

        Most messages are such. All else, mistakes included, is the library's. What is more than a
        batch becomes the ``rest``.
        """
        start, size, most = 0, len(data), BATCH
        while size - start >= _SHORT_HEADER:
            first = data[start]
            if first != _WHOLE_TEXT and not (self._compression and first == _COMPRESSED_TEXT):
                break
            payload = _short_payload(data, start)
            if payload is None:
                break
            end = start + _SHORT_HEADER + len(payload)
            if first != _WHOLE_TEXT:
                payload = inflate(payload, self._max_message_size)
                if payload is None:
                    break
                most -= cost(payload) - 1
            try:
                messages.append(payload.decode())
            except UnicodeDecodeError:
                break
            start = end
            if len(messages) >= most:
                self.rest = data[start:]
                return b""
        return data[start:] if start else data

    def _take_close(self, data: bytes) -> None:
        """Take a close frame if ``data`` begins with a whole one; what follows it means nothing."""
        if len(data) < _SHORT_HEADER or data[0] != _CLOSE:
            return
        content = _short_payload(data, 0)
        if content is None:
            return
        with suppress(FrameError, UnicodeDecodeError):
            Close.parse(content)
            self._farewell = _header(_CLOSE, content) + content  # section 5.5.1: the same code
            self._is_between_messages = False
            self._has_to_answer = True

    def receive_eof(self) -> None:
        """Tell that the client closed its side of the TCP connection."""
        if self._farewell is not None:
            return
        self._frames.receive_eof()
        self._has_to_answer = True

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake (section 7.1.2); does nothing where it has started."""
        if self._farewell is not None:
            return
        self._is_between_messages = False  # no message is taken any more
        self._frames.close(code, reason)
        self._has_to_answer = True

    def data_to_send(self) -> tuple[bytes, bool]:
        """Return the bytes to send (pongs, close frames), and whether to close TCP after them."""
        if not self._has_to_answer:
            return b"", False
        self._has_to_answer = False
        if self._farewell is not None:
            return self._farewell, True
        return self._frames.data_to_send()
