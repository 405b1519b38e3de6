"""Requests under gunicorn: its environ, its access log, its hooks."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django_socketio.server import hijack
from django_socketio.server.compat.gunicorn import PostRequest, PreRequest
from django_socketio.server.gunicorn.forwarding import Forwarded, Forwarding
from django_socketio.server.masking import mask_values
from django_socketio.server.pywsgi import HTTPServer, RequestHandler
from django_socketio.transports.http import Environ

if TYPE_CHECKING:
    from gunicorn.workers.base import Worker


class Request(NamedTuple):
    """A request, as ``pre_request`` and ``post_request`` get it."""

    method: str
    uri: str
    """As it came."""
    path: str
    query: str
    version: tuple[int, int]
    headers: list[tuple[str, str]]
    """Names in upper case, and values."""
    scheme: str
    peer_addr: Any
    remote_addr: Any

    @classmethod
    def of(cls, handler: "GunicornHandler") -> "Request":
        """Return the request that a handler has read."""
        environ: Environ = handler.environ or {}
        address = handler.client_address
        path, _, query = handler.path.partition("?")
        return cls(
            environ["REQUEST_METHOD"],
            handler.path,
            path,
            query,
            (1, 0) if environ["SERVER_PROTOCOL"] == "HTTP/1.0" else (1, 1),
            [(name.upper(), value) for name, value in handler.headers.items()],
            environ["wsgi.url_scheme"],
            address,
            address,
        )


class Response:
    """A response, as gunicorn's access log and ``post_request`` get it."""

    headers_sent = True

    def __init__(self, handler: "GunicornHandler") -> None:
        status = handler.status
        self.status: str = status.decode() if isinstance(status, bytes) else str(status)
        code = self.status.partition(" ")[0]
        self.status_code = int(code) if code.isdecimal() else 0
        self._headers: list[tuple[bytes, bytes]] = handler.response_headers or []
        self.sent: int = handler.response_length

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The names and values of the header fields, as the application gave them."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._headers]


class GunicornHandler(RequestHandler):
    """Reads, counts and logs requests as gunicorn's settings want it."""

    server: "GunicornServer"
    hooked: Request | None = None
    """The request that ``pre_request`` was called with, until ``post_request`` is."""
    forwarded: Forwarded

    def read_request(self, raw_requestline: str) -> bool:
        """Read the request's head, and what proxies say in it.

        Raises:
            ValueError: it is no request, or none that gunicorn's settings admit.

        """
        read = super().read_request(raw_requestline)
        address = self.client_address
        self.forwarded = self.server.forwarding.read(self.headers, address, self.path)
        return read

    def _headers(self) -> Any:
        yield from super()._headers()
        for name, value in self.forwarded.fields:
            yield f"HTTP_{name.replace('-', '_').upper()}", value

    def get_environ(self) -> Environ:
        """Return the environ, with what gunicorn adds."""
        environ = super().get_environ()
        environ["gunicorn.sock"] = self.socket
        environ["RAW_URI"] = self.path
        scheme, script_name, path_info, _ = self.forwarded
        if scheme is not None:
            environ["wsgi.url_scheme"] = scheme
        if path_info is not None:
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = script_name, path_info
        return environ

    def log_request(self) -> None:
        """Count the request and log it as gunicorn does, without its sid."""
        if self.handed_off:
            return
        self.server.worker.count_request()
        response = Response(self)
        duration = timedelta(seconds=max(self.time_finish - self.time_start, 0))
        headers = mask_values(dict(self.headers.items()))
        self.server.log.access(response, headers, self._logged_environ(), duration)
        self.server.hooks.after(self, response)

    def _logged_environ(self) -> Environ:
        if self.environ is not None:
            return mask_values(self.environ)
        # It was no request that could be read: gunicorn's formats want these all the same.
        words = [*(self.requestline or "").split(), "", "", ""]
        names = ("REQUEST_METHOD", "RAW_URI", "SERVER_PROTOCOL")
        address = str(self.client_address[0]) if self.client_address else ""
        return mask_values({"REMOTE_ADDR": address, **dict(zip(names, words, strict=False))})


class Hooks:
    """Calls ``pre_request`` and ``post_request``, each once for a request that is answered here.

    A request that is handed to another worker is one of that worker's.
    """

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._pre, self._post = worker.cfg.pre_request, worker.cfg.post_request
        defaults = (PreRequest.default, PostRequest.default)
        # gunicorn's own pre_request writes to the log of debugging.
        self._are_set = (self._pre, self._post) != defaults or worker.cfg.loglevel == "debug"

    def before(self, environ: Environ) -> None:
        """Call ``pre_request``, if it does anything."""
        if not self._are_set:
            return
        handler: GunicornHandler = hijack.handler_of(environ)
        handler.hooked = Request.of(handler)
        self._pre(self._worker, handler.hooked)

    def after(self, handler: GunicornHandler, response: Response) -> None:
        """Call ``post_request``, if ``pre_request`` was called."""
        request, handler.hooked = handler.hooked, None
        if request is None:
            return
        try:
            self._post(self._worker, request, handler.environ, response)
        except Exception:
            self._worker.log.exception("Exception in post_request hook")


class GunicornServer(HTTPServer):
    """Accepts connections on one of gunicorn's listeners."""

    worker: "Worker"
    forwarding: Forwarding
    hooks: Hooks
    number = 0
    """Among the worker's listeners."""
