"""Handshakes: requests that begin a session or a WebSocket, as they pass through Django."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from django.http import HttpRequest, HttpResponse

from django_socketio.security import login_required, origins
from django_socketio.server import database, hijack, locales
from django_socketio.server.kept_request import trim
from django_socketio.server.refusals import refuse_anonymous, refuse_origin
from django_socketio.sockets.server import SocketServer
from django_socketio.transports.event_stream import EventStreamTransport
from django_socketio.transports.http import (
    NOT_CACHED,
    Answer,
    EngineRequest,
    ErrorCode,
    RequestError,
)
from django_socketio.transports.interfaces import WebSocketListener

WRONG_PATH = "Requests of a session come to a path that ends with /socket.io/"


class Place(Protocol):
    """A place among the handshakes that may be in Django at the same time."""

    def release(self) -> None:
        """Give the place to another handshake."""


class Handshake:
    """A request's chance to begin a session or a WebSocket.

    The WSGI middleware makes one for each request that it hands to Django. A view leaves an answer
    in it (``answer``, ``accept``). The server commits it when it is about to send the head of an
    answer: only then is it certain that no middleware, WSGI application or error has put another
    answer in the place of the view's.

    Args:
        server: the server of this process.
        place: the place that the request takes up in Django; None where there is none.

    """

    __slots__ = ("_answer", "_place", "_request", "server")

    def __init__(self, server: SocketServer, place: Place | None) -> None:
        self.server = server
        self._place = place
        self._answer: Answer | None = None
        self._request: Any = None

    @staticmethod
    def of(request: HttpRequest) -> "Handshake | None":
        """Return the handshake of a request; None where the server cannot hold sockets."""
        if hijack.KEY not in request.META:
            return None
        handshake: Handshake | None = hijack.handler_of(request.META).pending
        return handshake

    # For views

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer an Engine.IO handshake, or a preflight request for one.

        Raises:
            DisallowedHost: the Host is none of ``ALLOWED_HOSTS``; Django answers 400.

        """
        return self._leave(request, lambda seen: self._begin_session(seen, request))

    def accept(
        self,
        request: HttpRequest,
        listener: WebSocketListener,
        subprotocols: Sequence[str] | None = None,
    ) -> HttpResponse:
        """Answer the handshake of a WebSocket that is not Engine.IO's.

        The rule for origins, the rate of new connections and the limits of messages are those of
        sockets.

        Args:
            request: the request of the view.
            listener: told when the WebSocket is open, of its messages and of its end.
            subprotocols: see ``protocol.websocket.handshake.accept``.

        Raises:
            DisallowedHost: the Host is none of ``ALLOWED_HOSTS``; Django answers 400.

        """
        engine = self.server.engine
        return self._leave(request, lambda seen: engine.accept(seen, listener, subprotocols))

    def stream(
        self, request: HttpRequest, begin: Callable[[EventStreamTransport], None]
    ) -> HttpResponse:
        """Answer a request for an event stream.

        Args:
            request: the request of the view.
            begin: gets the connection, once the head of the answer is about to be sent.

        Raises:
            DisallowedHost: the Host is none of ``ALLOWED_HOSTS``; Django answers 400.

        """
        return self._leave(request, lambda seen: self.server.engine.stream(seen, begin))

    def _begin_session(self, seen: EngineRequest, request: HttpRequest) -> Answer:
        if seen.sid:
            return RequestError(ErrorCode.BAD_REQUEST, WRONG_PATH).answer()
        if login_required.must_log_in(request):
            return refuse_anonymous()
        return self.server.engine.handshake(seen, request)

    def _leave(
        self, request: HttpRequest, answer: Callable[[EngineRequest], Answer]
    ) -> HttpResponse:
        try:
            cors = origins.check(request)
        except origins.OriginRefused as error:
            return response_of(refuse_origin(error))
        if request.method == "OPTIONS":
            return response_of(Answer(204, headers=(NOT_CACHED,)), origins.preflight(request, cors))
        if hasattr(request, "session"):
            request.session.keys()  # read here, where a view may wait for the database
        locales.note(request)
        self._request = request
        self._answer = answer(EngineRequest.of(request.META))
        return response_of(self._answer, cors)

    # For the server

    def commit(self, handler: Any) -> bool:
        """Begin what the view has answered, for the head of an answer is about to be sent.

        Nothing begins where the view was not reached, or the answer has another status than the
        view's. Return whether the connection is hijacked: the head is then for the application to
        send.
        """
        answer = self.take(handler.code)
        if answer is None or not _has_type_of(answer, handler):
            return False
        database.give_back()
        return begin(answer, handler)

    def take(self, status: int | None) -> Answer | None:
        """Take the answer of the view; None if the answer to be sent, of this status, is another.

        The request keeps nothing of its connection from here on.
        """
        answer, self._answer = self._answer, None
        self.end()
        if answer is None or answer.status != status:
            return None
        trim(self._request)
        return answer

    def end(self) -> None:
        """Give the request's place in Django to another one."""
        place, self._place = self._place, None
        if place is not None:
            place.release()


def _has_type_of(answer: Answer, handler: Any) -> bool:
    """Return whether an answer has the type of the view's; one of another type is another answer.

    A middleware may answer with a page of the status 200 in the place of an event stream.
    """
    expected = dict(answer.headers).get("Content-Type")
    if answer.hijack is None or expected is None:
        return True
    fields = {name.lower(): value for name, value in handler.response_headers}
    return bool(fields.get(b"content-type", b"").startswith(expected.encode()))


class DirectAnswer:
    """The engine's answer to a request of a session, which does not pass Django."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def commit(self, handler: Any) -> bool:
        """Begin what is to follow the answer; return whether the connection is hijacked."""
        return self._answer.status == handler.code and begin(self._answer, handler)

    def end(self) -> None:
        """Do nothing: the request takes up no place."""


def begin(answer: Answer, handler: Any) -> bool:
    """Begin what is to follow an answer that is given; return whether it hijacks its connection."""
    if answer.hijack is not None:
        hijack.hijack(handler, answer.hijack)
        return True
    if answer.on_send is not None:
        answer.on_send()
    return False


def response_of(answer: Answer, cors: origins.Headers = ()) -> HttpResponse:
    """Return an answer of the engine as a view returns it, with the header fields of CORS."""
    return HttpResponse(answer.body, status=answer.status, headers=dict((*answer.headers, *cors)))
