"""Who a connection belongs to, and what its handlers see of it: never older than their event."""

import logging
from collections.abc import Callable
from typing import Any

from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject, empty

from django_socketio import sessions
from django_socketio.protocol.session import Reason
from django_socketio.transports.session import Session

logger = logging.getLogger("django_socketio")

NO_COOKIE = (
    "A handler changed the session of %r in a way that its browser cannot be told: there is no "
    "response to carry the cookie. Log in, log out and begin sessions in views; sessions in "
    "cookies (SESSION_ENGINE is %r) cannot be changed by handlers at all."
)

Touched = dict[Any, "Login"]
"""Requests of which a handler has used the user or the session, until that is settled."""


class Login:
    """The login of one connection, and its request's lazy ``user`` and ``session``.

    They are read when a handler uses them, and again when the next event's handler does.

    Args:
        request: the connection's request; its session has been loaded.
        session: what ends when the login does.
        touched: where it notes that something is to be settled after a handler.

    """

    __slots__ = (
        "_read_user",
        "_request",
        "_session",
        "_store",
        "_touched",
        "_user",
        "cookie",
        "digest",
        "over",
        "session_key",
        "transport_session",
        "user_id",
    )

    def __init__(self, request: HttpRequest, session: Session, touched: Touched) -> None:
        self._request: Any = request
        self._touched = touched
        self.transport_session = session
        self.over = False
        """Whether it has ended before its connection."""
        store: Any = getattr(request, "session", None)
        self.cookie = sessions.cookie_of(request)
        self.session_key: str | None = None if store is None else store.session_key or None
        self.user_id = None if store is None else sessions.user_id(store)
        self.digest = sessions.digest(self.session_key) if self.session_key else None
        self._store = type(store)
        self._session = SimpleLazyObject(self._open_session) if store is not None else None
        self._user = self._lazy_user() if hasattr(request, "user") else None
        self._restore()

    # Lazily

    def _restore(self) -> None:
        """Have handlers read user and session anew, whatever they have put in their place."""
        request = self._request
        if self._session is not None:
            self._session._wrapped = empty
            request.session = self._session
        if self._user is not None:
            self._user._wrapped = empty
            request.user = self._user
        request.__dict__.pop("_cached_user", None)
        request.__dict__.pop("_acached_user", None)

    def _open_session(self) -> Any:
        self._touched[self._request] = self
        return self._store(self.session_key)

    def _lazy_user(self) -> SimpleLazyObject:
        user = self._request.user
        setup = user.__dict__.get("_setupfunc") if isinstance(user, SimpleLazyObject) else None
        if setup is not None and setup.__module__ != "django.contrib.auth.middleware":
            self._read_user: Callable[[], Any] = setup
        elif setup is not None or (self.user_id and str(user.pk) == self.user_id):
            self._read_user = self._user_of_session
        else:
            self._read_user = _again(user)
        return SimpleLazyObject(self._open_user)

    def _open_user(self) -> Any:
        self._touched[self._request] = self
        self._request.__dict__.pop("_cached_user", None)
        return self._read_user()

    def _user_of_session(self) -> Any:
        from django.contrib.auth.models import AnonymousUser

        if self.over and self.user_id:
            # For on_disconnect and on_finish: who it was.
            return _by_id(self.user_id) or AnonymousUser()
        user = sessions.user_of(self._request.session)
        if self.user_id and (user is None or str(user.pk) != self.user_id):
            self.end()
        return user or AnonymousUser()

    # After a handler

    def settle(self, error: BaseException | None) -> None:
        """Save the session if the handler changed it, and forget what was read.

        A session is saved where the middleware would: not if the handler failed.
        """
        lazy = self._session
        used = None if lazy is None else self._request.session
        if used is lazy and lazy is not None:
            used = None if lazy._wrapped is empty else lazy._wrapped
        self._restore()
        if used is not None and used.modified and not self.over and _has_succeeded(error):
            self._save(used)

    def _save(self, session: Any) -> None:
        if session.is_empty() or (sessions.are_in_cookies() and not session.keys()):
            return self.end() if self.user_id else None
        try:
            session.save()
        except UpdateError:
            return self.end()  # it was deleted meanwhile
        if session.session_key != self.session_key:
            self.session_key = session.session_key
            logger.warning(NO_COOKIE, self.transport_session, session.__module__)

    def end(self) -> None:
        """End the connection's sockets: "session ended"."""
        if not self.over:
            self.over = True
            self.transport_session.close(Reason.SESSION_ENDED)

    # Requests

    def admits(self, request: HttpRequest) -> bool:
        """Return whether a request of the connection comes from the browser that began it.

        Where sessions are in cookies, which change with their content, the user is compared.
        """
        cookie = sessions.cookie_of(request)
        if cookie == self.cookie or (self.session_key and cookie == self.session_key):
            return True
        if not cookie or not self.cookie or not sessions.are_in_cookies():
            return False
        return sessions.user_id(sessions.store_class()(cookie).load()) == self.user_id


def _has_succeeded(error: BaseException | None) -> bool:
    return error is None or isinstance(error, PermissionDenied)


def _by_id(id: Any) -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model()._default_manager.filter(pk=id).first()


def _again(user: Any) -> Callable[[], Any]:
    """Return what reads a user whom a middleware has set, again from where it came."""
    from django.contrib.auth.models import AnonymousUser
    from django.db.models import Model

    if not isinstance(user, Model) or user.pk is None:
        return lambda: user
    manager, pk = type(user)._default_manager, user.pk
    return lambda: manager.filter(pk=pk).first() or AnonymousUser()
