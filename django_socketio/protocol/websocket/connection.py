"""The server's side of a WebSocket connection, sans I/O (RFC 6455).

``WebSocketProtocol._take_batch`` is the only place that reads the headers of frames. A message that
comes whole needs nothing else, and most do; ``Message`` holds the others until they are complete.
Control frames are answered at once. A mistake is refused with the first byte that shows it.

The `websockets` package unmasks payloads, in C, and knows which close codes may be sent. Its own
reader takes five times as long for a short text.
"""

from websockets.exceptions import ProtocolError as FrameError
from websockets.frames import Close, CloseCode

try:
    from websockets.speedups import apply_mask
except ImportError:  # where it could not be compiled
    from websockets.utils import apply_mask

from django_socketio.exceptions import MessageTooBig, ProtocolError
from django_socketio.protocol.websocket.deflate import Inflater, max_deflated_size, too_big
from django_socketio.protocol.websocket.frames import (
    BINARY,
    CLOSE,
    COMPRESSED,
    CONTINUATION,
    CONTROL,
    EXTENDED,
    FIN,
    MASK_SIZE,
    MASKED,
    MAX_CONTROL_SIZE,
    OPCODE_BITS,
    PING,
    PONG,
    RESERVED_BITS,
    TEXT,
    close_frame,
    with_header,
)
from django_socketio.protocol.websocket.message import Message

__all__ = ["CloseCode", "WebSocketProtocol"]

BATCH = 16
"""Frames that are taken at once: each takes up to some ten microseconds, and its packet as many."""

SMALL = 1024
"""Bytes below which a fragment of a message counts against the rates like a message."""

_PART = 4096
"""Bytes of a message that count like a frame of their own in a batch."""

_SHORT_HEADER = 2 + MASK_SIZE
_WHOLE_TEXT = FIN | TEXT
_CONTROL_FRAMES = bytes((FIN | CLOSE, FIN | PING, FIN | PONG))
_WITHIN_MESSAGE = bytes((CONTINUATION, FIN | CONTINUATION)) + _CONTROL_FRAMES
_BETWEEN_MESSAGES = bytes((_WHOLE_TEXT, FIN | BINARY, TEXT, BINARY)) + _CONTROL_FRAMES
_BETWEEN_COMPRESSED = _BETWEEN_MESSAGES + bytes(
    (_WHOLE_TEXT | COMPRESSED, FIN | BINARY | COMPRESSED, TEXT | COMPRESSED, BINARY | COMPRESSED)
)
"""First bytes that a frame may have, by what came before it and what the handshake agreed to."""


def _wrong(text: str) -> ProtocolError:
    return ProtocolError(f"WebSocket: {text}")


