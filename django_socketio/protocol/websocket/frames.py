"""WebSocket frames of every kind (RFC 6455, section 5): messages out of them, and the answers.

The `websockets` package reads the frames and keeps the state; this module joins fragments and
checks text.
"""

import codecs
import contextlib
import logging

from websockets.exceptions import InvalidState, PayloadTooBig
from websockets.frames import CTRL_OPCODES, CloseCode, Frame, Opcode
from websockets.protocol import SEND_EOF, State
from websockets.server import ServerProtocol

from django_socketio.exceptions import MessageTooBig, ProtocolError
from django_socketio.protocol.websocket.deflate import Inflation, max_deflated_size
from django_socketio.protocol.websocket.framing import FrameBoundaries
from django_socketio.protocol.websocket.utf8 import EarlyCheck

# What `websockets` would log of every connection, the session logs once, with its reason.
# Below no other logger: LOGGING cannot reset its level, which would have every frame logged.
silent = logging.Logger("django_socketio.websockets", logging.CRITICAL)

MAX_REASON_SIZE = 123
"""Bytes of a close frame's reason: 125 for a control frame (section 5.5), less 2 for the code."""

BATCH = 16
"""Frames that are taken at once: each takes up to some ten microseconds, and its packet as many."""

SMALL = 1024
"""Bytes below which a fragment of a message counts against the rates like a message."""

_PART = 4096

_FIN, _OPCODE_BITS = 0x80, 0x0F


def _shorten(reason: str) -> str:
    return reason.encode()[:MAX_REASON_SIZE].decode(errors="ignore")


def cost(message: str | bytes) -> int:
    """Return for how many frames of a batch a message counts: long ones take longer."""
    return 1 + len(message) // _PART


class Frames:
    """The frames of one open connection, in both directions.

    Args:
        max_message_size: bytes that a message of the client may have.
        compression: whether messages may come compressed.

    """

    __slots__ = (
        "_boundaries",
        "_decoder",
        "_early",
        "_fragments",
        "_inflation",
        "_protocol",
        "_within_frame",
        "error",
        "extra",
        "extra_bytes",
    )

    def __init__(self, max_message_size: int, compression: bool) -> None:
        # Sizes are limited where frames are cut, and inflated: the library would count control
        # frames towards the message that they interrupt.
        self._protocol = ServerProtocol(state=State.OPEN, max_size=None, logger=silent)
        self._inflation: Inflation | None = None
        max_coming = max_message_size
        if compression:
            self._inflation = Inflation(max_message_size)
            self._protocol.extensions = [self._inflation]
            max_coming = max_deflated_size(max_message_size)
        self._boundaries = FrameBoundaries(max_message_size, max_coming)
        self._fragments: list[str | bytes] | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._within_frame = False
        self._early: EarlyCheck | None = None
        self.error: ProtocolError | None = None
        """What the client did wrong, once it did."""
        self.extra = 0
        """Control frames that came, and small frames that completed no message."""
        self.extra_bytes = 0
        """Bytes of the control frames."""

    @property
    def is_between_messages(self) -> bool:
        """Whether the next byte begins a frame that begins a message."""
        return self._boundaries.is_between_messages and self._protocol.state is State.OPEN

    def receive(self, data: bytes, messages: list[str | bytes]) -> bytes:
        """Add the messages that these bytes complete to ``messages``.

        Takes no more than a batch of frames; returns the bytes after them.
        """
        try:
            return self._receive_batch(data, messages)
        except ProtocolError as error:
            too_big = isinstance(error, MessageTooBig)
            self._fail(CloseCode.MESSAGE_TOO_BIG if too_big else CloseCode.PROTOCOL_ERROR, error)
            return b""

    def _receive_batch(self, data: bytes, messages: list[str | bytes]) -> bytes:
        taken, room = 0, BATCH
        # Frame by frame: what follows a mistake, or a close frame, must not be read.
        for piece in self._boundaries.split(data):
            if self._protocol.eof_sent:
                break
            known = len(messages)
            self._receive_piece(piece, messages)
            taken += len(piece)
            room -= cost(messages[-1]) if len(messages) > known else 1
            if room <= 0 and not self._within_frame:
                return data[taken:]
        return b""

    def _count(self, frame: Frame) -> None:
        """Count a frame without a message, unless it is a part that a long one may well have."""
        size = len(frame.data)
        if frame.opcode in CTRL_OPCODES:
            self.extra, self.extra_bytes = self.extra + 1, self.extra_bytes + size
        elif size < SMALL:
            self.extra += 1

    def _receive_piece(self, piece: bytes, messages: list[str | bytes]) -> None:
        begins, self._within_frame = not self._within_frame, self._boundaries.is_within_frame
        if begins and piece[0] & _OPCODE_BITS == Opcode.CLOSE:
            # Control frames may come within a message (section 5.4), which this one ends.
            self._protocol.current_size = None
        self._protocol.receive_data(piece)
        for event in self._protocol.events_received():
            message = self._assemble(event) if isinstance(event, Frame) else None
            if message is not None:
                messages.append(message)
            elif isinstance(event, Frame):
                self._count(event)
        self._note_error()
        if self._within_frame and self.error is None:
            self._check_early(piece, begins)

    def _check_early(self, piece: bytes, begins: bool) -> None:
        """Refuse what is not UTF-8 before its frame is complete (section 8.1)."""
        if begins:
            self._early = self._early_check(piece[0] & ~_FIN)
        if self._early is None:
            return
        try:
            self._early.feed(piece)
        except UnicodeDecodeError:
            self._fail_text()

    def _early_check(self, first: int) -> EarlyCheck | None:
        # A frame that is wrong by itself (reserved bits, out of turn) is refused for that.
        if self._inflation is not None and self._inflation.is_within_message:
            return None  # what comes is no text yet
        if first == Opcode.TEXT and self._fragments is None:
            return EarlyCheck(None)
        is_text = first == Opcode.CONT and self._decoder is not None
        return EarlyCheck(self._decoder) if is_text else None

    def receive_eof(self) -> None:
        """Tell that the client closed its side of the TCP connection."""
        self._protocol.receive_eof()

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake (section 7.1.2); does nothing where it has started."""
        with contextlib.suppress(InvalidState):
            self._protocol.send_close(code, _shorten(reason))

    def data_to_send(self) -> tuple[bytes, bool]:
        """Return the bytes to send (pongs, close frames), and whether to close TCP after them."""
        writes = self._protocol.data_to_send()
        return b"".join(writes), SEND_EOF in writes

    def _assemble(self, frame: Frame) -> str | bytes | None:
        """Return the message that this frame completes (section 5.4)."""
        if self.error is not None or frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return None
        try:
            content = self._decode(frame)
        except UnicodeDecodeError:
            self._fail_text()
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

    def _fail_text(self) -> None:
        error = ProtocolError("WebSocket: a text message is not UTF-8")
        self._fail(CloseCode.INVALID_DATA, error)

    def _note_error(self) -> None:
        error = self._protocol.parser_exc
        if error is None or self.error is not None or isinstance(error, EOFError):
            return
        if isinstance(error, PayloadTooBig):
            self.error = MessageTooBig(str(error))
        else:
            self.error = ProtocolError(f"WebSocket: {error}")
