"""The view of ``/socket.io/``, and what other views need to accept WebSockets."""

from django.contrib.auth.decorators import login_not_required
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from django_socketio.concurrency import log_limits
from django_socketio.concurrency.log_limits import Every
from django_socketio.logs import get_logger
from django_socketio.server.endpoints import MARK
from django_socketio.server.handshake import Handshake, response_of
from django_socketio.transports.http import Answer
from django_socketio.transports.interfaces import WebSocketListener

logger = get_logger("django_socketio.server")

_complaints = Every(log_limits.INTERVAL)
"""Clients ask as often as they like, and such a server may have no event loop."""

NO_SOCKETS = (
    "This server cannot hold sockets. To develop, run `manage.py runserver_socketio`, or set "
    'SOCKETIO_RUNSERVER = True and list "django_socketio" before "django.contrib.staticfiles" in '
    "INSTALLED_APPS. In production, run gunicorn with `-k django_socketio.gunicorn.Worker`.\n"
)


@csrf_exempt
@login_not_required
@non_atomic_requests
def socketio(request: HttpRequest) -> HttpResponse:
    """Answer a handshake; the rule for origins protects it, not a token.

    ``security/login_required.py`` has the rule for anonymous visitors.

    Raises:
        DisallowedHost: the Host is none of ``ALLOWED_HOSTS``; Django answers 400.

    """
    handshake = Handshake.of(request)
    return _no_sockets() if handshake is None else handshake.answer(request)


setattr(socketio, MARK, True)


def accept(request: HttpRequest, listener: WebSocketListener) -> HttpResponse:
    """Accept a WebSocket in a view; return the view's answer.

    The WebSocket speaks no Engine.IO: its messages go to the listener as they come.

    Args:
        request: the request of the view.
        listener: told when the WebSocket is open, of its messages and of its end.

    Raises:
        DisallowedHost: the Host is none of ``ALLOWED_HOSTS``; Django answers 400.

    """
    handshake = Handshake.of(request)
    return _no_sockets() if handshake is None else handshake.accept(request, listener)


def _no_sockets() -> HttpResponse:
    if _complaints.is_due():
        logger.error(NO_SOCKETS.strip())
    return response_of(Answer(501, NO_SOCKETS.encode()))
