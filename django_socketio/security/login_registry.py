"""The logins of a server's clients, by session and by user: a client ends with its login."""

import re
from collections.abc import Iterable
from typing import Any

from django.db import Error as DatabaseError
from django.http import HttpRequest
from gevent import get_hub

from django_socketio.concurrency import hub_log
from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.current_worker import current_worker
from django_socketio.concurrency.executors import Executor
from django_socketio.concurrency.failures import failures
from django_socketio.concurrency.mailbox import Mailbox
from django_socketio.concurrency.timers import Timers
from django_socketio.events import Event
from django_socketio.events.handlers import Call
from django_socketio.logs import get_logger
from django_socketio.relay.envelope import Delivery, EnvelopeKind, ignore_kind
from django_socketio.security import checking, signals
from django_socketio.security.changed_users import ChangedUsers
from django_socketio.security.interfaces import Connection
from django_socketio.security.login import Login
from django_socketio.security.memberships import Memberships
from django_socketio.security.recent import Recent
from django_socketio.security.reviews import Reviews
from django_socketio.security.signals import (
    GROUPS_CHANGED,
    SESSION_ENDED,
    USER_CHANGED,
    USER_LOGGED_OUT,
)
from django_socketio.sockets.server import SocketServer
from django_socketio.transports.session import Session

logger = ClientLog(get_logger("django_socketio.security"))

SLOTS = 60
"""Parts into which the logins are divided; one is checked in each ``interval / SLOTS``."""

BATCH = 100
"""Django sessions that one query reads."""

MAX_PARSED = 100
"""Cookies, and parameters of the query, up to which a request keeps them parsed."""

DIGEST = re.compile("[0-9a-f]{32}")
"""A session as processes name it to each other; see ``sessions.digest``."""

RACE = 5.0
"""Seconds for which the end of a session, or a change of a user, also concerns a login that begins
after it: its handshake may have read the session or the user before."""


