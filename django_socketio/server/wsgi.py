"""The WSGI application of a server that holds sockets: Django, with the engine in front.

A handshake goes through Django (its middleware, then ``views.socketio``); the requests of a session
that exists go to the engine directly, so that a poll that waits holds nothing of Django's.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.wsgi import LimitedStream, WSGIRequest
from django.urls import ResolverMatch
from gevent.lock import BoundedSemaphore

from django_socketio.concurrency.timers import clock
from django_socketio.concurrency.wait_set import WaitSet
from django_socketio.concurrency.worker import Pooled
from django_socketio.concurrency.workers import Workers
from django_socketio.logs import get_logger
from django_socketio.security import login_registry, origins
from django_socketio.server import database, hijack
from django_socketio.server.answers import WSGIAnswer
from django_socketio.server.endpoints import Endpoints
from django_socketio.server.opaque import Opaque
from django_socketio.server.pywsgi import mask_sids
from django_socketio.transports.engine import Engine
from django_socketio.transports.http import Answer, EngineRequest, Environ, ErrorCode, RequestError

logger = get_logger("django_socketio.security")
disallowed_hosts = get_logger("django.security.DisallowedHost")

ENGINE = "django_socketio.engine"
"""Where in an environ the view finds the engine, opaque; only a server of sockets has one."""

HANDSHAKE = "django_socketio.handshake"
"""Where in an environ the view finds its handshake, opaque."""

ENDPOINT = "/socket.io"


class Handshake:
    """A request for a new session, on its way through Django and back.

    It is an object of its own because WSGI applications may give Django a copy of the environ.

    Args:
        engine_request: the request as the engine sees it.

    Attributes:
        answer: the engine's answer; None until the view has been reached.
        request: Django's request, that the answer is for.

    """

    def __init__(self, engine_request: EngineRequest) -> None:
        self.engine_request = engine_request
        self.answer: Answer | None = None
        self.request: Any = None


HandOff = Callable[[EngineRequest], bool]


def _keep(engine_request: EngineRequest) -> bool:
    return False


HANDSHAKE_TIMEOUT = 15.0
"""Seconds that a handshake waits for its place; the official clients give up after 20."""

COMPLAINT_INTERVAL = 10.0
"""Seconds between two entries of the log about handshakes that found no place."""

FULL = (
    "Handshakes are refused (503), having waited %s seconds: %s others (SOCKETIO_WORKERS) are in "
    "the site's middleware, which waits for something"
)

IDLE_HTTP_WORKERS = 100
"""Greenlets that wait for an HTTP connection to serve; what is more than that, ends."""


def http_workers(size: int) -> Workers:
    """Return greenlets for HTTP connections, ``size`` at the same time."""
    return Workers(size, database.around_connection, IDLE_HTTP_WORKERS, Pooled)


class SocketIOMiddleware:
    """Wraps Django's WSGI application.

    Attributes:
        handshake_timeout: seconds that a handshake waits for its place before it is refused.

    Args:
        django: the application that everything else is for.
        engine: the sessions of this process.
        hand_off: called first with each request of a session; true where another process of this
            host has taken its connection, so that nothing is left to answer.
        max_handshakes: how many may be in Django at the same time, so that a thousand clients that
            come back at once do not open a thousand database connections.

    """

    def __init__(
        self,
        django: Any,
        engine: Engine,
        hand_off: HandOff | None = None,
        max_handshakes: int = 100,
    ) -> None:
        self._django = django
        self._engine = engine
        self._opaque_engine = Opaque(engine)
        self._hand_off = hand_off or _keep
        self._endpoints = Endpoints()
        self._max_handshakes = max_handshakes
        self._handshakes = BoundedSemaphore(max_handshakes)
        self._next_complaint = 0.0
        self.handshake_timeout = HANDSHAKE_TIMEOUT
        self.open: WaitSet[object] = WaitSet()
        """Requests of sessions that are not answered yet."""

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        environ[ENGINE] = self._opaque_engine
        if not environ.get("PATH_INFO", "").rstrip("/").endswith(ENDPOINT):
            pages: Iterable[bytes] = self._django(environ, start_response)
            return pages
        engine_request = EngineRequest.of(environ)
        if engine_request.sid and engine_request.method != "OPTIONS":
            if self._hand_off(engine_request):
                return []
            return self._respond(engine_request, start_response)
        return self._shake_hands(engine_request, start_response)

    # Requests of a session

    def _respond(self, engine_request: EngineRequest, start_response: Any) -> list[bytes]:
        database.give_back()  # what a view before it on this connection has kept
        token = object()
        self.open.add(token)
        try:
            answer, headers = self._answer(engine_request)
        finally:
            self.open.discard(token)
        if answer.hijack is not None:
            hijack.hijack(engine_request.environ, answer, headers)
            return []
        start_response(answer.status_line, headers)
        return [answer.body]

    def _answer(self, engine_request: EngineRequest) -> tuple[Answer, list[tuple[str, str]]]:
        request = WSGIRequest(engine_request.environ)
        try:
            cors = origins.check(request)
        except origins.OriginRefused as error:
            answer, cors = refuse_origin(error), ()
        except DisallowedHost as error:
            answer, cors = refuse_host(error), ()
        else:
            session = self._engine.sessions.get(engine_request.sid)
            if login_registry.belongs_to(request, session):
                answer = self._engine.respond(engine_request)
            else:
                answer = refuse_cookie(session)
        length = () if answer.status == 101 else (("Content-Length", str(len(answer.body))),)
        return answer, [*answer.headers, *cors, *length]

    # Handshakes

    def _shake_hands(self, engine_request: EngineRequest, start_response: Any) -> Iterable[bytes]:
        environ = engine_request.environ
        if engine_request.sid:  # of a preflight; error reports would show it
            _mask_sid(environ)
        handshake = Handshake(engine_request)
        environ[HANDSHAKE] = Opaque(handshake)
        try:
            with self._place(environ):
                response = WSGIAnswer(self._django, environ)
                database.give_back()
        except RequestError as error:
            return _send(error.answer(), start_response)
        finally:
            del environ[HANDSHAKE]  # which refers to it
        answer = handshake.answer
        # Where middleware, or an error, had another answer, the handshake never happened.
        if answer is not None and response.status.startswith(str(answer.status)):
            trim(handshake.request)
            if answer.hijack is not None:
                try:
                    hijack.hijack(environ, answer, response.headers)
                finally:
                    response.close()
                return []
            environ.pop(hijack.KEY, None)
            if answer.on_sent is not None:
                answer.on_sent()
        return response.send(start_response)

    @contextmanager
    def _place(self, environ: Environ) -> Iterator[None]:
        """Have a place among the handshakes that are in Django, if the path is the view's.

        Raises:
            RequestError: the request has a body, for which a middleware would wait, or no place has
                become free.

        """
        if not self._endpoints.has(environ):
            yield  # a page, whatever its path looks like
            return
        if _has_body(environ):
            raise _refused("A handshake has no body")
        if not self._handshakes.acquire(timeout=self.handshake_timeout):
            self._say_full()
            raise RequestError(ErrorCode.BAD_REQUEST, "Too many handshakes wait; try again", 503)
        try:
            yield
        finally:
            self._handshakes.release()

    def _say_full(self) -> None:
        now = clock()
        if now >= self._next_complaint:
            self._next_complaint = now + COMPLAINT_INTERVAL
            logger.error(FULL, self.handshake_timeout, self._max_handshakes)


def _refused(problem: str) -> RequestError:
    logger.info("Refused a handshake: %s", problem)
    return RequestError(ErrorCode.BAD_REQUEST, problem)


def _has_body(environ: Environ) -> bool:
    length = environ.get("CONTENT_LENGTH") or "0"
    return length.strip("0") != "" or "HTTP_TRANSFER_ENCODING" in environ


def _send(answer: Answer, start_response: Any) -> list[bytes]:
    length = ("Content-Length", str(len(answer.body)))
    start_response(answer.status_line, [*answer.headers, length])
    return [answer.body]


def _mask_sid(environ: Environ) -> None:
    for key in ("QUERY_STRING", "RAW_URI", "REQUEST_URI"):
        if key in environ:
            environ[key] = mask_sids(environ[key]).encode().decode("latin-1")  # PEP 3333


_NOTHING: Any = LimitedStream(BytesIO(), 0)

_OF_THE_CONNECTION = frozenset(
    {
        ENGINE,
        HANDSHAKE,
        "HTTP_CONNECTION",
        "HTTP_SEC_WEBSOCKET_EXTENSIONS",
        "HTTP_SEC_WEBSOCKET_KEY",
        "HTTP_UPGRADE",
        "gunicorn.sock",
        "gunicorn.socket",
        "wsgi.errors",
        "wsgi.file_wrapper",
        "wsgi.input_terminated",
        hijack.KEY,
    }
)
"""What an environ holds of the connection and the server, not of the request."""


def trim(request: WSGIRequest) -> None:
    """Let a request go of what it no longer needs: it is kept as long as its socket lives.

    What the requests of many sockets have in common, they share.
    """
    meta = {
        key: share(value) if type(value) is str else value
        for key, value in request.META.items()
        if key not in _OF_THE_CONNECTION
    }
    meta["wsgi.input"] = _NOTHING
    request.META = request.environ = meta
    request._stream = _NOTHING
    request.__dict__.pop("headers", None)  # made again for who asks for it
    request.resolver_match = _shared(request.resolver_match)


SHARED_LENGTH, SHARED_STRINGS = 1_000, 2_000
"""Characters of a string that is shared, and how many strings are."""

_strings: dict[str, str] = {}


def share(text: str) -> str:
    """Return an equal string that other requests have too, if there is one.

    Not ``sys.intern``: Python 3.12 never frees what was interned.
    """
    if len(text) > SHARED_LENGTH:
        return text
    if len(_strings) >= SHARED_STRINGS:
        _strings.clear()
    return _strings.setdefault(text, text)


def _shared(match: ResolverMatch | None) -> ResolverMatch | None:
    """Return what is equal to a match, and the same for all requests that it is equal for."""
    if match is None or match.args or match.kwargs:
        return match
    return _MATCHES.setdefault((match.route, match.view_name), match)


_MATCHES: dict[tuple[str, str], ResolverMatch] = {}


def refuse_cookie(session: object) -> Answer:
    """Log that a request has another session cookie than its session, and refuse it."""
    name = settings.SESSION_COOKIE_NAME
    logger.warning("%r: a request refused: its cookie %r is another one, or missing", session, name)
    text = "Forbidden: the session belongs to another session cookie; connect again"
    return RequestError(ErrorCode.FORBIDDEN, text, 403).answer()


def refuse_host(error: DisallowedHost) -> Answer:
    """Log that a Host is none of ``ALLOWED_HOSTS`` where Django does, and refuse it.

    Without the request, and without the frames that show it: its URL holds the session's sid.
    """
    disallowed_hosts.error("%s", error, extra={"status_code": 400})
    return RequestError(ErrorCode.BAD_REQUEST, "Host not allowed").answer()


def refuse_origin(error: origins.OriginRefused) -> Answer:
    """Log why a page must not connect; the client learns only that."""
    logger.warning("%s", error)
    return RequestError(ErrorCode.FORBIDDEN, "Forbidden origin", 403).answer()
