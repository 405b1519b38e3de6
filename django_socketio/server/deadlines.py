"""Deadlines of HTTP clients: for sending a request, and for reading its answer."""

import os
import socket
import struct
from contextlib import suppress
from typing import Any, NamedTuple

from gevent import monkey

from django_socketio.server.sending import Sending
from django_socketio.server.stream import Stream
from django_socketio.transports.limits import SLOWEST

LONGEST_PAUSE = 5.0
"""Seconds between two looks at clients that take too long."""

IDLE_TIMEOUT = 75.0
"""Seconds without a request after which the server closes a connection. Proxies keep idle
connections for a shorter time, so the proxy closes first."""

DROP_UNSENT = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which closing a connection resets it."""

TLS_OVERDUE = "its TLS handshake took more than %g s (SOCKETIO_REQUEST_TIMEOUT)"
HEAD_OVERDUE = "the head of a request took more than %g s (SOCKETIO_REQUEST_TIMEOUT)"
BODY_OVERDUE = (
    "the body of a request came too slowly, or not at all for %g s (SOCKETIO_REQUEST_TIMEOUT)"
)
SEND_OVERDUE = "an answer was read too slowly, or not at all for %g s (SOCKETIO_SEND_TIMEOUT)"

_Socket: type[socket.socket] = monkey.get_original("socket", "socket")


class Timeouts(NamedTuple):
    """The seconds that HTTP clients have."""

    request: float
    """For the TLS handshake, for the head of a request, and between two pieces of its body."""
    send: float
    """Between two pieces of an answer that the client acknowledges."""

    @property
    def pause(self) -> float:
        """Seconds between two looks."""
        return min(min(self) / 4, LONGEST_PAUSE)


class Deadlines:
    """The deadlines of one connection.

    Args:
        sock: gevent's socket of the connection.
        stream: the connection as pywsgi reads it.

    Attributes:
        sending: sends on the connection, and measures how far the client has read.
        reads_head: True while the server waits for the head of a request; False while it waits
            for a body.
        is_carried: True while another process carries the connection for this one; only that
            process sees how far the client has read.
        overdue: the deadline that the client has missed, as a phrase for the log; else None.

    """

    def __init__(self, sock: Any, stream: Stream) -> None:
        self._socket = sock
        self._stream = stream
        self.sending = Sending(sock)
        self.reads_head = False
        self.is_carried = False
        self.overdue: str | None = None

    def look(self, now: float, timeouts: Timeouts) -> None:
        """End the connection if its client has missed a deadline."""
        since = None if self._stream.closed else self._stream.waits_since()
        if since is not None:
            self._look_at_reading(now, since, timeouts.request)
        elif not self.is_carried and self.sending.is_overdue(now, timeouts.send):
            self.overdue = SEND_OVERDUE % timeouts.send
            self._reset()

    def _look_at_reading(self, now: float, since: float, timeout: float) -> None:
        if not self.reads_head:
            waited, size = self._stream.counted()
            allowance = timeout + size / SLOWEST
            if now - since >= timeout or waited + now - since >= allowance:
                self._end(BODY_OVERDUE % timeout)
            return
        began = self._stream.began()
        if began is not None and now - began >= timeout:
            self._end(HEAD_OVERDUE % timeout)
        elif began is None and now - since >= IDLE_TIMEOUT:
            self.end_reading()

    def _end(self, overdue: str) -> None:
        self.overdue = overdue
        self.end_reading()

    def end_reading(self) -> None:
        """Shut the connection for reading, so that pywsgi reads an end of file."""
        with suppress(OSError), _Socket(fileno=os.dup(self._socket.fileno())) as sock:
            sock.shutdown(socket.SHUT_RD)

    def _reset(self) -> None:
        """End a send that waits, by a reset.

        After an ordinary close, the kernel would keep the unsent bytes for a long time, and the
        client could take a part of the answer for the whole.
        """
        with suppress(OSError), _Socket(fileno=os.dup(self._socket.fileno())) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DROP_UNSENT)
            sock.shutdown(socket.SHUT_RDWR)
