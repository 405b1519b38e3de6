"""gevent's pywsgi, reading HTTP requests from connections that may be hijacked from it."""

import re
from collections.abc import Iterator
from contextlib import closing
from socket import AF_UNIX, IPPROTO_TCP, TCP_NODELAY
from time import time
from typing import Any

from gevent import Timeout, kill
from gevent.pywsgi import WSGIServer
from greenlet import getcurrent, greenlet

from django_socketio.concurrency.timers import Timers, clock
from django_socketio.concurrency.turns import turns_of_hub
from django_socketio.concurrency.workers import Workers
from django_socketio.protocol.http.fields import Fields, HeadLimits, HeadRefused, read_fields
from django_socketio.server import hijack
from django_socketio.server.body import Body
from django_socketio.server.chunked import read_chunks
from django_socketio.server.client_faults import ClientFaults
from django_socketio.server.compat.gevent import InvalidClientInput
from django_socketio.server.deadlines import TLS_OVERDUE, Deadlines, Timeouts
from django_socketio.server.framing import FramedAnswers
from django_socketio.server.handoff.descriptors import HandedConnection
from django_socketio.server.handoff.offers import Offer
from django_socketio.server.masking import mask_sids
from django_socketio.server.opaque import Opaque
from django_socketio.server.stream import Stream

IDLE = 0.5
"""Seconds without a request, after which ``close_if_idle`` closes a connection."""

CLOSED = "Closed a connection (from %s): %s"
NO_TLS = "A TLS handshake failed (from %s): %s"

NO_FIELDS = Fields()
"""The header fields of a request whose head has not been read."""

# request-line = method SP request-target SP HTTP-version (RFC 9112, section 3)
_REQUEST_LINE = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [^\x00-\x20\x7f]+ HTTP/1\.[0-9]\r?\n")


