"""Sending on an HTTP connection, and the progress that its client makes with reading."""

import fcntl
import struct
import termios
from typing import Any

from django_socketio.server.compat.gevent import waits_to_write

SLOWEST = 1_000.0
"""Bytes a second, in the long run, that a client has to send of a body, or to take of an answer."""

PIECE = 1_048_576
"""Bytes that are handed to the socket at a time."""


class Sending:
    """Sends on a connection, and tells whether its client has stopped reading.

    Only a send that waits is looked at, from outside: ``is_overdue`` is called every few seconds.
    A client's progress is what it has acknowledged (``SIOCOUTQ``, tcp(7)), not what the kernel has
    taken. The kernel wakes a sender only when a third of its buffer of megabytes is free again,
    for which a slow client may need minutes.

    Args:
        sock: gevent's socket of the connection.

    """

    def __init__(self, sock: Any) -> None:
        self._socket = sock
        self._sent = 0
        self._waits_since: float | None = None
        """The time of the first look that found a send waiting, and none before it was done."""
        self._moved = 0.0
        """The time of the last look that found progress, and ``_taken``, how far it was then."""
        self._taken = self._first = 0

    def send_all(self, data: bytes | bytearray) -> None:
        """Send it all, waiting for the client as long as need be.

        Raises:
            OSError: the client has gone, or was cut off.

        """
        size = len(data)
        sent: int = self._socket.send(data) if size <= PIECE else 0
        self._sent += sent
        if sent == size:  # as almost always
            return
        with memoryview(data) as view:
            while sent < size:
                more = self._socket.send(view[sent : sent + PIECE])
                sent += more
                self._sent += more

    def is_overdue(self, now: float, timeout: float) -> bool:
        """Look at a send that waits; return whether its client takes too long.

        Args:
            now: the time.
            timeout: seconds that may pass without progress.

        """
        # Also sends that do not come from here, such as those of pywsgi's own refusals, wait so.
        if not waits_to_write(self._socket):
            self._waits_since = None
            return False
        taken = self._sent - self._unsent()
        if self._waits_since is None:
            self._waits_since = self._moved = now
            self._first = self._taken = taken
        elif taken > self._taken:
            self._moved, self._taken = now, taken
        allowance = timeout + (self._taken - self._first) / SLOWEST
        return now - self._moved >= timeout or now - self._waits_since >= allowance

    def _unsent(self) -> int:
        """Return how many bytes the kernel holds that the client has not acknowledged."""
        try:
            held = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:  # a system that does not tell: what the kernel takes is progress there
            return 0
        return int(struct.unpack("i", held)[0])
