"""Refusals of requests: each is logged with its reason, and answered in Socket.IO's form."""

from django.conf import settings
from django.core.exceptions import DisallowedHost

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.logs import get_logger
from django_socketio.security.origins import OriginRefused
from django_socketio.transports.http import Answer, ErrorCode, RequestError

logger = ClientLog(get_logger("django_socketio.security"))
disallowed_hosts = ClientLog(get_logger("django.security.DisallowedHost"))

ONLY_USERS = "Forbidden: only users who are logged in may connect; log in, then connect again"
"""The answer to the handshake of an anonymous visitor, where the site takes none."""


def refuse_cookie(session: object) -> Answer:
    """Log that a request has another session cookie than its session, and refuse it."""
    name = settings.SESSION_COOKIE_NAME
    logger.warning("%r: a request refused: its cookie %r is another one, or missing", session, name)
    text = "Forbidden: the session belongs to another session cookie; connect again"
    return RequestError(ErrorCode.FORBIDDEN, text, 403, reason="session cookie").answer()


def refuse_host(error: DisallowedHost) -> Answer:
    """Log that a Host is none of ``ALLOWED_HOSTS`` where Django does, and refuse it.

    Without the request, and without the frames that show it: its URL holds the session's sid.
    """
    disallowed_hosts.error("%s", error, extra={"status_code": 400})
    return RequestError(ErrorCode.BAD_REQUEST, "Host not allowed", reason="host").answer()


def refuse_origin(error: OriginRefused) -> Answer:
    """Log why a page must not connect; the client learns only that."""
    logger.warning("%s", error)
    return RequestError(ErrorCode.FORBIDDEN, "Forbidden origin", 403, reason="origin").answer()


def refuse_anonymous() -> Answer:
    """Refuse the handshake of an anonymous visitor by a sentence instead of a redirect."""
    logger.info(
        "A handshake of an anonymous visitor refused: SOCKETIO_LOGIN_REQUIRED is True, or not set "
        "beside LoginRequiredMiddleware"
    )
    return RequestError(ErrorCode.FORBIDDEN, ONLY_USERS, 403, reason="anonymous").answer()
