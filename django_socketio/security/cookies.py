"""The session cookie of a handshake, which binds the requests of a session to its browser."""

from typing import Protocol

from django_socketio.security import sessions


class Bound(Protocol):
    """A ``Login``, as requests are compared with it."""

    cookie: str
    is_cookie_dead: bool
    session_key: str | None
    user_of_cookie: str | None


def belongs(login: Bound, cookie: str) -> bool:
    """Return whether a later request has the session cookie of the handshake.

    A cookie that holds the Django session itself changes with its content: there the users are
    compared.
    """
    if cookie == login.cookie or (login.session_key and cookie == login.session_key):
        return True
    if login.is_cookie_dead and not cookie:
        return True  # Django deletes such a cookie with the answer to the handshake
    if not cookie or not login.cookie or not sessions.are_in_cookies():
        return False
    return sessions.user_id(sessions.store_class()(cookie).load()) == login.user_of_cookie
