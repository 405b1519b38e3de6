"""The logins of this process: which sockets end when a session, or a user's login, ends."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.db import Error as DatabaseError
from django.http import HttpRequest
from gevent import get_hub

from django_socketio.concurrency import hub_log as log
from django_socketio.concurrency.timers import Alarms, clock
from django_socketio.concurrency.workers import Around, Mailbox, Workers
from django_socketio.exceptions import ProtocolError, RateExceeded
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.relay.base import Envelope
from django_socketio.security import sessions
from django_socketio.security.login import Login, Touched
from django_socketio.security.signals import SESSION_ENDED, USER_CHANGED, USER_LOGGED_OUT
from django_socketio.security.throttling import Floodgate, Meter
from django_socketio.sockets.client import Client
from django_socketio.sockets.services import Shared
from django_socketio.transports.session import Session

logger = get_logger("django_socketio.security")

SLOTS = 60
"""Parts in which logins are looked at again, evenly spread over the interval."""

BATCH = 100
"""Sessions that are read with one query."""

MAX_PARSED = 100
"""Cookies, and parameters of the query, that a socket's request keeps parsed."""

DIGEST = re.compile("[0-9a-f]{32}")
"""What processes call a session."""

RACE = 5.0
"""Seconds in which a handshake may have read a session before it ended, and come after it."""


class Logins:
    """The logins of this process's connections, by their session and by their user.

    Args:
        alarms: calls back when some are to be looked at again.
        interval: seconds after which each has been looked at again.
        around: runs around what asks the database.

    """

    def __init__(self, alarms: Alarms, interval: float, around: Around) -> None:
        self._alarms = alarms
        self._pause = interval / SLOTS
        self._by_digest: list[dict[str, list[Login]]] = [{} for _ in range(SLOTS)]
        self._by_user: dict[str, list[Login]] = {}
        self._ended: dict[str, float] = {}
        self._turn = 0
        # A worker of its own: handlers that wait must not put off the end of a login.
        self._mailbox = Mailbox(Workers(1, around))
        self.touched: Touched = {}

    def __len__(self) -> int:
        """How many sessions are followed."""
        return sum(map(len, self._by_digest))

    def start(self) -> None:
        """Look at all logins again and again, from now on."""
        self._alarms.set(clock() + self._pause, self._look)

    def settle(self, request: Any, error: BaseException | None) -> None:
        """Tidy up after a handler that got this request."""
        login = self.touched.pop(request, None)
        if login is not None:
            login.settle(request, error)

    # Whose there are

    def add(self, login: Login) -> None:
        """Follow a login from now on."""
        if login.digest is None:
            return
        self._slot(login.digest).setdefault(login.digest, []).append(login)
        if login.user_id is not None:
            self._by_user.setdefault(login.user_id, []).append(login)
        if self._ended.get(login.digest, 0) > clock():
            get_hub().loop.run_callback(login.end)

    def discard(self, login: Login) -> None:
        """Follow a login no longer."""
        if login.digest is not None:
            _remove(self._slot(login.digest), login.digest, login)
            if login.user_id is not None:
                _remove(self._by_user, login.user_id, login)

    def _slot(self, digest: str) -> dict[str, list[Login]]:
        return self._by_digest[int(digest[:8], 16) % SLOTS]

    # What other processes tell

    def received(self, envelope: Envelope) -> int:
        """End the sockets of a session, or look again at those of a user."""
        subject = envelope.args[0] if len(envelope.args) == 1 else None
        if not isinstance(subject, str):
            log.warning("Ignored the end of a login from Redis that names none: %.100r", envelope)
            return 0
        if envelope.event == SESSION_ENDED and DIGEST.fullmatch(subject):
            self._end_session(subject)
        elif envelope.event == USER_CHANGED:
            self._check_soon(self._by_user.get(subject, ()))
        elif envelope.event == USER_LOGGED_OUT:
            _end(self._by_user.get(subject, ()))
        else:
            log.warning("Ignored the end of a login from Redis of no known kind: %.100r", envelope)
            return 0
        return 1

    def _end_session(self, digest: str) -> None:
        now = clock()
        self._ended = {one: until for one, until in self._ended.items() if until > now}
        self._ended[digest] = now + RACE
        _end(self._slot(digest).get(digest, ()))

    # What only time tells

    def _look(self, now: float) -> float:
        self._turn = (self._turn + 1) % SLOTS
        slot = self._by_digest[self._turn]
        if slot and self._mailbox.waiting < SLOTS:
            self._check_soon(login for logins in slot.values() for login in logins)
        self._settle_closed()
        return now + self._pause

    def _settle_closed(self) -> None:
        # Something other than a handler, a greenlet that one has left behind, may use a request.
        for request, login in list(self.touched.items()):
            if login.transport_session.protocol.reason is not None:
                self._mailbox.put(self.settle, request, None)

    def _check_soon(self, logins: Iterable[Login]) -> None:
        followed = [login for login in logins if login.user_id is not None]
        for first in range(0, len(followed), BATCH):
            self._mailbox.put(self._check, followed[first : first + BATCH])

    def _check(self, logins: list[Login]) -> None:
        try:
            users = sessions.users_of(sessions.load({str(login.session_key) for login in logins}))
        except (DatabaseError, OSError) as error:
            # Who cannot be looked at now is looked at in the next round.
            return logger.warning("Logins could not be checked: %s", error)
        _end(login for login in logins if users.get(str(login.session_key)) != login.user_id)