class LoginRegistry:
    """The logins of a server's clients, by Django session and by user.

    Args:
        timers: the timers of the server.
        interval: seconds within which each login is checked once against the database.
        executor: runs the checks against the database.

    Attributes:
        touched: the requests whose user or session a worker has read, with the worker, until it
            settles them.

    """

    def __init__(self, timers: Timers, interval: float, executor: Executor) -> None:
        self._timers = timers
        self._pause = interval / SLOTS
        self._by_name: list[dict[str, list[Login]]] = [{} for _ in range(SLOTS)]
        self._by_user: dict[str, list[Login]] = {}
        self._ended = Recent(RACE, timers.clock)
        self._doubted = Recent(RACE, timers.clock)
        self._turn = 0
        self._memberships = Memberships()
        self._reviews = Reviews(SLOTS)
        self._checks, walks = Mailbox(executor), Mailbox(executor)
        self._regrouped = ChangedUsers(walks, self._memberships.follow)
        self._reviewed = ChangedUsers(walks, self._reviews.of_users)
        self.groups_of = self._memberships.groups_of
        self.touched: dict[tuple[Any, object], Login] = {}

    def __len__(self) -> int:
        """Return the number of Django sessions with a client here, and of logins without one."""
        return sum(map(len, self._by_name))

    def start(self, server: SocketServer) -> None:
        """Hear of the ends of logins, and check all against the database, part by part."""
        self._memberships.open_sockets = server.open_sockets
        self._reviews.lifecycles = server.lifecycles
        signals.connect_sessions()
        server.relay.subscribe(signals.TOPIC, self.received)
        # A step that fails must not be in the way of the others.
        for step in (self._look, self._reviews.look, self._settle_closed):
            self._timers.every(self._pause, step)

    def stop(self) -> None:
        """Do nothing: the timers and the relay of the server stop by themselves."""

    def settling(self, call: Call, event: Event) -> Call:
        """Settle the request's user and session after the handlers of an event (an event layer)."""
        touched, settle = self.touched, self.settle

        def settle_after(request: Any, socket: Any, context: Any, args: Any) -> Any:
            try:
                answer = call(request, socket, context, args)
            except BaseException as error:
                settle(request, error)
                raise
            if touched:
                settle(request, None)
            return answer

        return settle_after

    def settle(self, request: Any, error: BaseException | None) -> None:
        """Save the session that a handler has changed, and forget what the handler has read.

        The same goes for the greenlets that handlers have started.
        """
        self._settle(request, current_worker(), error)
        self._settle(request, None, None)

    def _settle(self, request: Any, worker: object, error: BaseException | None) -> None:
        login = self.touched.pop((request, worker), None)
        if login is not None:
            login.settle(request, worker, error)

    # The logins

    def begin(self, session: Connection, request: HttpRequest) -> Login:
        """Return the login of a new client, registered until its ``release``."""
        login = Login(request, session, self)
        _forget_parsed(request)
        self.add(login)
        return login

    def add(self, login: Login) -> None:
        """Have a login end with its Django session, and with its user."""
        if login.name is None:
            return
        self._slot(login.name).setdefault(login.name, []).append(login)
        if login.user_id is not None:
            self._by_user.setdefault(login.user_id, []).append(login)
        if login.name in self._ended:
            get_hub().loop.run_callback(login.end)
        elif login.user_id is not None and login.user_id in self._doubted:
            login.is_doubted = True
            self._check_soon([login])

    def doubt(self, user_key: str | None) -> None:
        """Have logins of a user examined that begin soon: the user has changed."""
        if user_key is not None:
            self._doubted.add(user_key)

    def discard(self, login: Login) -> None:
        """Forget a login."""
        if login.name is not None:
            _remove(self._slot(login.name), login.name, login)
            if login.user_id is not None:
                _remove(self._by_user, login.user_id, login)

    def _slot(self, name: str) -> dict[str, list[Login]]:
        return self._by_name[int(name[:8], 16) % SLOTS]

    # What processes tell each other

    def received(self, delivery: Delivery) -> int:
        """Handle a message of ``signals``: end logins of a session or a user, or check a user's."""
        envelope = delivery.envelope
        if envelope.kind is not EnvelopeKind.CONTROL:
            return ignore_kind(envelope.kind, hub_log.say)
        subject = envelope.args[0] if len(envelope.args) == 1 else None
        if not isinstance(subject, str):
            logger.warning(
                "Ignored the end of a login from Redis that names none: %.100r", envelope
            )
            return 0
        if envelope.name == SESSION_ENDED and DIGEST.fullmatch(subject):
            self._end_session(subject)
        elif envelope.name == USER_CHANGED:
            self.doubt(subject)
            self._check_soon(self._by_user.get(subject, ()))
            self._reviewed.add(subject)
        elif envelope.name == GROUPS_CHANGED:
            self._regrouped.add(subject or None)
            self._reviewed.add(subject or None)
        elif envelope.name == USER_LOGGED_OUT:
            _end(self._by_user.get(subject, ()))
        else:
            logger.warning(
                "Ignored the end of a login from Redis of no known kind: %.100r", envelope
            )
            return 0
        return 1

    def _end_session(self, digest: str) -> None:
        self._ended.add(digest)
        _end(self._slot(digest).get(digest, ()))

    # The check against the database

    def _look(self) -> None:
        self._turn = (self._turn + 1) % SLOTS
        slot = self._by_name[self._turn]
        if slot and self._checks.waiting < SLOTS:
            self._check_soon(login for logins in slot.values() for login in logins)
        if not self._turn:
            self._regrouped.add(None)

    def _settle_closed(self) -> None:
        # A greenlet that a handler has started may use the request after the last handler.
        for (request, worker), login in list(self.touched.items()):
            if login.is_released:
                self._checks.put(self._settle, request, worker, None)

    def _check_soon(self, logins: Iterable[Login]) -> None:
        users = [login for login in logins if login.user_id is not None]
        for first in range(0, len(users), BATCH):
            self._checks.put(self._check, users[first : first + BATCH])

    def _check(self, logins: list[Login]) -> None:
        try:
            checking.check(logins)
        except (DatabaseError, OSError) as error:
            # The next round checks them.
            logger.warning("Logins could not be checked: %s", error)
        except failures():
            self._check_each(logins)

    def _check_each(self, logins: list[Login]) -> None:
        """Check logins one by one: one that cannot be checked must not hide the others."""
        if len(logins) == 1:
            return logger.exception("The login of %r could not be checked", logins[0].session)
        for login in logins:
            self._check([login])


def _remove(table: dict[str, list[Login]], key: str, login: Login) -> None:
    logins = table[key]
    logins.remove(login)
    if not logins:
        del table[key]


def _end(logins: Iterable[Login]) -> None:
    for login in list(logins):
        login.end()


def _forget_parsed(request: HttpRequest) -> None:
    """Have cookies or parameters parsed again by handlers that use them, where they are many.

    Parsed, each of them takes a hundred bytes of memory for the few that it takes in the head.
    """
    for name in ("COOKIES", "GET"):
        if len(request.__dict__.get(name, ())) > MAX_PARSED:
            del request.__dict__[name]


def belongs_to(request: HttpRequest, session: Session | None) -> bool:
    """Return whether a request may be one of this Engine.IO session's: its cookie is the same."""
    client: Any = None if session is None else session.delegate
    # Without a default: a client that lacks its login must not be open to everybody.
    return client is None or bool(client.login.belongs_to(request))
