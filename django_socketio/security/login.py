"""The login of one client: the lazy ``user`` and ``session`` of its request, and its end."""

import secrets
from typing import Any, cast
from weakref import ref

from django.contrib.sessions.backends.signed_cookies import SessionStore as SessionInCookie
from django.http import HttpRequest
from django.utils.functional import empty

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.current_worker import current_worker
from django_socketio.concurrency.failures import failures
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.relay.topics import Topic, TopicKind
from django_socketio.security import checking, continuing, cookies, saving, sessions
from django_socketio.security.interfaces import Connection, Registry
from django_socketio.security.lazy_attributes import (
    is_lazy,
    put_user,
    read_asynchronously,
    refer_weakly,
    restore,
    value_of,
    way_to_read,
)

logger = ClientLog(get_logger("django_socketio.security"))


class Login:
    """The login of one client, and the lazy ``user`` and ``session`` of its request.

    Both are read when a handler uses them, and anew when a handler of the next event does: no
    handler sees a user or a session that is older than its event.

    Args:
        request: the request of the handshake; its Django session has been loaded.
        session: the Engine.IO session, or another connection, which is closed when the login ends.
        registry: knows the login until ``release``.

    Attributes:
        over: whether the login has ended, before its client.
        user_id: the user's primary key as a text; None for an anonymous user.
        digest: names the Django session to other processes; None without a session.
        is_accepted: whether a socket of the client is accepted, or its view has begun to wait.
        own_data: the content of a session that would log in the user of ``socket.login``; None
            where the Django session, or a middleware, tells the user.
        name: the name in the registry: the digest or, with ``own_data``, a random one if there is
            no session; None for a login that cannot end.
        is_verified: whether the user was found to be logged in, or no session names a user.
        cookie: the session cookie of the handshake; empty without one.
        is_cookie_dead: whether no session has the key in the cookie.
        user_of_cookie: the primary key of the user whom the session of the handshake names, whether
            or not the user may log in.
        is_doubted: whether the user has changed, or was found to be logged out, just before the
            login began.
        is_released: whether the last handler of the client has run.
        client: has the sockets that follow the user; None where there are none.

    """

    __slots__ = (
        "_has_lost_user",
        "_has_user",
        "_read_user",
        "_registry",
        "_request",
        "_store",
        "client",
        "cookie",
        "digest",
        "is_accepted",
        "is_cookie_dead",
        "is_doubted",
        "is_released",
        "is_verified",
        "name",
        "over",
        "own_data",
        "session",
        "session_key",
        "user_id",
        "user_of_cookie",
    )

    def __init__(self, request: HttpRequest, session: Connection, registry: Registry) -> None:
        self._request: Any = request  # which refers to this login: release() breaks the cycle
        self.is_released = False
        self._registry = registry
        self.session = session
        self.client: Any = None
        self._has_lost_user = self.over = self.is_accepted = self.is_doubted = False
        store: Any = getattr(request, "session", None)
        self.cookie = sessions.cookie_of(request)
        self.session_key: str | None = None if store is None else store.session_key or None
        self.is_cookie_dead = bool(self.cookie and store is not None and not self.session_key)
        self.user_id = self.user_of_cookie = None if store is None else sessions.user_id(store)
        self.digest = sessions.digest(self.session_key) if self.session_key else None
        self.name = self.digest
        self.own_data: sessions.Data | None = None
        self._store: Any = None if store is None else type(store)
        self._has_user = hasattr(request, "user")
        self.is_verified = self.user_id is None or self._is_user(
            request.__dict__.get("_cached_user")
        )
        self._read_user: Any = None
        if self._has_user:
            self._read_user = way_to_read(request.user, self._user_of_django_session, self._is_user)
        read_asynchronously(request)
        self._restore(request, None)

    # The lazy user and session

    def _restore(self, request: Any, worker: object) -> None:
        """Have a worker read user and session anew, even if a handler has replaced them."""
        if self._store is not None:
            restore(request, "session", self._open_django_session, worker)
        if self._has_user:
            restore(request, "user", self._open_user, worker)
        request.__dict__.pop("_cached_user", None)
        request.__dict__.pop("_acached_user", None)

    def _touch(self) -> Any:
        """Have the request settled after the handler; return None if it is freed already."""
        request = self._request() if self.is_released else self._request
        if request is not None:
            self._registry.touched[request, current_worker()] = self
        return request

    def _open_django_session(self) -> Any:
        self._touch()
        return self._store(self.session_key)

    def _open_user(self) -> Any:
        request = self._touch()
        if request is not None:
            request.__dict__.pop("_cached_user", None)
        return self._user_of_django_session() if self._read_user is None else self._read_user()

    def _user_of_django_session(self) -> Any:
        from django.contrib.auth.models import AnonymousUser

        if self.over and self.user_id:
            # on_disconnect and on_finish get the user who was logged in.
            return sessions.user_by_id(self.user_id) or AnonymousUser()
        if self._has_lost_user:
            return AnonymousUser()
        before = checking.stated(self)
        user = sessions.user_of(self._data())
        if checking.stated(self) != before:  # another handler has logged in a user
            return self._user_of_django_session()
        if self.user_id and not self._finds(user):
            user = None
        return user or AnonymousUser()

    def _finds(self, user: Any) -> bool:
        """Return whether the session logs in the user of this login; otherwise the login ends.

        Before the client is accepted, nobody is logged in instead: ``on_connect`` decides.
        """
        is_user = self._is_user(user)
        if is_user or self.is_verified or self.is_accepted:
            self.confirm(is_user)
        else:
            self._be_anonymous()
        return is_user

    def _be_anonymous(self) -> None:
        """Have nobody be logged in. The end of the session still ends the client's sockets."""
        if self.is_released or self.over:
            return
        self._registry.discard(self)
        self.user_id = self.digest = None
        self._has_lost_user = True
        self._registry.add(self)
        try:
            if self.client is not None:
                self.client.follow_user()
        except failures():
            logger.exception("The sockets of %r did not leave their user", self.session)
            return self.end()
        self.is_verified = True  # now that no socket is on the topics of the user any more

    def _data(self) -> sessions.Data:
        """Return the content of the session that logs the user in."""
        request = self._touch()
        if self.own_data is not None:
            return self.own_data
        found: Any = self._open_django_session() if request is None else request.session
        if self.user_id and not found.modified and sessions.user_id(found) is None:
            key = str(self.session_key)
            found = sessions.load([key]).get(key, {})  # raises where a store hides an outage
        return cast(sessions.Data, found)

    # A login without a Django session

    def log_in(self, user: Any) -> None:
        """Have the client be this user, until the user may not log in any more.

        The method has no effect after the end of the login or of the client.

        Raises:
            TypeError, PermissionDenied: as ``sessions.data_of``.

        """
        data = sessions.data_of(user)
        if self.over or self.is_released:
            return
        self._registry.discard(self)
        self.own_data, self.user_id = data, sessions.user_id(data)
        self.name = self.name or secrets.token_hex(16)
        self.is_verified, self._has_user, self._read_user = True, True, None
        self._has_lost_user = False
        self._registry.add(self)
        put_user(self._touch(), user, self._open_user)

    def continues(self, earlier: "Login") -> bool:
        """Return whether the client of an earlier login goes on with this one; see LoginState."""
        return continuing.continues(self, earlier)

    def identity(self) -> list[str | None]:
        """Return what tells another process which login this is."""
        user = self.user_key()  # first: the login may lose its user, and with it its session
        return [self.key, user]

    def allows(self, identity: list[str | None]) -> bool:
        """Return whether a client with this login may have the sockets of this one."""
        return continuing.allows(self, identity)

    def proof(self) -> list[str]:
        """Return the user of ``log_in`` for another login; [] without one."""
        return continuing.proof_of(self.own_data)

    user_of = staticmethod(continuing.user_of)

    # Audiences

    def audiences(self, namespace: str) -> tuple[Topic, ...]:
        """Return the topics of the user, the Django session and the groups, in a namespace."""
        before = self.user_id
        key, user = self.identity()
        found = [] if key is None else [Topic(TopicKind.SESSION, namespace, key)]
        if user is not None:
            found.append(Topic(TopicKind.USER, namespace, user))
            groups = self._registry.groups_of(user)
            found += [Topic(TopicKind.GROUP, namespace, group) for group in groups]
        # A check, or another socket of the client, may have changed the login meanwhile.
        return tuple(found) if self.user_id == before else self.audiences(namespace)

    @property
    def key(self) -> str | None:
        """The name of the session in topics; None where cookies hold the sessions."""
        if self.digest is None or issubclass(self._store, SessionInCookie):
            return None
        return self.digest

    def user_key(self) -> str | None:
        """Return the primary key of the user, as the middleware of the site has it."""
        if self._read_user is None:
            return self.user_id
        # A middleware has the last word, also where the Django session names another user.
        was_touched = (self._request, current_worker()) in self._registry.touched
        user = sessions.key_of(self._read_user())
        if not was_touched:
            self._registry.settle(self._request, None)  # no handler: the next one reads anew
        return user

    def verify(self) -> bool:
        """Return whether the user is still logged in; otherwise the login ends."""
        user = self.user_id
        if not self.is_verified and not self.over and user:
            checking.check([self])
        has_lost_user = user is not None and self.user_id is None
        return self.is_verified and not self.over and not has_lost_user

    def _is_user(self, user: Any) -> bool:
        return self.user_id is not None and sessions.key_of(user) == self.user_id

    def confirm(self, is_logged_in: bool) -> None:
        """Note whether the user is still logged in; otherwise end the client's sockets.

        The client comes back then. If its new login does not hold either, nobody is logged in.
        """
        if self.over:
            return None
        if not is_logged_in and self.is_doubted and not self.is_verified:
            return self._be_anonymous()
        self.is_verified = is_logged_in
        if not is_logged_in:
            self._registry.doubt(self.user_id)
            self.end()

    # After a handler

    def leave(self, error: BaseException | None) -> None:
        """Settle the request, if its user or session was read: a view waits, or has returned."""
        self.is_accepted = True
        if self._registry.touched:
            self._registry.settle(self._request, error)

    def settle(self, request: Any, worker: object, error: BaseException | None) -> None:
        """Save the Django session if a worker has changed it, and forget its user and session.

        As by Django's middleware, the session is not saved where the handler failed.
        """
        used: Any = None if self._store is None else request.session
        if is_lazy(used, self._open_django_session):
            used = value_of(used, worker)
        self._restore(request, worker)
        is_changed = used is not None and used is not empty and used.modified
        if is_changed and not self.over and saving.has_succeeded(error):
            saving.save(self, used)

    def end(self) -> None:
        """End the client's sockets, for the reason "session ended"."""
        if not self.over:
            self.over = True
            self.session.close(Reason.SESSION_ENDED)

    def release(self) -> None:
        """Leave the registry, and free the request: the last handler of the client has run."""
        self._registry.discard(self)
        refer_weakly(self._request)
        # Weakly: a greenlet that a handler has spawned may still use the request.
        self._request = ref(self._request)
        self.is_released = True
        self.client = None  # which refers to this login

    # Requests

    def belongs_to(self, request: HttpRequest) -> bool:
        """Return whether a later request has the session cookie of the handshake."""
        return cookies.belongs(self, sessions.cookie_of(request))
