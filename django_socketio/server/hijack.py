"""Hijacking a connection from gevent's pywsgi, which would otherwise read HTTP from it again."""

import os
import socket
from contextlib import suppress
from http import HTTPStatus

from gevent import get_hub, monkey
from gevent.pywsgi import Input, WSGIHandler

from django_socketio.server.opaque import Opaque
from django_socketio.transports.http import Answer, Environ

KEY = "django_socketio.connection"
"""Where in an environ the pywsgi handler of its connection is found, opaque."""

Socket: type[socket.socket] = monkey.get_original("socket", "socket")

# These describe a body, and a 101 has none; middleware adds them all the same.
_BODY_HEADERS = frozenset({"content-length", "content-type", "transfer-encoding"})


def handler_of(environ: Environ) -> WSGIHandler:
    """Return the pywsgi handler that a request is read by."""
    kept: Opaque[WSGIHandler] = environ[KEY]
    return kept.open()


def hijack(environ: Environ, answer: Answer, headers: list[tuple[str, str]]) -> None:
    """Give the connection up to ``answer.hijack``, which sends the 101.

    Args:
        headers: the header fields to send; middleware may have added to the answer's own.

    """
    handler = handler_of(environ)
    del environ[KEY]
    received = handler.rfile.read_ahead()
    # What pywsgi logs of the request, and will not send again.
    handler.status = "101 Switching Protocols"
    handler.response_headers = []
    handler.rfile.close()
    accepted = handler.socket
    sock = Socket(accepted.family, accepted.type, accepted.proto, accepted.detach())
    sock.setblocking(False)
    _detach(handler)
    if answer.hijack is not None:
        answer.hijack(sock, _head(headers), received)


def release(handler: WSGIHandler) -> None:
    """Make pywsgi let go of a connection that another process has: it reads and sends nothing more.

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


def _head(headers: list[tuple[str, str]]) -> bytes:
    fields = [f"{name}: {value}" for name, value in headers if name.lower() not in _BODY_HEADERS]
    lines = [f"HTTP/1.1 101 {HTTPStatus(101).phrase}", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")
