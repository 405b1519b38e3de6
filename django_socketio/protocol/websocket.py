"""WebSocket, sans I/O: messages out of bytes, and frames out of messages (RFC 6455).

The `websockets` package reads the frames and keeps the state; this module joins fragments, checks
text and writes the frames that are the same for every client (servers do not mask: section 5.1).
"""

import codecs
import contextlib
import logging
from collections.abc import Iterable
from struct import Struct

from websockets.datastructures import Headers
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import SEND_EOF, State
from websockets.server import ServerProtocol

try:
    from websockets.speedups import apply_mask
except ImportError:  # where it could not be compiled
    from websockets.utils import apply_mask

from django_socketio.exceptions import MessageTooBig, ProtocolError
from django_socketio.protocol.framing import FrameBoundaries

__all__ = ["CloseCode", "WebSocketProtocol", "frame"]

# What `websockets` would log of every connection, the session logs once, with its reason.
_silent = logging.getLogger("django_socketio.websockets")
_silent.setLevel(logging.CRITICAL)

MAX_REASON_SIZE = 123
"""Bytes of a close frame's reason: 125 for a control frame (section 5.5), less 2 for the code."""

_WHOLE_TEXT, _WHOLE_BINARY, _MASKED, _EXTENDED_LENGTH = 0x81, 0x82, 0x80, 126
_SHORT_HEADER = 6
"""Bytes before the payload: two, and the mask."""

_SHORT_TEXT = [bytes((_WHOLE_TEXT, length)) for length in range(_EXTENDED_LENGTH)]
_MEDIUM = Struct("!BBH")
_LARGE = Struct("!BBQ")


def frame(message: str | bytes) -> bytes:
    """Return a whole message in one unmasked frame (section 5.2)."""
    if isinstance(message, bytes):
        return _header(_WHOLE_BINARY, message) + message
    payload = message.encode()
    if len(payload) < _EXTENDED_LENGTH:  # most are
        return _SHORT_TEXT[len(payload)] + payload
    return _header(_WHOLE_TEXT, payload) + payload


