"""Connections as files, from which pywsgi reads requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import DEFAULT_BUFFER_SIZE, BufferedReader, RawIOBase
from typing import Any

from gevent import get_hub

from django_socketio.concurrency.timers import clock
from django_socketio.concurrency.turns import Turns

LONG = 0.001
"""Seconds for which what has come on one connection may keep the event loop from its turn."""


class _Incoming(RawIOBase):
    """Reads what was received already, then from the connection.

    Attributes:
        waits_since: the time since when bytes of the connection are waited for; None while they
            are not.
        began: the time when the first bytes came after the attribute was set to None.
        waited: seconds for which bytes were waited for, and ``size``, how many came meanwhile; both
            are set to 0 when they are to be counted anew.

    """

    waits_since: float | None = None
    began: float | None = None
    waited = 0.0
    size = 0

    def __init__(self, sock: Any, received: bytes, turns: Turns) -> None:
        self._turns = turns
        self._loop = get_hub().loop
        self._turn: int | None = None
        self._until = 0.0
        self._socket = sock
        self._received = received
        self.may_wait = True
        """Whether to read from the connection."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._received:
            part = self._received[: len(buffer)]
            self._received = self._received[len(part) :]
            buffer[: len(part)] = part
            return len(part)
        return self._receive_into(buffer) if self.may_wait else None

    def give_turn(self) -> None:
        """Let the event loop turn, if it has not done so for long.

        A greenlet that finds its bytes there never waits for them: requests that follow each other
        without a pause, or a large body, would keep all other sockets waiting.
        """
        turn = self._loop.iteration
        if turn != self._turn:
            self._turn, self._until = turn, clock() + LONG
        elif clock() >= self._until:
            self._turns.wait()

    @contextmanager
    def waiting_at_most(self, seconds: float) -> Iterator[None]:
        """Have each wait in the block that takes longer raise TimeoutError."""
        kept = self._socket.gettimeout()
        self._socket.settimeout(seconds)
        try:
            yield
        finally:
            self._socket.settimeout(kept)

    def _receive_into(self, buffer: Any) -> int:
        self.give_turn()
        self.waits_since = since = clock()
        try:
            size: int = self._socket.recv_into(buffer)
        finally:
            self.waits_since = None
        now = clock()
        self.waited += now - since
        self.size += size
        if self.began is None:
            self.began = now
        return size


class Stream(BufferedReader):
    """A connection as a file; closing it leaves the connection open.

    Args:
        sock: the connection.
        received: what was read from it already.
        turns: where a connection whose bytes have all come waits for the others.

    """

    def __init__(self, sock: Any, received: bytes, turns: Turns) -> None:
        self._incoming = _Incoming(sock, received, turns)
        # All of it fits into the buffer, where ``read_ahead`` finds it.
        super().__init__(self._incoming, max(len(received), DEFAULT_BUFFER_SIZE))

    def give_turn(self) -> None:
        """Let the event loop turn, if what came on this connection has kept it from it for long."""
        self._incoming.give_turn()

    def begin(self) -> None:
        """Note the time at which the next bytes come, which may be there already."""
        self._incoming.began = clock() if self.read_ahead() else None

    def comes_within(self, seconds: float) -> bool:
        """Wait for the next bytes, or the end, for a number of seconds; False if none has come."""
        try:
            with self._incoming.waiting_at_most(seconds):
                self.peek()
        except TimeoutError:
            return False
        return True

    def count(self) -> None:
        """Count anew how long bytes are waited for, and how many come."""
        self._incoming.waited, self._incoming.size = 0.0, 0

    def counted(self) -> tuple[float, int]:
        """Return how long bytes were waited for since ``count``, in seconds, and how many came."""
        return self._incoming.waited, self._incoming.size

    def began(self) -> float | None:
        """Return the time at which the first bytes after ``begin`` came."""
        return self._incoming.began

    def waits_since(self) -> float | None:
        """Return the time since when bytes are waited for; None while they are not."""
        return self._incoming.waits_since

    def read_ahead(self) -> bytes:
        """Return what was read from the connection too far, without taking it; never waits."""
        self._incoming.may_wait = False
        try:
            return self.peek()
        finally:
            self._incoming.may_wait = True
