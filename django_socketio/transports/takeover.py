"""Taking a connection over from gevent's pywsgi, which would otherwise read HTTP from it again."""

import os
import socket
from http import HTTPStatus

from gevent import monkey
from gevent.pywsgi import WSGIHandler

from django_socketio.transports.http import Answer, Environ

KEY = "django_socketio.connection"
"""Where in an environ the pywsgi handler of its connection is found."""

Socket: type[socket.socket] = monkey.get_original("socket", "socket")

# These describe a body, and a 101 has none; middleware adds them all the same.
_BODY_HEADERS = frozenset({"content-length", "content-type", "transfer-encoding"})


def take_over(environ: Environ, answer: Answer, headers: list[tuple[str, str]]) -> None:
    """Send the 101 and hand the connection to ``answer.take_over``; pywsgi lets go of it.

    Args:
        headers: the header fields to send; middleware may have added to the answer's own.

    """
    handler: WSGIHandler = environ.pop(KEY)
    received = _read_ahead(handler)
    sock = Socket(fileno=os.dup(handler.socket.fileno()))
    sock.setblocking(False)
    _release(handler)
    try:
        sock.send(_head(headers))  # a new connection's buffer takes it whole
    except OSError:
        return sock.close()
    if answer.take_over is not None:
        answer.take_over(sock, received)


def _read_ahead(handler: WSGIHandler) -> bytes:
    """Return what pywsgi has read beyond the request: frames may follow it at once."""
    handler.socket.settimeout(0)
    try:
        return handler.rfile.peek()
    except OSError:
        return b""


def _release(handler: WSGIHandler) -> None:
    handler.rfile.close()
    handler.socket.close()
    handler.socket = None
    handler.close_connection = True
    # What pywsgi logs of the request, and will not send again.
    handler.status = "101 Switching Protocols"
    handler.headers_sent = True


def _head(headers: list[tuple[str, str]]) -> bytes:
    fields = [f"{name}: {value}" for name, value in headers if name.lower() not in _BODY_HEADERS]
    lines = [f"HTTP/1.1 101 {HTTPStatus(101).phrase}", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")
