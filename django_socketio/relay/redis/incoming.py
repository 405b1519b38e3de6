"""Reading what comes on a connection that subscribes: messages, and confirmations by the thousand.

redis-py's reader takes three times as long for each of them.
"""

import re
import select
import ssl
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any, NamedTuple

from redis.connection import ConnectionInterface
from redis.exceptions import ConnectionError, InvalidResponse, TimeoutError

READ_SIZE = 65_536
"""Bytes that are read at once."""

LONGEST_HEAD = 100
"""More bytes than the head of a message has."""

# The Redis serialization protocol, version 2, "Arrays": the kind, the channel, then the message or
# a number ("Pub/sub").
_HEAD = re.compile(rb"\*3\r\n\$\d+\r\n([a-z]+)\r\n\$(\d+)\r\n")
_THIRD = re.compile(rb"\r\n(?::\d+|\$(\d+))\r\n")

_NOTHING_CAME = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Incoming(NamedTuple):
    """A push of Redis about a channel; ``data`` is empty if it is not a message."""

    kind: bytes
    channel: str
    data: bytes


class IncomingReader:
    """Reads a connection on which nothing but messages of pub/sub comes from now on.

    Other threads write to the connection meanwhile. OpenSSL serves one thread at a time, and a
    socket has one timeout for reading and writing: so what has come is read while nobody writes,
    and waiting for more needs neither.

    Args:
        connection: redis-py's, which writes, closes, and knows how long Redis may take.
        writing: the lock under which others write.

    """

    def __init__(
        self, connection: ConnectionInterface, writing: AbstractContextManager[object]
    ) -> None:
        made: Any = connection
        self._sock, self._timeout = made._sock, made.socket_timeout
        self._parse_error = made._parser.parse_error
        self._writing = writing
        self._buffer = bytearray()
        self._at = 0

    def can_read(self, timeout: float) -> bool:
        """Return whether anything came, or comes within a time in seconds.

        Raises:
            RedisError: the connection is broken.

        """
        return self._at < len(self._buffer) or self._receive(timeout)

    def read(self) -> Incoming:
        """Return the next message.

        Raises:
            ResponseError: it is an error. The connection can be read on.
            RedisError: the connection is broken, or the message did not come in time.

        """
        while (found := self._next()) is None:
            if not self._receive(self._timeout):
                raise TimeoutError("Timeout reading from socket")
        return found

    def _receive(self, timeout: float) -> bool:
        """Read what has come, or comes within a time; return False if nothing did."""
        end = monotonic() + timeout
        try:
            while (data := self._read_now()) is None:
                if not self._wait(end - monotonic()):
                    return False
        except (OSError, ValueError) as error:
            raise ConnectionError(f"Error while reading from socket: {error}") from error
        if not data:
            raise ConnectionError("Connection closed by server.")
        del self._buffer[: self._at]
        self._at = 0
        self._buffer += data
        return True

    def _read_now(self) -> bytes | None:
        """Read what has come; return None if nothing did."""
        with self._writing:
            self._sock.settimeout(0)
            try:
                return self._sock.recv(READ_SIZE)  # type: ignore[no-any-return]
            except _NOTHING_CAME:
                return None
            finally:
                self._sock.settimeout(self._timeout)

    def _wait(self, seconds: float) -> bool:
        """Wait until something may have come; return whether it was in time."""
        if seconds <= 0:
            return False
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _next(self) -> Incoming | None:
        """Take a message from the buffer; None if it is not there as a whole."""
        buffer = self._buffer
        head = _HEAD.match(buffer, self._at)
        if head is None:
            self._refuse()
            return None
        end = head.end() + int(head[2])
        third = _THIRD.match(buffer, end)
        if third is None:
            return None
        channel = buffer[head.end() : end].decode(errors="replace")
        end, data = third.end(), b""
        if third[1] is not None:
            begin, end = end, end + int(third[1]) + 2
            if len(buffer) < end:
                return None
            data = bytes(memoryview(buffer)[begin : end - 2])
        self._at = end
        return Incoming(bytes(head[1]), channel, data)

    def _refuse(self) -> None:
        """Raise what is no message, once it is there."""
        begin = self._at
        end = self._buffer.find(b"\r\n", begin)
        if self._buffer[begin : begin + 1] == b"-":
            if end >= 0:
                self._at = end + 2
                text = self._buffer[begin + 1 : end].decode(errors="replace")
                raise self._parse_error(text)
        elif len(self._buffer) - begin > LONGEST_HEAD:
            line = bytes(self._buffer[begin : begin + LONGEST_HEAD])
            raise InvalidResponse(f"Protocol Error: {line!r}")