class RequestHandler(FramedAnswers):
    """Reads the HTTP requests of one connection, until it is hijacked or handed off."""

    status: Any
    response_headers: Any
    handed_off = False
    """Whether another process goes on with the connection, and answers the request."""
    once = False
    """Whether the connection is closed after this request."""
    head: list[bytes]
    """The lines that were read of the current request, as they came."""
    pending: hijack.PendingAnswer | None = None
    """Set by the application: asked before the head of an answer is sent."""

    def __init__(
        self, sock: Any, address: Any, server: "HTTPServer", received: bytes = b""
    ) -> None:
        super().__init__(sock, address, server, Stream(sock, received, server.turns))
        self.deadlines = Deadlines(sock, self.rfile)
        self._lost: OSError | None = None
        """The error by which an answer ended before it was sent."""
        self._waits_since: float | None = None

    def read_requestline(self) -> str:
        """Wait for a request; nothing of the one before stays for the log."""
        self.environ = self.response_headers = self._orig_status = None
        self.headers = NO_FIELDS
        self.rfile.give_turn()
        self._waits_since = clock()
        self.deadlines.reads_head = True
        self.rfile.begin()
        self.server.give_back_if_idle(self.rfile.comes_within)
        line: str = super().read_requestline()
        self._waits_since = None
        self.time_start = time()
        return line

    def close_if_idle(self) -> None:
        """Close the connection if no request has come on it for a while."""
        if self._waits_since is not None and clock() - self._waits_since >= IDLE:
            self.deadlines.end_reading()

    def read_request(self, raw_requestline: str) -> bool:
        """Read the request's head, and keep it as it came.

        Raises:
            ValueError: it is no request; anything else, pywsgi would print with its traceback.

        """
        limit = self.server.head_limits.line
        if len(raw_requestline.rstrip("\r\n")) > limit:
            raise HeadRefused(414, f"a request line of more than {limit} bytes")
        if _REQUEST_LINE.fullmatch(raw_requestline) is None:
            raise ValueError(
                f"a request begins with method, target and HTTP/1.1, not {raw_requestline[:60]!r}"
            )
        self.head = [raw_requestline.encode("latin-1")]
        read: bool = super().read_request(raw_requestline)
        # pywsgi compares the first Connection field as a whole.
        keeps = self.headers.keeps_connection
        self.close_connection = not (self.request_version == "HTTP/1.1" if keeps is None else keeps)
        self.deadlines.reads_head = False
        self.rfile.count()
        return read

    def _check_fields(self, fields: Fields) -> None:
        """Refuse what another server on the way may have read otherwise (RFC 9112, 3.2 and 6).

        Raises:
            ValueError: it is such a request; pywsgi answers 400.

        """
        hosts = len(fields.get_all("host"))
        if hosts > 1 or (hosts == 0 and self.request_version == "HTTP/1.1"):
            raise ValueError(f"a request with {hosts} Host fields, one is expected")
        lengths = set(fields.get_all("content-length"))
        if len(lengths) > 1 or not all(map(str.isdecimal, lengths)):
            raise ValueError(f"a Content-Length is one number, not {sorted(lengths)!r:.100}")
        codings = fields.get_all("transfer-encoding")
        if [coding.lower() for coding in codings] not in ([], ["chunked"]):
            raise ValueError(f"a Transfer-Encoding is chunked, not {codings!r:.100}")
        if codings and (lengths or self.request_version != "HTTP/1.1"):
            # Section 6.1: a server or proxy before this one may have gone by the other.
            raise ValueError("a Transfer-Encoding with a Content-Length, or in HTTP/1.0")

    def MessageClass(self, rfile: Stream, *args: Any) -> Fields:  # noqa: N802
        """Read the header fields."""
        fields = read_fields(rfile, self.head, self.server.head_limits)
        self._check_fields(fields)
        return fields

    def _handle_client_error(self, error: Exception) -> tuple[str, bytes]:
        if isinstance(error, OSError) and not isinstance(error, InvalidClientInput):
            raise error  # of the connection: there is no client to be answered
        refusal: tuple[str, bytes] = super()._handle_client_error(error)
        if isinstance(error, HeadRefused):
            line = f"HTTP/1.1 {error.status.value} {error.status.phrase}\r\n"
            fields = "Connection: close\r\nContent-Length: 0\r\n\r\n"
            return str(error.status.value), (line + fields).encode()
        return refusal

    def _headers(self) -> Iterator[tuple[str, str]]:
        # pywsgi would take lines apart that were made for it from names and values.
        fields: Iterator[tuple[str, str]] = self.headers.environ()
        return fields

    def get_environ(self) -> dict[str, Any]:
        """Return the environ, from which the connection can be hijacked."""
        environ: dict[str, Any] = super().get_environ()
        self.wsgi_input.__class__ = Body
        if self.wsgi_input.chunked_input:
            self.wsgi_input.rfile = read_chunks(self.rfile)
        # Also where an upgrade is asked for: gevent gives the connection itself to the application
        # then, and takes the body for unread afterwards, with the next request in its place.
        environ["wsgi.input"], environ["wsgi.input_terminated"] = self.wsgi_input, True
        environ[hijack.KEY] = Opaque(self)
        return environ

    def finalize_headers(self) -> None:
        """Complete the head of an answer, which may be the last one on the connection."""
        self.close_connection = self.close_connection or self.once or self.server.stopping
        super().finalize_headers()

    def run_application(self) -> None:
        """Have the application answer, and nothing of the request stay behind."""
        environ: dict[str, Any] = self.environ or {}
        try:
            super().run_application()
        finally:
            # Also where the application has caught the error: what comes is no request.
            self.close_connection = self.close_connection or self.has_broken_body()
            environ.pop(hijack.KEY, None)  # the handler refers to the environ
            pending, self.pending = self.pending, None
            if pending is not None:
                pending.end()

    def process_result(self) -> None:
        """Send what the application returns.

        Raises:
            AssertionError: the application has begun no answer.

        """
        super().process_result()
        if not self.headers_sent:
            raise self.ApplicationError("The application did not call start_response()")

    def _write_with_headers(self, data: bytes) -> None:
        if self.pending is None or not self.pending.commit(self):
            super()._write_with_headers(data)

    def _sendall(self, data: bytes | bytearray) -> None:
        try:
            self.deadlines.sending.send_all(data)
        except OSError as error:
            self._lost = error
            self.status = f"socket error: {error}"  # for the access log, as pywsgi has it
            self.code = -abs(self.code)
            raise
        self.response_length += len(data)

    def handle_error(self, kind: Any, error: Any, traceback: Any) -> None:
        """Report an error of the application; a client that has gone is none."""
        if error is self._lost:
            self.close_connection = True
        else:
            super().handle_error(kind, error, traceback)

    def log_error(self, msg: str, *args: object) -> None:
        """Log what was wrong with a request, without its sid."""
        if self.deadlines.overdue is None:  # that is logged once the connection is closed
            self.server.faults.warning(msg, *(mask_sids(str(arg)) for arg in args))