def _header(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < _EXTENDED_LENGTH:
        return bytes((first, length))
    if length < 0x10000:
        return _MEDIUM.pack(first, 126, length)
    return _LARGE.pack(first, 127, length)


def _shorten(reason: str) -> str:
    return reason.encode()[:MAX_REASON_SIZE].decode(errors="ignore")


class WebSocketProtocol:
    """The server's side of one WebSocket connection.

    Args:
        max_message_size: bytes that a message of the client may have.

    """

    __slots__ = (
        "_boundaries",
        "_decoder",
        "_fragments",
        "_is_between_messages",
        "_protocol",
        "error",
        "has_to_answer",
    )

    def __init__(self, max_message_size: int) -> None:
        # Open from the start: the request has been read by the HTTP server.
        # Sizes are limited where frames are cut: the library would count control frames towards
        # the message that they interrupt.
        self._protocol = ServerProtocol(state=State.OPEN, max_size=None, logger=_silent)
        self._boundaries = FrameBoundaries(max_message_size)
        self._fragments: list[str | bytes] | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._is_between_messages = True
        self.has_to_answer = False
        """Whether ``data_to_send`` may have something."""
        self.error: ProtocolError | None = None
        """What the client did wrong, once it did."""

    def accept(self, target: str, headers: Iterable[tuple[str, str]], version: str) -> Response:
        """Return the answer to a handshake request (section 4.2): 101, or what is wrong with it."""
        request = Request(target, Headers(headers), "GET", version)
        response = self._protocol.accept(request)
        if response.status_code != 101:
            # Section 4.4: the client learns which version is spoken.
            response.headers["Sec-WebSocket-Version"] = "13"
        return response

    def receive(self, data: bytes) -> list[str | bytes]:
        """Return the messages that these bytes complete; then see ``data_to_send``."""
        messages: list[str | bytes] = []
        if self._is_between_messages:
            data = self._take_short_texts(data, messages)
        if data:
            self._receive_frames(data, messages)
        return messages

    def _take_short_texts(self, data: bytes, messages: list[str | bytes]) -> bytes:
        """Take the whole texts of up to 125 bytes that ``data`` begins with; return the rest.

        Most messages are such. All else, mistakes included, is the library's.
        """
        start, size = 0, len(data)
        while size - start >= _SHORT_HEADER and data[start] == _WHOLE_TEXT:
            length = data[start + 1] - _MASKED
            payload = start + _SHORT_HEADER
            if not 0 <= length < _EXTENDED_LENGTH or payload + length > size:
                break
            content = apply_mask(data[payload : payload + length], data[payload - 4 : payload])
            try:
                messages.append(content.decode())
            except UnicodeDecodeError:
                break
            start = payload + length
        return data[start:] if start else data

    def _receive_frames(self, data: bytes, messages: list[str | bytes]) -> None:
        try:
            # Frame by frame: what follows a mistake, or a close frame, must not be read.
            for piece in self._boundaries.split(data):
                if self._protocol.eof_sent:
                    break
                self._receive_piece(piece, messages)
        except ProtocolError as error:
            too_big = isinstance(error, MessageTooBig)
            self._fail(CloseCode.MESSAGE_TOO_BIG if too_big else CloseCode.PROTOCOL_ERROR, error)
        self._is_between_messages = (
            self._boundaries.is_between_messages and self._protocol.state is State.OPEN
        )
        self.has_to_answer = True

    def _receive_piece(self, piece: bytes, messages: list[str | bytes]) -> None:
        self._protocol.receive_data(piece)
        for event in self._protocol.events_received():
            message = self._assemble(event) if isinstance(event, Frame) else None
            if message is not None:
                messages.append(message)
        self._note_error()

    def receive_eof(self) -> None:
        """Tell that the client closed its side of the TCP connection."""
        self._protocol.receive_eof()
        self.has_to_answer = True

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake (section 7.1.2); does nothing where it has started."""
        self._is_between_messages = False  # no message is taken any more
        self.has_to_answer = True
        with contextlib.suppress(InvalidState):
            self._protocol.send_close(code, _shorten(reason))

    def data_to_send(self) -> tuple[bytes, bool]:
        """Return the bytes to send (pongs, close frames), and whether to close TCP after them."""
        self.has_to_answer = False
        writes = self._protocol.data_to_send()
        return b"".join(writes), SEND_EOF in writes

    def _assemble(self, frame: Frame) -> str | bytes | None:
        """Return the message that this frame completes (section 5.4)."""
        if self.error is not None or frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return None
        try:
            content = self._decode(frame)
        except UnicodeDecodeError:
            self._fail(
                CloseCode.INVALID_DATA, ProtocolError("WebSocket: a text message is not UTF-8")
            )
            return None
        if self._fragments is None and frame.fin:
            return content
        return self._collect(content, frame.fin)

    def _decode(self, frame: Frame) -> str | bytes:
        # Section 8.1: text is checked as it comes; a character may be split between fragments.
        if frame.opcode is Opcode.TEXT:
            if frame.fin:
                return bytes(frame.data).decode()
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        elif frame.opcode is Opcode.BINARY:
            self._decoder = None
        if self._decoder is None:
            return bytes(frame.data)
        return self._decoder.decode(bytes(frame.data), final=frame.fin)

    def _collect(self, content: str | bytes, final: bool) -> str | bytes | None:
        if self._fragments is None:
            self._fragments = []
        if content:  # nobody fills the memory with fragments of nothing
            self._fragments.append(content)
        if not final:
            return None
        fragments, self._fragments, self._decoder = self._fragments, None, None
        return type(content)().join(fragments)  # type: ignore[arg-type]

    def _fail(self, code: CloseCode, error: ProtocolError) -> None:
        if not self._protocol.eof_sent:
            self.error = error
            self._protocol.fail(code, str(error))

    def _note_error(self) -> None:
        error = self._protocol.parser_exc
        if error is not None and self.error is None and not isinstance(error, EOFError):
            self.error = ProtocolError(f"WebSocket: {error}")
