"""Subscribing by tokens: a layer around what clients send."""

import re
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied

from django_socketio import conf
from django_socketio.channels.names import check_channel
from django_socketio.events.handlers import Call
from django_socketio.relay.topics import Topic, TopicKind
from django_socketio.security import channel_tokens, sessions
from django_socketio.security.channel_tokens import Grant, TokenError, is_token


class SignedChannels:
    """Has clients subscribe by tokens, and gives them new tokens before these expire.

    Handlers of ``on_subscribe``, and settings that refuse channels, are asked as for any other
    client. ``SOCKETIO_DEFAULT_DENY`` counts a token as an admission.

    Args:
        only: patterns of the channels for which a client has to present a token.
        renewal: seconds for which the tokens are good that clients get with an ack.

    """

    def __init__(self, only: Sequence[re.Pattern[str]], renewal: float) -> None:
        self._only = only
        self._renewal = renewal
        self._granted: dict[Any, str] = {}

    def layer(self, call: Call, name: str) -> Call:
        """Read the token of a client that subscribes, or unsubscribes (a message layer)."""
        if name == "unsubscribe":
            return _unsubscribing(call)
        if name != "subscribe":
            return call

        def subscribe(request: Any, socket: Any, context: Any, args: tuple[Any, ...]) -> Any:
            if args and is_token(args[0]):
                return self._subscribe(call, request, socket, context, args)
            if self._only and args:
                self._check(socket, args[0])
            return call(request, socket, context, args)

        return subscribe

    def has_granted(self, socket: Any, channel: str) -> bool:
        """Return whether the socket, whose event is handled, has a token of a channel."""
        return self._granted.get(socket) == channel

    def _subscribe(
        self, call: Call, request: Any, socket: Any, context: Any, args: tuple[Any, ...]
    ) -> Any:
        grant = _checked(channel_tokens.read(args[0]), socket, request)
        options = args[1] if len(args) > 1 else None
        self._granted[socket] = grant.channel
        try:
            wanted = grant.options if options is None else options
            answer = call(request, socket, context, (grant.channel, wanted))
        finally:
            del self._granted[socket]
        return self._with_renewal(answer, grant)

    def _with_renewal(self, answer: Any, grant: Grant) -> Any:
        """Return an answer with a new token, if it admits the client."""
        accepted, told = answer if isinstance(answer, tuple) else (answer, {})
        if accepted is not True:
            return answer
        expires = channel_tokens.time_in(self._renewal)
        token = channel_tokens.write(grant._replace(expires=expires, options=None))
        news = {"channel": grant.channel, "token": token, "renew": self._renewal / 2}
        return True, {**told, **news}

    def _check(self, socket: Any, channel: Any) -> None:
        if not isinstance(channel, str) or channel in socket.subscriptions.names:
            return
        check_channel(channel)  # whose length bounds the time of the patterns
        if any(pattern.match(channel) for pattern in self._only):
            raise PermissionDenied(
                f"the channel {channel!r:.200} is subscribed to by a token only "
                "(SOCKETIO_SIGNED_ONLY): write it into the page by {% socketio_channel %}"
            )


def _checked(grant: Grant, socket: Any, request: Any) -> Grant:
    """Return a grant that is for the namespace and the login of a socket.

    Raises:
        TokenError: it is not.

    """
    if grant.namespace != socket.namespace:
        raise TokenError(
            f"the token of the channel {grant.channel!r} is for the namespace "
            f"{grant.namespace!r}, not {socket.namespace!r}"
        )
    audiences = socket.subscriptions.audiences
    topics = [_renamed(topic, request) for topic in grant.topics()]
    for topic in topics:
        if topic not in audiences:
            raise TokenError(f"the token of the channel {grant.channel!r} is for {_other(topic)}")
    if topics and not socket.lifecycle.verify_login():
        raise TokenError("the login has ended")
    return grant._replace(holders=tuple((topic.kind.value, topic.name) for topic in topics))


def _renamed(topic: Topic, request: Any) -> Topic:
    """Return the topic of a Django session by its name of today, if a former key has named it."""
    if topic.kind is not TopicKind.SESSION or not settings.SECRET_KEY_FALLBACKS:
        return topic
    key = getattr(getattr(request, "session", None), "session_key", None)
    if key is None or not sessions.had_name(key, topic.name):
        return topic
    return topic._replace(name=sessions.digest(key))


def _other(topic: Topic) -> str:
    who = "another user" if topic.kind is TopicKind.USER else "another session"
    return f"{who}: the page was cached, or is older than the login; load it again"


def _unsubscribing(call: Call) -> Call:
    def unsubscribe(request: Any, socket: Any, context: Any, args: tuple[Any, ...]) -> Any:
        if args and is_token(args[0]):
            args = (channel_tokens.channel_of(args[0]),)
        return call(request, socket, context, args)

    return unsubscribe


def from_settings() -> SignedChannels:
    """Return the layer that the settings describe."""
    return SignedChannels(conf.patterns("SIGNED_ONLY"), conf.get("TOKEN_RENEWAL_SECONDS"))