class WebSocketProtocol:
    """The server's side of one WebSocket connection.

    Args:
        max_message_size: bytes that a message of the client may have.
        compression: whether messages may come compressed, as the handshake has agreed.

    """

    __slots__ = (
        "_answer",
        "_between_messages",
        "_cut_off",
        "_ends_tcp",
        "_expected",
        "_has_closed",
        "_has_grown",
        "_is_over",
        "_message",
        "_received",
        "_room",
        "close_received",
        "error",
        "extra_bytes",
        "extra_frames",
        "max_message_size",
        "rest",
    )

    def __init__(self, max_message_size: int, compression: bool = False) -> None:
        self.max_message_size = self._room = max_message_size
        self._between_messages = _BETWEEN_COMPRESSED if compression else _BETWEEN_MESSAGES
        self._expected = self._between_messages
        self._message: Message | None = None
        self._cut_off = b""
        """The beginning of a frame: an incomplete header, or an incomplete control frame."""
        self._answer = b""
        self._has_closed = self._is_over = self._ends_tcp = False
        self._has_grown = False
        """Whether bytes have come that complete no message and no control frame."""
        self._received = 0
        """All bytes that have come since ``take_growth``."""
        self.error: ProtocolError | None = None
        """The client's mistake, once it made one."""
        self.close_received: Close | None = None
        """The close frame of the client, once it came; without a code, the code is 1005."""
        self.extra_frames = 0
        """Frames that count against the rates, though they completed no message."""
        self.extra_bytes = 0
        """Bytes of the control frames among them."""
        self.rest = b""
        """Received bytes that ``receive`` has left for its next call."""

    def receive(self, data: bytes) -> list[str | bytes]:
        """Return the messages that these bytes complete; then see ``data_to_send``.

        Takes no more than a batch of frames, and leaves the others as ``rest``: calls with more
        bytes, or none, go on from there.
        """
        messages: list[str | bytes] = []
        self._received += len(data)
        if left := self.rest or self._cut_off:
            data, self.rest, self._cut_off = left + data if data else left, b"", b""
        if self._is_over:
            return messages
        try:
            self._take_batch(data, messages)
        except MessageTooBig as error:
            self._fail(CloseCode.MESSAGE_TOO_BIG, error)
        except ProtocolError as error:
            self._fail(CloseCode.PROTOCOL_ERROR, error)
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, _wrong("a text message is not UTF-8"))
        return messages

    def _take_batch(self, data: bytes, messages: list[str | bytes]) -> None:
        """Take frames; no other place reads their headers (section 5.2).

        Raises:
            ProtocolError: no such frame may come, or not at its place.
            MessageTooBig: a message has more bytes than it may.
            UnicodeDecodeError: a text is not UTF-8.

        """
        size, budget = len(data), BATCH
        start = self._go_on(data, messages) if self._message is not None else 0
        while budget > 0 and size - start >= 2:
            first, length = data[start], data[start + 1] - MASKED
            begin = start + _SHORT_HEADER
            if length < 0 or first not in self._expected:
                raise self._mistake(first, length)
            if length > MAX_CONTROL_SIZE:
                begin, length = self._extended_length(data, start)
            if length > self._room:
                self._check_size(first, length)
            end = begin + length
            if end > size and (begin > size or first & CONTROL):
                break
            mask = data[begin - MASK_SIZE : begin]
            payload = apply_mask(data[begin:end], mask)
            if first == _WHOLE_TEXT and end <= size:  # most are
                messages.append(payload.decode())
                budget -= 1 + length // _PART
            else:
                budget -= self._take(first, length, mask, payload, messages)
            start = end
        if start < size and not self._is_over:
            self._leave(data[start:], is_batch_full=budget <= 0)

    def _leave(self, data: bytes, is_batch_full: bool) -> None:
        if is_batch_full:
            self.rest = data
        else:
            self._cut_off, self._has_grown = data, True

    def _go_on(self, data: bytes, messages: list[str | bytes]) -> int:
        """Take the rest of a frame that has begun before; return where the next one begins."""
        message = self._message
        if message is None or not message.missing:
            return 0
        payload = message.unmask(data[: message.missing])
        self._add(message, payload, messages)
        return len(payload)

    def _extended_length(self, data: bytes, start: int) -> tuple[int, int]:
        """Return where the payload of the frame at ``start`` begins, and its length.

        The beginning is beyond the end of ``data`` where the length is not complete.
        """
        size, least = EXTENDED[data[start + 1] - MASKED]
        begin = start + _SHORT_HEADER + size
        if begin - MASK_SIZE > len(data):
            return begin, 0
        length = int.from_bytes(data[start + 2 : start + 2 + size], "big")
        if length < least:
            raise _wrong(f"a length of {length} bytes is written in {size} bytes")
        if data[start] & CONTROL:
            raise _wrong(f"a control frame has {length} bytes, {MAX_CONTROL_SIZE} at most")
        return begin, length

    def _check_size(self, first: int, length: int) -> None:
        if not first & CONTROL and length > self._max_length(first):
            raise too_big(self.max_message_size)

    def _mistake(self, first: int, length: int) -> ProtocolError:
        """Return the error of a frame that may not come; its length is negative without a mask."""
        opcode, reserved = first & OPCODE_BITS, first & RESERVED_BITS
        if opcode in (TEXT, BINARY) and self._between_messages is _BETWEEN_COMPRESSED:
            reserved &= ~COMPRESSED
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            text = "invalid opcode"
        elif length < 0:
            text = "incorrect masking"
        elif reserved:
            text = "reserved bits must be 0"
        elif opcode & CONTROL:
            text = "fragmented control frame"
        elif opcode == CONTINUATION:
            text = "unexpected continuation frame"
        else:
            text = "expected a continuation frame"
        return _wrong(text)

    def _max_length(self, first: int) -> int:
        """Return how many bytes a frame of a message may have."""
        # Its first frame says whether a message is compressed (RFC 7692, section 6).
        return max_deflated_size(self.max_message_size) if first & COMPRESSED else self._room

    def _take(
        self, first: int, length: int, mask: bytes, payload: bytes, messages: list[str | bytes]
    ) -> int:
        """Take a frame of any kind; return for how many frames of a batch it counts.

        Args:
            first: first byte of the frame.
            length: bytes that its payload has.
            payload: the payload, as far as it has come; a control frame's is complete.

        """
        if first & CONTROL:
            return self._take_control(first, payload)
        if first & FIN and first & OPCODE_BITS and len(payload) == length:
            messages.append(self._whole_message(first, payload))
            return 1 + len(messages[-1]) // _PART
        message = self._begun(first)
        message.begin_frame(length, mask, first & FIN > 0)
        self._room -= length
        return self._add(message, payload, messages)

    def _whole_message(self, first: int, payload: bytes) -> str | bytes:
        if first & COMPRESSED:
            payload = Inflater(self.max_message_size).inflate(payload, True)
        return payload.decode() if first & OPCODE_BITS == TEXT else payload

    def _begun(self, first: int) -> Message:
        """Return the message that a frame begins, or goes on with."""
        if self._message is None:
            self._message = Message(first, self.max_message_size)
            self._expected = _WITHIN_MESSAGE
            self._room = self._max_length(first)
        return self._message

    def _add(self, message: Message, payload: bytes, messages: list[str | bytes]) -> int:
        """Add to a message; return for how many frames of a batch that counts."""
        completed = message.take(payload)
        if completed is not None:
            messages.append(completed)
            self._message, self._expected = None, self._between_messages
            self._room = self.max_message_size
            return 1 + len(completed) // _PART
        self._has_grown = True
        if not message.missing and message.frame_size < SMALL:
            self.extra_frames += 1
        return 1

    def _take_control(self, first: int, content: bytes) -> int:
        """Answer a control frame (section 5.5); return for how many of a batch it counts."""
        if first & OPCODE_BITS == CLOSE:
            self._take_close(content)
            return BATCH
        if first & OPCODE_BITS == PING:
            self._answer += with_header(FIN | PONG, content)
        self.extra_frames += 1
        self.extra_bytes += len(content)
        return 1

    def _take_close(self, content: bytes) -> None:
        """Answer a close frame with its own content, unless the server has closed (5.5.1)."""
        try:
            self.close_received = Close.parse(content)
        except FrameError as error:
            raise _wrong(str(error)) from None
        except UnicodeDecodeError:
            text = "the reason of a close frame is not UTF-8"
            return self._fail(CloseCode.INVALID_DATA, _wrong(text))
        if not self._has_closed:
            self._has_closed = True
            self._answer += with_header(FIN | CLOSE, content)
        self._end()

    def _fail(self, code: int, error: ProtocolError) -> None:
        """Fail the connection (section 7.1.7)."""
        self.error = error
        self.close(code, str(error).removeprefix("WebSocket: "))
        self._end()

    def _end(self) -> None:
        """Read nothing more, and have TCP closed after the answer."""
        self._is_over = self._has_closed = self._ends_tcp = True
        self._message, self.rest, self._cut_off = None, b"", b""

    def receive_eof(self) -> None:
        """Tell that the client closed its side of the TCP connection."""
        if not self._is_over:
            self._end()

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake (section 7.1.2); does nothing where it has started."""
        if not self._has_closed:
            self._answer += close_frame(code, reason)
            self._has_closed = True

    def take_extra(self) -> tuple[int, int]:
        """Return ``extra_frames`` and ``extra_bytes`` since the last call."""
        extra = self.extra_frames, self.extra_bytes
        self.extra_frames = self.extra_bytes = 0
        return extra

    def take_growth(self) -> int:
        """Return how many bytes have come since the last call; 0 if each message was complete."""
        growth = self._received if self._has_grown else 0
        self._has_grown, self._received = False, 0
        return growth

    def data_to_send(self) -> tuple[bytes, bool]:
        """Return the bytes to send (pongs, close frames), and whether to close TCP after them."""
        if not self._answer and not self._ends_tcp:
            return b"", False
        answer = self._answer, self._ends_tcp
        self._answer, self._ends_tcp = b"", False
        return answer