class HTTPServer(WSGIServer):
    """Accepts connections, and knows which of them are open.

    Args:
        http_workers: the greenlets that serve connections, each one after the other: a new greenlet
            would take longer to make than some requests take to be answered.

    """

    handler_class = RequestHandler
    head_limits = HeadLimits()
    max_accept = 16
    stopping = False
    faults: ClientFaults
    timeouts: Timeouts

    def __init__(self, *args: Any, http_workers: Workers, **options: Any) -> None:
        super().__init__(*args, **options)
        # Not before gevent has patched: Django would share connections between greenlets.
        from django_socketio.server.database import give_back_if_idle

        self.give_back_if_idle = give_back_if_idle
        self._http_workers = http_workers
        self.connections: dict[RequestHandler, greenlet] = {}
        self.turns = turns_of_hub()

    def set_listener(self, listener: Any) -> None:
        """Listen on a socket; the connections that it accepts send what they have at once."""
        super().set_listener(listener)
        if listener.family != AF_UNIX:
            listener.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # which they inherit

    def full(self) -> bool:
        """Return whether there are as many connections as can be served."""
        return self._http_workers.are_busy

    def do_handle(self, sock: Any, address: Any) -> None:
        """Have a connection served that was accepted here."""
        self._http_workers.spawn(self._handle, sock, address)

    def handle(self, sock: Any, address: Any) -> None:
        """Serve a connection that was accepted here."""
        self._serve(self.handler_class(sock, address, self))

    def spawn_offered(self, offer: Offer) -> None:
        """Have a connection served that another process offers, once there is a place for it."""
        self._http_workers.spawn(self._serve_offered, offer)

    def _serve_offered(self, offer: Offer) -> None:
        if offer.take():
            self.serve_handed(offer.handed)
        else:
            self._start_accepting_if_started()  # the offer may have stood for the last place

    def serve_handed(self, handed: HandedConnection) -> None:
        """Serve a connection that another process accepted."""
        with handed.socket as sock:
            handler = self.handler_class(sock, handed.address, self, handed.received)
            handler.once = handler.deadlines.is_carried = handed.once
            self._serve(handler)

    def _serve(self, handler: RequestHandler) -> None:
        self.connections[handler] = getcurrent()
        try:
            handler.handle()
        except OSError:
            pass  # of the connection: its client has gone
        finally:
            del self.connections[handler]
            self._start_accepting_if_started()
        if overdue := handler.deadlines.overdue:
            self.faults.info(CLOSED, handler.client_address, overdue)

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> None:
        """Serve a connection that begins with a TLS handshake."""
        try:
            with Timeout(self.timeouts.request, TimeoutError):
                connection = self.wrap_socket(client_socket, **self.ssl_args)
        except TimeoutError:
            self.faults.info(CLOSED, address, TLS_OVERDUE % self.timeouts.request)
        except OSError as error:
            self.faults.info(NO_TLS, address, error)
        else:
            with closing(connection):
                self.handle(connection, address)
        finally:
            self._start_accepting_if_started()  # the handshake may have taken the last place

    def close(self) -> None:
        """Stop accepting; each connection is closed after the request that it carries."""
        self.stopping = True
        super().close()

    def stop(self, timeout: float | None = None) -> None:
        """Stop accepting, and serving."""
        super().stop(timeout)
        for worker in self.connections.values():
            kill(worker)

    def watch(self, timers: Timers, timeouts: Timeouts) -> None:
        """Close, from now on, the connections of clients that take too long, and log faults.

        Args:
            timers: call back when it is time to look.
            timeouts: what clients have.

        """
        self.faults, self.timeouts = ClientFaults(self.error_log, timers), timeouts

        def look(now: float) -> float:
            for handler in list(self.connections):
                handler.deadlines.look(now, timeouts)
            return now + timeouts.pause

        timers.set(clock() + timeouts.pause, look)

    def close_idle(self) -> None:
        """Close the connections that have carried no request for a while."""
        for handler in list(self.connections):
            handler.close_if_idle()
