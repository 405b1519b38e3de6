"""The server: gevent's pywsgi, with the engine in front of Django."""

import errno
import logging
import sys
from socket import AF_INET6, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET
from typing import Any

from gevent import socket

from django_socketio.concurrency import client_log
from django_socketio.logs import get_logger
from django_socketio.server.bootstrap import build_server, http_timeouts
from django_socketio.server.compat.gevent import wait_until_stopped
from django_socketio.server.masking import mask_sids
from django_socketio.server.pywsgi import HTTPServer, RequestHandler
from django_socketio.server.wsgi import SocketIOMiddleware, http_workers

access_logger = get_logger("django.server")
error_logger = get_logger("django_socketio.server")

BACKLOG = 1024


class AddressError(OSError):
    """The server cannot listen on its address."""


class DevelopmentHandler(RequestHandler):
    """Logs requests as Django's own development server does."""

    def log_request(self) -> None:
        """Log the request, without the sid that would let a reader take the session over."""
        if not access_logger.isEnabledFor(logging.INFO):
            return
        line = mask_sids(self.requestline or "")
        status = (self._orig_status or self.status or "000").split()[0]
        extra = {"status_code": int(status), "request": None}
        access_logger.info('"%s" %s %s', line, status, self.response_length, extra=extra)


class DevelopmentServer:
    """Serves Django and the sockets of this process on one address.

    Args:
        django: Django's WSGI application.
        host: host name or address to listen on.
        port: port to listen on; 0 takes a free one, see ``port`` after ``start``.
        ipv6: whether the address is an IPv6 one.
        handler_class: reads, answers and logs requests.
        signal_receiver: see ``SocketServer``.

    """

    def __init__(
        self,
        django: Any,
        host: str,
        port: int,
        ipv6: bool = False,
        handler_class: type[RequestHandler] = DevelopmentHandler,
        signal_receiver: object = None,
    ) -> None:
        self._address = (host, port)
        self._handler_class = handler_class
        self._ipv6 = ipv6
        self.socket_server = build_server(signal_receiver=signal_receiver)
        workers = self.socket_server.limits.workers
        self.application = SocketIOMiddleware(django, self.socket_server, max_handshakes=workers)
        self._wsgi: HTTPServer | None = None

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._wsgi.server_port if self._wsgi is not None else self._address[1]

    def start(self) -> None:
        """Listen.

        Raises:
            AddressError: it cannot listen on the address.

        """
        listener, crew = self._listen(), http_workers(sys.maxsize)
        environ = {"wsgi.multithread": True}
        self._wsgi = HTTPServer(
            listener,
            self.application,
            handler_class=self._handler_class,
            http_workers=crew,
            log=access_logger,
            error_log=error_logger,
            environ=environ,
        )
        self.socket_server.add_listener(listener.getsockname(), crew)
        self.socket_server.start()
        self._wsgi.start()
        self._wsgi.watch(self.socket_server.timers, http_timeouts())
        client_log.begin(self.socket_server.timers)

    def _listen(self) -> Any:
        try:
            return self._bound(AF_INET6 if self._ipv6 else socket.AF_INET)
        except OSError as error:
            raise AddressError(*error.args) from error

    def _bound(self, family: int) -> Any:
        listener = socket.socket(family, SOCK_STREAM)
        try:
            listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            listener.bind(self._address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        return listener

    def serve_forever(self) -> None:
        """Serve until the server is stopped."""
        if self._wsgi is not None:
            wait_until_stopped(self._wsgi)

    def stop(self) -> None:
        """Stop listening and end all sockets in order; takes at most 2 seconds."""
        if self._wsgi is None:
            return
        self._wsgi.close()
        self.socket_server.stop()
        self.application.open.wait_until_empty(0.3)
        self._wsgi.stop(timeout=0)


ERRORS = {
    errno.EACCES: "You don't have permission to access that port.",
    errno.EADDRINUSE: "That port is already in use.",
    errno.EADDRNOTAVAIL: "That IP address can't be assigned to.",
}
"""Texts for ``AddressError``, as Django's ``runserver`` has them."""
