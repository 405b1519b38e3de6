"""The view of ``/socket.io/``: where a handshake has passed all of Django's middleware."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from django_socketio.logs import get_logger
from django_socketio.security import origins
from django_socketio.server.endpoints import MARK
from django_socketio.server.opaque import Opaque
from django_socketio.server.wsgi import ENGINE, HANDSHAKE, Handshake, refuse_origin
from django_socketio.transports.http import NOT_CACHED, Answer, EngineRequest

logger = get_logger("django_socketio.server")

NO_SOCKETS = (
    "This server cannot hold sockets. Run `manage.py runserver_socketio` to develop, or gunicorn "
    "with `-k django_socketio.gunicorn.Worker` in production.\n"
)


@csrf_exempt
def socketio(request: HttpRequest) -> HttpResponse:
    """Answer a handshake; the origin, not a token, is what protects it.

    Raises:
        DisallowedHost: the Host is none of ``ALLOWED_HOSTS``; Django answers 400.

    """
    kept = request.META.get(ENGINE)
    if kept is None:
        logger.error(NO_SOCKETS.strip())
        return _response(Answer(501, NO_SOCKETS.encode()), ())
    try:
        cors = origins.check(request)
    except origins.OriginRefused as error:
        return _response(refuse_origin(error), ())
    if request.method == "OPTIONS":
        return _response(Answer(204, headers=(NOT_CACHED,)), origins.preflight(request, cors))
    if hasattr(request, "session"):
        request.session.keys()  # read here, where a view may wait for the database
    handshake = _handshake_of(request)
    handshake.request = request
    handshake.answer = kept.open().handshake(handshake.engine_request, request)
    return _response(handshake.answer, cors)


setattr(socketio, MARK, True)


def _handshake_of(request: HttpRequest) -> Handshake:
    kept: Opaque[Handshake] | None = request.META.get(HANDSHAKE)
    # Where the view has a path of its own, nobody has made one yet.
    return Handshake(EngineRequest.of(request.META)) if kept is None else kept.open()


def _response(answer: Answer, cors: origins.Headers) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status)
    for name, value in (*answer.headers, *cors):
        response[name] = value
    return response
