"""``sign_channel``: the token by which a page subscribes to a channel without a handler."""

import math
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.signed_cookies import SessionStore as SessionInCookie
from django.http import HttpRequest

from django_socketio import conf
from django_socketio.channels.names import check_channel
from django_socketio.channels.positions import parse_position, position_text
from django_socketio.channels.recovery import MAX_MESSAGES
from django_socketio.exceptions import NoRelay, PositionError, RelayError
from django_socketio.logs import get_logger
from django_socketio.protocol.socketio.names import check_namespace
from django_socketio.publishing import audiences
from django_socketio.publishing.audiences import OMITTED, Key
from django_socketio.publishing.page_positions import page_position
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.history_rules import A_TIME, is_time
from django_socketio.relay.topics import Topic, TopicKind
from django_socketio.security import channel_tokens, sessions
from django_socketio.security.channel_tokens import ChannelToken, Grant
from django_socketio.security.open_channels import warn_if_open
from django_socketio.security.page_caches import keep_private

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser
    from django.contrib.sessions.backends.base import SessionBase
    from django.contrib.sessions.base_session import AbstractBaseSession

logger = get_logger("django_socketio.publishing")

PAUSE = 5.0
"""Seconds for which no position is asked for after the relay has failed. A relay that does not
answer would keep each token of each page for the time that it has."""


UNKNOWN = ""
"""A position in no log: the page that subscribes by it is told that it may have missed messages."""


class _Relay:
    asked_from = -math.inf


def sign_channel(
    channel: str,
    request: HttpRequest | None = None,
    *,
    user: "AbstractBaseUser | AnonymousUser | Key" = OMITTED,
    session: "SessionBase | AbstractBaseSession | str" = OMITTED,
    anyone: bool = False,
    namespace: str = "/",
    last: int | None = None,
    since: str | StreamPosition | None = OMITTED,
    seconds: float | None = None,
) -> ChannelToken:
    """Return a token by which a client may subscribe to a channel, without a handler's leave.

    The token is for sockets with the login of ``request`` (a visitor without a Django session gets
    one), for those of ``user`` or ``session``, or with ``anyone=True`` for all.

    Args:
        last: how many messages of the channel's history the client gets first.
        since: the position after which messages come, None for the time of the ``subscribe``; by
            default ``page_position(channel)``: call this function before the page reads its data.
        seconds: how long the token is good; by default ``SOCKETIO_TOKEN_SECONDS``.

    Raises:
        ChannelError, EventError: the name of the channel or of the namespace is not allowed.
        TypeError, ValueError: an argument cannot be used, or the request has no login.

    """
    check_channel(channel)
    namespace = check_namespace(namespace)
    given = {"request": request, "user": user, "session": session, "anyone": anyone}
    holders = _holders(namespace, given)
    if holders:
        warn_if_open(namespace, channel)
    expires = channel_tokens.time_in(_life(seconds))
    options = _options(channel, namespace, last, since)
    grant = Grant(str(channel), namespace, expires, holders, options)
    return channel_tokens.write(grant, is_of_request=request is not None)


def _holders(namespace: str, given: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the audiences that a socket has to belong to, as a token has them."""
    request, anyone = given.pop("request"), given.pop("anyone")
    named = {name: value for name, value in given.items() if value is not OMITTED}
    if (request is not None) + bool(named) + (anyone is True) != 1:
        raise TypeError(
            "sign_channel() takes one of: a request, user= or session=, anyone=True; got "
            f"request={request!r:.100}, anyone={anyone!r:.100}, {', '.join(named) or 'no user'}"
        )
    topics = _named(namespace, named) if named else _of_request(namespace, request)
    return tuple((topic.kind.value, topic.name) for topic in topics)


def _named(namespace: str, given: dict[str, Any]) -> tuple[Topic, ...]:
    topics = audiences.topics(namespace, given, "sign_channel")
    if len(topics) != len(given):
        raise ValueError(f"sign_channel({'=…, '.join(given)}=…) takes one of each, not a list")
    return topics


def _of_request(namespace: str, request: Any) -> tuple[Topic, ...]:
    """Return the topics of the user and of the Django session of a request."""
    if request is None:
        return ()
    keep_private(request)
    user = sessions.key_of(getattr(request, "user", None))
    session = _key_of_session(getattr(request, "session", None), needs_one=user is None)
    found = {TopicKind.USER: user, TopicKind.SESSION: session}
    topics = [Topic(kind, namespace, name) for kind, name in found.items() if name is not None]
    if not topics:
        raise ValueError(
            "sign_channel(): the visitor is not logged in, and can have no Django session with a "
            "key (SessionMiddleware is missing, or SESSION_ENGINE keeps sessions in cookies): sign "
            "the channel for users only, or with anyone=True"
        )
    return tuple(topics)


def _key_of_session(session: Any, needs_one: bool) -> str | None:
    """Return the name of a Django session in topics; begin one if there has to be one."""
    if session is None or isinstance(session, SessionInCookie):
        return None
    session.get(SESSION_KEY)  # which forgets the key of a session that has gone; Vary: Cookie
    if session.session_key is None and needs_one:
        session.create()
    return sessions.digest(session.session_key) if session.session_key else None


def _life(seconds: Any) -> float:
    if seconds is None:
        seconds = conf.get("TOKEN_SECONDS")
    elif not is_time(seconds):
        raise ValueError(f"sign_channel(seconds=…) takes {A_TIME}, not {seconds!r:.100}")
    return float(seconds)


def _options(channel: str, namespace: str, last: Any, since: Any) -> dict[str, Any] | None:
    """Return what the client wants of the past, as its ``subscribe`` would say it."""
    if last is not None:
        return {"last": _checked(last, since)}
    if since is OMITTED:
        return _from_now(channel, namespace)
    return {"since": position_text(_parsed(since))} if since else None


def _parsed(since: Any) -> StreamPosition:
    """Return a position, given as ``page_position`` or as ``emit`` and ``history`` return it."""
    if isinstance(since, StreamPosition):
        return since
    try:
        return parse_position(since)
    except PositionError as error:
        raise ValueError(f"sign_channel(since=…): {error}") from None


def _checked(last: Any, since: Any) -> int:
    is_whole = isinstance(last, int) and not isinstance(last, bool)
    if not is_whole or not 0 < last <= MAX_MESSAGES:
        raise ValueError(
            f"sign_channel(last=…) takes a whole number from 1 to {MAX_MESSAGES}, not {last!r:.100}"
        )
    if since is not OMITTED and since is not None:
        raise TypeError("sign_channel() takes one of last and since, not both")
    return int(last)


def _from_now(channel: str, namespace: str) -> dict[str, Any] | None:
    """Return the position of a channel as options; a page is shown also while the relay fails.

    When such a page subscribes, it is told that it may have missed messages.
    """
    if monotonic() < _Relay.asked_from:
        return {"since": UNKNOWN}
    try:
        position = page_position(channel, namespace=namespace)
    except NoRelay:
        return None
    except RelayError as error:
        _Relay.asked_from = monotonic() + PAUSE
        logger.warning("The page may miss messages of the channel %r: %s", channel, error)
        return {"since": UNKNOWN}
    return {"since": position} if position else None
