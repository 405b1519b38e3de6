"""The view of ``/socket.io/``."""

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
    return no_sockets() if handshake is None else handshake.answer(request)


setattr(socketio, MARK, True)


def no_sockets() -> HttpResponse:
    """Refuse a request for a socket or a WebSocket on a server that holds none, by 501."""
    if _complaints.is_due():
        logger.error(NO_SOCKETS.strip())
    return response_of(Answer(501, NO_SOCKETS.encode()))
