"""The answers to requests for event streams, on each kind of server."""

from copy import copy
from functools import partial
from socketserver import BaseServer
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string
from gevent import monkey

from django_socketio.concurrency import log_limits
from django_socketio.concurrency.log_limits import Every
from django_socketio.concurrency.stacks import is_running
from django_socketio.logs import get_logger
from django_socketio.security import origins
from django_socketio.server.compat.django import is_of_test_client
from django_socketio.server.handshake import Handshake, response_of
from django_socketio.server.refusals import refuse_origin
from django_socketio.sockets.server import SocketServer
from django_socketio.streams import host
from django_socketio.streams.connections import connection_of
from django_socketio.streams.contents import AsyncContent, Queue, SyncContent
from django_socketio.streams.copies import Copies
from django_socketio.streams.stream import EventStream, Plan, Transport
from django_socketio.transports.event_stream import HEADERS
from django_socketio.transports.http import Answer, EngineRequest

logger = get_logger("django_socketio.streams")

_complaints = Every(log_limits.INTERVAL)

NO_STREAMS = (
    "This server answers one request at a time: an event stream would keep it from all others. In "
    "production, run gunicorn with `-k django_socketio.gunicorn.Worker`, or with threads, gevent "
    "or an ASGI worker. To develop, run `manage.py runserver_socketio`, or runserver without "
    "--nothreading.\n"
)


def stream(request: HttpRequest, plan: Plan) -> HttpResponseBase:
    """Answer a request for an event stream.

    Raises:
        DisallowedHost: the Host is none of ``ALLOWED_HOSTS``; Django answers 400.

    """
    handshake = Handshake.of(request)
    if handshake is not None and handshake.server.engine.can_upgrade and request.method == "GET":
        return handshake.stream(request, partial(_begin, handshake.server, plan, request))
    try:
        cors = origins.check(request)
    except origins.OriginRefused as error:
        return response_of(refuse_origin(error))
    if request.method == "HEAD":
        return response_of(Answer(200, b"", HEADERS), cors)
    if handshake is None and not can_stream(request):
        return _no_streams()
    return _streaming(request, plan, None if handshake is None else handshake.server, cors)


def preflight(request: HttpRequest) -> HttpResponseBase:
    """Answer a preflight request: of a page that reads the stream by ``fetch``."""
    try:
        cors = origins.check(request)
    except origins.OriginRefused as error:
        return response_of(refuse_origin(error))
    fields = (("Allow", "GET, HEAD, OPTIONS"), *origins.preflight(request, cors))
    return response_of(Answer(204, headers=HEADERS[1:2]), fields)


def _begin_queued(server: SocketServer, plan: Plan, request: HttpRequest, queue: Queue) -> None:
    with server.engine.accepted.beginning(queue):
        _begin(server, plan, request, queue)


def _begin(server: SocketServer, plan: Plan, request: HttpRequest, transport: Transport) -> None:
    server.part(Copies)
    try:
        EventStream(server, plan, transport, request)
    except BaseException:
        transport.close()
        raise


# On other servers


def can_stream(request: HttpRequest) -> bool:
    """Return whether the server answers other requests while it sends a stream."""
    if isinstance(request, ASGIRequest) or is_of_test_client(request):
        return True
    if monkey.is_module_patched("threading"):
        return True
    return bool(request.META.get("wsgi.multithread")) and not _is_in_loop_of_server()


def _is_in_loop_of_server() -> bool:
    """Return whether this thread answers each request of a ``socketserver`` (``runserver``).

    ``wsgiref``, on which Django's development server is built, says that it has threads also where
    it has none. The stack tells: servers with threads have another method in this place.
    """
    return is_running(BaseServer.process_request.__code__)


def _no_streams() -> HttpResponseBase:
    if _complaints.is_due():
        logger.error(NO_STREAMS.strip())
    return response_of(Answer(501, NO_STREAMS.encode()))


def _streaming(
    request: HttpRequest, plan: Plan, server: SocketServer | None, cors: origins.Headers
) -> HttpResponseBase:
    in_test = is_of_test_client(request)
    server = server or (_server_of_test() if in_test else host.server_of_process())
    refusal = server.engine.refuse_stream(_as_seen(request))
    if refusal is not None:
        return response_of(refusal, cors)
    if hasattr(request, "session"):
        request.session.keys()  # read here, where a view may wait for the database
    content = _content(request, plan, server, in_test)
    if in_test:
        content.begin()  # a test publishes, then reads
    # Middleware that compresses would keep events until there are enough bytes.
    request.META.pop("HTTP_ACCEPT_ENCODING", None)
    return StreamResponse(content, headers=dict((*HEADERS, *cors)))


class StreamResponse(StreamingHttpResponse):
    """A response with an event stream.

    Attributes:
        event_stream: its content, for the tools of tests.

    """

    def __init__(self, content: SyncContent | AsyncContent, **options: Any) -> None:
        super().__init__(content, **options)
        self.event_stream = content


def _content(
    request: HttpRequest, plan: Plan, server: SocketServer, in_test: bool
) -> SyncContent | AsyncContent:
    # Django goes on to use the request, whose user and session a stream reads anew.
    begin = partial(_begin_queued, server, plan, copy(request))
    limits, schedule = server.limits, _call if in_test else partial(host.schedule, server)
    if isinstance(request, ASGIRequest):
        return AsyncContent(limits.max_unsent_bytes, begin, schedule, is_endless=not in_test)
    if not in_test:
        schedule = partial(_give_back_and_schedule, server)
    content = SyncContent(limits.max_unsent_bytes, begin, schedule, is_endless=not in_test)
    timeout = limits.ping_interval + limits.ping_timeout
    content.connection = connection_of(request.META, timeout)
    return content


def _give_back_and_schedule(server: SocketServer, function: Any, *args: Any) -> None:
    """Have a function called where streams live; this thread needs no database for a long time."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
    host.schedule(server, function, *args)


def _call(function: Any, *args: Any) -> None:
    function(*args)


def _server_of_test() -> SocketServer:
    # The tools for tests are above this module, and are imported in tests only.
    kind = import_string("django_socketio.testing.server.InlineServer")
    server: SocketServer = kind.of_test().sockets
    return server


def _as_seen(request: HttpRequest) -> EngineRequest:
    return EngineRequest(request.method or "GET", {}, request.META)