def _remove(table: dict[str, list[Login]], key: str, login: Login) -> None:
    logins = table[key]
    logins.remove(login)
    if not logins:
        del table[key]


def _end(logins: Iterable[Login]) -> None:
    for login in list(logins):
        login.end()


class FollowedConnection:
    """A connection that ends with its login, and whose client may be held to rates.

    Not a subclass: where the message path is compiled, its classes have none in Python.

    Attributes:
        received: takes a message of the client: the connection's own method, unless it is metered.
        extra_received: counts frames and packets that hold no message.

    """

    __slots__ = ("_connection", "extra_received", "login", "received")

    def __init__(self, connection: Client, login: Login, logins: Logins) -> None:
        self._connection = connection
        self.login = login
        self.received: Callable[[str | bytes], None] = connection.received
        self.extra_received: Callable[[int, int], None] = _no_meter
        logins.add(login)
        connection.when_over = partial(logins.discard, login)

    def moved(self) -> None:
        """Have the sockets send by the session's new transport."""
        self._connection.moved()

    def closed(self, reason: str, error: ProtocolError | None) -> None:
        """End the clients of all namespaces; the login is followed until their last handler."""
        self._connection.closed(reason, error)


def follow(
    shared: Shared, session: Session, request: HttpRequest, logins: Logins, floodgate: Floodgate
) -> FollowedConnection:
    """Return what hears of a new session's messages, and counts them if there are limits."""
    login = Login(request, session, logins.touched)
    _forget_parsed(request)
    followed = FollowedConnection(Client(shared, session, request, login), login, logins)
    meters = floodgate.meters(request.META.get("REMOTE_ADDR") or "")
    if meters:
        followed.extra_received = partial(_count, session, meters)
        followed.received = partial(_metered, followed.received, followed.extra_received)
    return followed


def _forget_parsed(request: HttpRequest) -> None:
    """Have what came in great numbers parsed again by handlers that use it.

    Of a few bytes in the head, each entry makes a hundred, which a socket would keep.
    """
    for name in ("COOKIES", "GET"):
        if len(request.__dict__.get(name, ())) > MAX_PARSED:
            del request.__dict__[name]


def _count(session: Session, meters: tuple[Meter, ...], messages: int, size: int) -> None:
    try:
        for meter in meters:
            meter.count(messages, size)
    except RateExceeded as error:
        session.close(Reason.TOO_FAST, error)
        raise  # which tells a client that polls


def _metered(
    received: Callable[[str | bytes], None], count: Callable[[int, int], None], data: str | bytes
) -> None:
    count(1, len(data))
    received(data)


def _no_meter(messages: int, size: int) -> None:
    """Count nothing, where there are no rates."""


def admits(session: Session | None, request: HttpRequest) -> bool:
    """Return whether a request may be one of this session's, if there is one."""
    delegate = session.delegate if session is not None else None
    return not isinstance(delegate, FollowedConnection) or delegate.login.admits(request)
