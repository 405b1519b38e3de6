"""Sending on an HTTP connection, and the progress that its client makes with reading."""

import fcntl
import struct
import termios
from typing import Any

from django_socketio.server.compat.gevent import waits_to_write
from django_socketio.transports.limits import SLOWEST

PIECE = 1_048_576
"""The most bytes that one call hands to the socket."""


class Sending:
    """Sends on a connection, and tells whether its client has stopped reading.

    The server calls ``is_overdue`` every few seconds; a send that does not wait costs nothing. The
    progress of a client is the number of bytes that it has acknowledged (``SIOCOUTQ``, tcp(7)),
    not the number that the kernel has taken: the kernel wakes a sender only when a third of its
    buffer of megabytes is free again, and a slow client may need minutes for that.

    Args:
        sock: gevent's socket of the connection.

    """

    def __init__(self, sock: Any) -> None:
        self._socket = sock
        self._sent = 0
        self._waits_since: float | None = None
        """The time of the first look at the send that waits now; None while none waits."""
        self._moved = 0.0
        """The time of the last look that found progress; ``_taken`` is that progress."""
        self._taken = self._first = 0

    def send_all(self, data: bytes | bytearray) -> None:
        """Send all of the data, and wait for the client as long as necessary.

        Raises:
            OSError: the client has closed the connection, or was cut off.

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
        """Return whether a send waits whose client takes too long.

        Args:
            now: the time, in seconds (``time.monotonic()``).
            timeout: the seconds that may pass without progress.

        """
        # This finds sends of others too, such as pywsgi's own refusals.
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
        except OSError:  # a system without SIOCOUTQ: all that the kernel takes counts as progress
            return 0
        return int(struct.unpack("i", held)[0])
