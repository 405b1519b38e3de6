"""The Django session of a client, which is saved after a handler has changed it."""

from typing import Any, Protocol

from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import PermissionDenied

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.logs import get_logger
from django_socketio.security import sessions
from django_socketio.security.interfaces import Connection

logger = ClientLog(get_logger("django_socketio.security"))

NO_COOKIE = (
    "A handler changed the session of %r in a way that its browser cannot be told: there is no "
    "response to carry the cookie. Log in, log out and begin sessions in views, or log in "
    "by socket.login(user); sessions in cookies (SESSION_ENGINE is %r) cannot be changed by "
    "handlers at all."
)


class Saved(Protocol):
    """A ``Login``, whose Django session is saved."""

    session: Connection
    session_key: str | None
    user_id: str | None

    def end(self) -> None:
        """End the client's sockets."""


def save(login: Saved, django_session: Any) -> None:
    """Save the Django session of a login; the login ends if the session has been deleted.

    Raises:
        DatabaseError, OSError, UpdateError: the session exists, but cannot be saved.

    """
    if _is_flushed(django_session):
        return login.end() if login.user_id else None
    try:
        _update(django_session, login.session_key)
    except UpdateError:
        # Stores also raise it where the database fails, and hide a session while a cache is away.
        if _exists(str(django_session.session_key or login.session_key)):
            raise
        return login.end()
    if django_session.session_key != login.session_key:
        login.session_key = django_session.session_key
        logger.warning(NO_COOKIE, login.session, django_session.__module__)


def _is_flushed(django_session: Any) -> bool:
    return bool(
        django_session.is_empty() or (sessions.are_in_cookies() and not django_session.keys())
    )


def _update(django_session: Any, key: str | None) -> None:
    if key is not None and django_session.session_key is None:
        raise UpdateError("The Django session was not found when a handler read it.")
    django_session.save()  # which begins another session where there is no key


def _exists(key: str) -> bool:
    return bool(sessions.load([key]).get(key))


def has_succeeded(error: BaseException | None) -> bool:
    """Return whether a handler has succeeded, or has refused; its changes are saved then."""
    return error is None or isinstance(error, PermissionDenied)
