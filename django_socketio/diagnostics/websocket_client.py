"""A WebSocket that one thread writes and reads: two at a time would break Python's TLS."""

import time
from collections import deque
from contextlib import suppress
from typing import Self

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from django_socketio.diagnostics.address import TIMEOUT, Address, Response

CHUNK = 65_536
"""Bytes that are read at once."""

LINGER = 1.0
"""Seconds that the other side has to close as well."""


class Refused(Exception):
    """The answer to a handshake is no 101; the argument is the answer, a ``Response``."""


class Closed(Exception):
    """The WebSocket is closed; the argument is what the other side tells of it."""


class CutOff(Closed):
    """The connection has ended, and the other side has told nothing of it."""


class WebSocket:
    """An open WebSocket; it follows no redirects, as those of browsers do not.

    Args:
        address: the public address.
        target: the target of the handshake.

    Raises:
        Refused: the answer to the handshake is no 101.
        WebSocketException: the answer is none to a handshake.
        OSError: there is no answer; ``TimeoutError`` if it takes long.

    """

    def __init__(self, address: Address, target: str) -> None:
        self._texts: deque[str] = deque()
        self._parts = b""
        self._protocol = ClientProtocol(
            parse_uri(f"ws://{address.host_field}{target}"), max_size=None
        )
        self._connection = address.connect()
        try:
            self._shake_hands(address.headers)
        except BaseException:
            self._connection.close()
            raise

    def _shake_hands(self, headers: dict[str, str]) -> None:
        request, end = self._protocol.connect(), time.monotonic() + TIMEOUT
        for name, value in headers.items():
            if name not in request.headers:
                request.headers[name] = value
        self._protocol.send_request(request)
        while self._protocol.state is State.CONNECTING and not self._protocol.handshake_exc:
            self._exchange(end)
        problem = self._protocol.handshake_exc
        if isinstance(problem, InvalidStatus):
            answer = problem.response
            fields = answer.headers.raw_items()
            raise Refused(Response.of(answer.status_code, fields, answer.body or b""))
        if problem is not None:
            raise problem

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def send(self, text: str) -> None:
        """Send a text; raises ``Closed``."""
        if self._protocol.state is not State.OPEN:
            raise self._closed()
        self._protocol.send_text(text.encode())
        try:
            self._flush()
        except OSError as problem:
            raise CutOff(repr(problem)) from None

    def receive(self, timeout: float) -> str:
        """Return the next text.

        Raises:
            Closed: there is none any more.
            TimeoutError: there is none within ``timeout`` seconds.

        """
        end = time.monotonic() + timeout
        while not self._texts:
            if self._protocol.state is not State.OPEN:
                raise self._closed()
            try:
                self._exchange(end)
            except TimeoutError:
                raise
            except OSError as problem:
                raise CutOff(repr(problem)) from None
        return self._texts.popleft()

    def close(self) -> None:
        """Close the WebSocket in order, if the other side takes part in it."""
        end = time.monotonic() + LINGER
        with suppress(OSError):
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            while self._protocol.close_rcvd is None and not self._protocol.eof_sent:
                self._exchange(end)
        self._connection.close()

    def _closed(self) -> Closed:
        told = self._protocol.close_rcvd
        return CutOff("the connection has ended") if told is None else Closed(str(told))

    def _exchange(self, end: float) -> None:
        """Send what is to be sent; read what comes, until a time."""
        self._flush()
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._connection.settimeout(left)
        data = self._connection.recv(CHUNK)
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._received(event)
        self._flush()

    def _received(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._parts += frame.data
            if frame.fin:
                self._texts.append(self._parts.decode(errors="replace"))
                self._parts = b""

    def _flush(self) -> None:
        self._connection.settimeout(TIMEOUT)
        for data in self._protocol.data_to_send():
            if data:  # nothing stands for the end, which only the other side tells here
                self._connection.sendall(data)
