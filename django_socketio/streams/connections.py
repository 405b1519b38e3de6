"""The connections that threads of another server send streams on, where the server shows them."""

import select
import socket
from contextlib import suppress
from typing import Any

from gevent import monkey

from django_socketio.transports.event_stream import limit_silence

PAUSE = 1.0
"""Seconds after which a thread that waits for events looks whether its client is still there."""

# Linux tells of a client that has closed its side also where it has sent something before.
_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL | getattr(select, "POLLRDHUP", 0)


class Connection:
    """The connection of a stream: a client that left or does not read must not keep its thread.

    Without it, the write to a client that has left succeeds once, and one to a client that does not
    read waits without a limit.

    Args:
        sock: the connection; its server sends on it, and closes it.
        timeout: seconds after which a client is gone that acknowledges nothing.

    """

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self._socket = sock
        limit_silence(sock, timeout)

    def has_ended(self) -> bool:
        """Return whether the client has left."""
        poll = select.poll()
        try:
            poll.register(self._socket, _GONE)
        except (OSError, ValueError):
            return True  # the server has closed it
        return bool(poll.poll(0))

    def cut(self) -> None:
        """End the connection, and a write that waits for the client; the server closes it."""
        with suppress(OSError):
            # Without the end of TLS, for which the thread that writes holds the state.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def connection_of(environ: Any, timeout: float) -> Connection | None:
    """Return the connection of a request; None where it is not known, or no thread sends on it.

    gunicorn's threads show it. On a connection of HTTP/2, there are other requests as well.
    """
    sock = environ.get("gunicorn.socket")
    is_own = str(environ.get("SERVER_PROTOCOL")).startswith("HTTP/1")
    if not (is_own and isinstance(sock, socket.socket)) or monkey.is_module_patched("threading"):
        return None
    return Connection(sock, timeout)
