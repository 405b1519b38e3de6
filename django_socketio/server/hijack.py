"""Hijacking: pywsgi answers a request and gives its connection up to the application.

Go and Rack use the same word. The application decides while it answers, and the connection changes
hands when the head of that answer would be sent: middleware may still put another answer in its
place.
"""

import os
import socket
import time
from contextlib import suppress
from typing import Protocol

from gevent import get_hub, monkey
from gevent.pywsgi import Input, WSGIHandler, format_date_time

from django_socketio.server.opaque import Opaque
from django_socketio.transports.http import Environ, Hijack

KEY = "django_socketio.connection"
"""Key of an environ for the pywsgi handler of the connection, opaque."""

Socket: type[socket.socket] = monkey.get_original("socket", "socket")

SWITCHING_PROTOCOLS = 101

_FRAMING = frozenset({b"connection", b"content-length", b"transfer-encoding"})
"""Fields of answers whose bodies the application writes: the end of the connection ends them."""

_OF_BODIES = frozenset({b"content-length", b"content-type", b"transfer-encoding"})
"""Fields that middleware adds to every answer, although a 101 has no body."""


class PendingAnswer(Protocol):
    """An answer, or the lack of one, until the server knows which answer it really gives."""

    def commit(self, handler: WSGIHandler) -> bool:
        """Act on the answer that is about to be sent; return whether its connection is hijacked."""

    def end(self) -> None:
        """Give back what the request holds, whether or not it was answered."""


def handler_of(environ: Environ) -> WSGIHandler:
    """Return the pywsgi handler that has read a request.

    Raises:
        KeyError: another server has read the request.

    """
    kept: Opaque[WSGIHandler] = environ[KEY]
    return kept.open()


def hijack(handler: WSGIHandler, begin: Hijack) -> None:
    """Give a handler's connection up to the application in place of sending its answer.

    Args:
        handler: the handler; the head of the answer, of any status, is known to it.
        begin: called with the connection, the head and what the client has sent meanwhile.

    """
    received = handler.rfile.read_ahead()
    head = _head(handler)
    handler.rfile.close()
    accepted = handler.socket
    sock = Socket(accepted.family, accepted.type, accepted.proto, accepted.detach())
    sock.setblocking(False)
    _detach(handler)
    begin(sock, head, received)


def release(handler: WSGIHandler) -> None:
    """End pywsgi's use of a connection that another process has: nothing more is read or sent here.

    Only this process's descriptor is closed.
    """
    handler.rfile.close()
    _unregister(handler.socket.fileno())
    handler.socket.close()
    _detach(handler)


def _detach(handler: WSGIHandler) -> None:
    handler.socket = None
    handler.close_connection = True
    handler.headers_sent = True
    handler.wsgi_input = Input(None, 0)  # or pywsgi would look for the rest of the body


def _unregister(descriptor: int) -> None:
    """Have the event loop's epoll set forget a descriptor that is about to be closed.

    A connection that stays open by another descriptor stays in the set (epoll(7)). At its next
    event libev would find that it is wanted no more, and build the whole set anew.
    """
    loop = get_hub().loop
    if loop.backend == "epoll":
        epoll = monkey.get_original("select", "epoll")
        # It fails where pywsgi never had to wait, or if the process has no descriptor left.
        with suppress(OSError), epoll.fromfd(os.dup(loop.fileno())) as epoll_set:
            epoll_set.unregister(descriptor)


def _head(handler: WSGIHandler) -> bytes:
    """Return the head of an answer: status line, header fields and the empty line."""
    switches = handler.code == SWITCHING_PROTOCOLS
    left_out = _OF_BODIES if switches else _FRAMING
    lines = [b"HTTP/1.1 " + handler.status]
    lines += [
        name + b": " + value
        for name, value in handler.response_headers
        if name.lower() not in left_out
    ]
    if not switches:
        lines += _fields_of_unframed(handler)
    return b"\r\n".join([*lines, b"", b""])


def _fields_of_unframed(handler: WSGIHandler) -> list[bytes]:
    """Return the fields of an answer that the end of its connection ends (RFC 9112, 6.3)."""
    fields = [b"Connection: close"]
    if handler.provided_date is None:
        fields.append(b"Date: " + format_date_time(time.time()))
    return fields
