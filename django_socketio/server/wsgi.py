"""The WSGI middleware of a server that holds sockets: the engine in front of Django.

A handshake goes through Django (its middleware, then ``view.socketio``); the requests of a session
that exists go to the engine directly, so that a poll that waits holds nothing of Django's.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import DisallowedHost
from django.core.handlers.wsgi import WSGIRequest

from django_socketio.concurrency.wait_set import WaitSet
from django_socketio.concurrency.worker import Pooled
from django_socketio.concurrency.workers import Workers
from django_socketio.protocol.event_stream import CONTENT_TYPE
from django_socketio.security import login_registry, origins
from django_socketio.server import database, hijack
from django_socketio.server.handshake import DirectAnswer, Handshake
from django_socketio.server.handshake_limit import HandshakeLimit
from django_socketio.server.masking import mask_sids
from django_socketio.server.refusals import refuse_cookie, refuse_host, refuse_origin
from django_socketio.sockets.server import SocketServer
from django_socketio.transports.http import Answer, EngineRequest, Environ, RequestError

ENDPOINT = "/socket.io"
"""The end of the paths of all sessions."""

HandOff = Callable[[EngineRequest], bool]


Begin = Callable[[Environ], None]
"""Is called with a request that is answered here."""


def _keep(request: EngineRequest) -> bool:
    return False


def _begin(environ: Environ) -> None:
    """Do nothing."""


IDLE_HTTP_WORKERS = 100
"""Greenlets that wait for an HTTP connection to serve; what is more than that, ends."""


def http_workers(size: int) -> Workers:
    """Return greenlets for HTTP connections, ``size`` at the same time."""
    return Workers(size, database.around_connection, IDLE_HTTP_WORKERS, Pooled)


class SocketIOMiddleware:
    """Wraps Django's WSGI application.

    Args:
        django: the application that everything else is for.
        server: the server of this process, with its sessions.
        hand_off: called first with each request of a session; true where another process of this
            host has taken its connection, so that nothing is left to answer. Raises RequestError
            where the session may be one of a process that cannot be reached.
        max_handshakes: how many may be in Django at the same time.
        begin: called once with each request that is not handed off, before anything answers it.

    Attributes:
        limit: the limit of handshakes in Django.
        open: requests of sessions that are not answered yet.

    """

    def __init__(
        self,
        django: Any,
        server: SocketServer,
        hand_off: HandOff = _keep,
        max_handshakes: int = 100,
        begin: Begin = _begin,
    ) -> None:
        self._django = django
        self._server = server
        self._engine = server.engine
        self._hand_off, self._begin = hand_off, begin
        self.limit = HandshakeLimit(max_handshakes)
        self.open: WaitSet[object] = WaitSet()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        if not environ.get("PATH_INFO", "").rstrip("/").endswith(ENDPOINT):
            self._begin(environ)
            if CONTENT_TYPE in environ.get("HTTP_ACCEPT", ""):
                # Event streams come back all at once after a restart, as sockets do.
                return self._shake_hands(environ, start_response)
            return self._pass_to_django(environ, start_response, None)
        request = EngineRequest.of(environ)
        if request.sid and request.method != "OPTIONS":
            return self._hand_off_or_respond(request, start_response)
        self._begin(environ)
        if request.sid:
            _mask_sid(environ)  # error reports would show it
        return self._shake_hands(environ, start_response)

    # Handshakes, and pages

    def _shake_hands(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        try:
            place = self.limit.enter(environ)
        except RequestError as error:
            return _send(error.answer(), (), start_response)
        return self._pass_to_django(environ, start_response, place)

    def _pass_to_django(
        self, environ: Environ, start_response: Any, place: HandshakeLimit | None
    ) -> Iterable[bytes]:
        hijack.handler_of(environ).pending = Handshake(self._server, place)
        response: Iterable[bytes] = self._django(environ, start_response)
        return response

    # Requests of a session

    def _hand_off_or_respond(self, request: EngineRequest, start_response: Any) -> list[bytes]:
        refusal: Answer | None = None
        try:
            if self._hand_off(request):
                return []
        except RequestError as error:
            refusal = error.answer()
        self._begin(request.environ)
        if refusal is not None:
            return _send(refusal, (), start_response)
        return self._respond(request, start_response)

    def _respond(self, request: EngineRequest, start_response: Any) -> list[bytes]:
        database.give_back()  # what a view before it on this connection has kept
        token = object()
        self.open.add(token)
        try:
            answer, cors = self._answer(request)
        finally:
            self.open.discard(token)
        if answer.hijack is not None:
            hijack.handler_of(request.environ).pending = DirectAnswer(answer)
        return _send(answer, cors, start_response)

    def _answer(self, engine_request: EngineRequest) -> tuple[Answer, origins.Headers]:
        request = WSGIRequest(engine_request.environ)
        try:
            cors = origins.check(request)
        except origins.OriginRefused as error:
            return refuse_origin(error), ()
        except DisallowedHost as error:
            return refuse_host(error), ()
        session = self._engine.sessions.get(engine_request.sid)
        if login_registry.belongs_to(request, session):
            return self._engine.respond(engine_request), cors
        return refuse_cookie(session), cors


def _send(answer: Answer, cors: origins.Headers, start_response: Any) -> list[bytes]:
    length = ("Content-Length", str(len(answer.body)))
    start_response(answer.status_line, [*answer.headers, *cors, length])
    return [answer.body]


def _mask_sid(environ: Environ) -> None:
    for key in ("QUERY_STRING", "RAW_URI", "REQUEST_URI"):
        if key in environ:
            environ[key] = mask_sids(environ[key]).encode().decode("latin-1")  # PEP 3333
