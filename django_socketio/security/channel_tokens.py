"""Tokens of channels: a page shows one to the server, and may subscribe without a handler's leave.

A token is signed by ``SECRET_KEY`` (``django.core.signing``), so that pages of other servers with
the same key can write it. Its content is readable: browsers find the name of the channel in it.
"""

from collections.abc import Iterable
from math import ceil
from typing import Any, NamedTuple, Self

from django.core.exceptions import PermissionDenied
from django.core.signing import BadSignature, Signer
from django.utils import timezone
from django.utils.html import escape

from django_socketio.channels.names import SIGNED
from django_socketio.relay.topics import Topic, TopicKind
from django_socketio.security.page_caches import refuse_in_cached_fragment

MAX_LENGTH = 8192
"""Characters of a token; a name of 200 characters, each written as 12, has a token of half that."""

_SALT = "django_socketio.channels"


class TokenError(PermissionDenied):
    """A token of a channel is not one of this site, or not for this client."""


class ChannelToken(str):
    """The token of a channel, a text for attributes and scripts of a page.

    Attributes:
        channel: the name of the channel.
        is_for_login: whether it is for the login of one request, or for one Django session.

    """

    __slots__ = ("channel", "is_for_login")

    channel: str
    is_for_login: bool

    def __new__(cls, text: str, channel: str, is_for_login: bool = False) -> Self:
        """Return a token with the name of its channel."""
        token = super().__new__(cls, text)
        token.channel = channel
        token.is_for_login = is_for_login
        return token

    def __getnewargs__(self) -> tuple[str, str, bool]:  # type: ignore[override]
        """Return what makes a copy, for caches that pickle."""
        return str(self), self.channel, self.is_for_login

    def __html__(self) -> str:
        """Return the token as templates show it.

        Raises:
            TemplateSyntaxError: it is for one login, and is shown inside of ``{% cache %}``.

        """
        if self.is_for_login:
            refuse_in_cached_fragment()
        return escape(str(self))


class Grant(NamedTuple):
    """The content of a token.

    Attributes:
        channel: the name of the channel.
        namespace: the Socket.IO namespace of the channel.
        expires: the time until which a client may present the token, in seconds since 1970.
        holders: kinds and names of audiences; a socket has to belong to all of them.
        options: what the client wants of the channel's past: ``{"since": …}`` or ``{"last": …}``.

    """

    channel: str
    namespace: str
    expires: int
    holders: tuple[tuple[str, str], ...] = ()
    options: dict[str, Any] | None = None

    def topics(self) -> Iterable[Topic]:
        """Return the topics of the audiences that a socket has to belong to."""
        return (Topic(TopicKind(kind), self.namespace, name) for kind, name in self.holders)


def is_token(value: object) -> bool:
    """Return whether a client presents a token, and not the name of a channel."""
    return isinstance(value, str) and value.startswith(SIGNED)


def write(grant: Grant, is_of_request: bool = False) -> ChannelToken:
    """Return the token of a grant."""
    text = SIGNED + Signer(salt=_SALT).sign_object(list(grant))
    is_for_session = any(kind == TopicKind.SESSION for kind, _ in grant.holders)
    return ChannelToken(text, grant.channel, is_of_request or is_for_session)


def read(token: str) -> Grant:
    """Return the grant of a token that has not expired.

    Raises:
        TokenError: the token is too long, has another signature, or has expired.

    """
    grant = _content(token)
    if grant.expires <= _now():
        raise TokenError(
            f"the token of the channel {grant.channel!r} has expired: load the page again"
        )
    return grant


def channel_of(token: str) -> str:
    """Return the channel of a token, which may have expired.

    Raises:
        TokenError: the token is too long, or has another signature.

    """
    return _content(token).channel


def _content(token: str) -> Grant:
    if len(token) > MAX_LENGTH:
        raise TokenError(
            f"a token of a channel has at most {MAX_LENGTH} characters; got {len(token)}"
        )
    try:
        channel, namespace, expires, holders, options = _unsigned(token)
    except (BadSignature, ValueError):
        raise TokenError(
            "the token of the channel is not signed by this site: it was changed, cut off, or "
            "signed by another SECRET_KEY"
        ) from None
    return Grant(
        channel, namespace, expires, tuple((kind, name) for kind, name in holders), options
    )


def _unsigned(token: str) -> Any:
    return Signer(salt=_SALT).unsign_object(token.removeprefix(SIGNED))


def time_in(seconds: float) -> int:
    """Return the time in some seconds, in whole seconds since 1970, rounded up."""
    return ceil(_now() + seconds)


def _now() -> float:
    return timezone.now().timestamp()
