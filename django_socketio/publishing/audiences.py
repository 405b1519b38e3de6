"""The audiences that ``emit`` takes: channels, users, sessions and the like become topics."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from django.utils.functional import LazyObject, Promise, empty

from django_socketio.channels.names import check_channel
from django_socketio.exceptions import ChannelError
from django_socketio.publishing import keys
from django_socketio.relay.topics import (
    Topic,
    TopicKind,
    channel_topic,
    everyone_topic,
    socket_topic,
)

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser
    from django.contrib.sessions.backends.base import SessionBase
    from django.contrib.sessions.base_session import AbstractBaseSession
    from django.db.models import Model

Key: TypeAlias = int | str | UUID
Names: TypeAlias = str | Iterable[str]
Users: TypeAlias = "AbstractBaseUser | AnonymousUser | Key | Iterable[AbstractBaseUser | Key]"
Sessions: TypeAlias = (
    "SessionBase | AbstractBaseSession | str | Iterable[SessionBase | AbstractBaseSession | str]"
)
Groups: TypeAlias = "Model | Key | Iterable[Model | Key]"


class _Omitted:
    """The type of an audience that is not given."""

    def __repr__(self) -> str:
        return "<omitted>"


OMITTED: Any = _Omitted()
"""The default of each audience. None is no default: a missing user must not mean everybody."""


def topics(namespace: str, given: Mapping[str, Any], function: str = "emit") -> tuple[Topic, ...]:
    """Return the topics of all audiences, each once; without any, that of all sockets.

    Args:
        namespace: the Socket.IO namespace of the sockets.
        given: the values of ``channel``, ``user``, ``session``, ``group`` and ``session_id``.
        function: the name of the function that got them, which the errors tell.

    Raises:
        ChannelError: the name of a channel is not allowed.
        TypeError, ValueError: a value is no such audience.

    """
    named = {name: value for name, value in given.items() if value is not OMITTED}
    if not named:
        return (everyone_topic(namespace),)
    channel = named.get("channel")
    if type(channel) is str and len(named) == 1:  # most events are for one channel
        return _one_channel(namespace, channel)
    found: dict[Topic, None] = {}
    for name, value in named.items():
        values = _values(function, name, value)
        found.update(dict.fromkeys(_TOPICS[name](function, namespace, values)))
    return tuple(found)


def require_one(given: Mapping[str, Any], function: str) -> None:
    """Check that a function has got at least one audience.

    Raises:
        TypeError: it has got none.

    """
    if all(value is OMITTED for value in given.values()):
        raise TypeError(
            f"{function}() needs an audience: channel, user, session, group or session_id"
        )


def _values(function: str, name: str, value: Any) -> Iterable[Any]:
    """Return the values of an audience: one, or those of an iterable."""
    value = _unwrapped(value)
    if isinstance(value, (str, Promise)) or not isinstance(value, Iterable):
        return (value,)
    if isinstance(value, (bytes, bytearray, Mapping)):
        raise TypeError(
            f"{function}({name}=…) takes a value or a list of values, not {type(value).__name__}"
        )
    return map(_unwrapped, keys.of_query(function, name, value))


def _unwrapped(value: Any) -> Any:
    """Return the object in a lazy one, which seems to be iterable whatever it holds."""
    if isinstance(value, LazyObject):
        if value._wrapped is empty:
            value._setup()
        return value._wrapped
    return value


@lru_cache(1024)
def _one_channel(namespace: str, channel: str) -> tuple[Topic, ...]:
    # To check a name, and to make a tuple of topics, would take a fifth of the time of an event.
    return (channel_topic(namespace, check_channel(channel)),)


def _channels(function: str, namespace: str, values: Iterable[Any]) -> Iterator[Topic]:
    return (channel_topic(namespace, _channel(function, value)) for value in values)


def _channel(function: str, value: Any) -> str:
    if value is None:
        raise ChannelError(
            f"{function}(channel=…) takes the name of a channel, not None. socket.event_channel is "
            "None if the client named no channel, as socket.channel(name).send(message) does"
        )
    return check_channel(value)


def _sockets(function: str, namespace: str, values: Iterable[Any]) -> Iterator[Topic]:
    for value in values:
        if not isinstance(value, str) or not value:
            raise TypeError(
                f"{function}(session_id={value!r:.100}): expected a socket's session_id"
            )
        yield socket_topic(namespace, value)


def _users(function: str, namespace: str, values: Iterable[Any]) -> Iterator[Topic]:
    found = (keys.of_user(function, value) for value in values)
    return (Topic(TopicKind.USER, namespace, key) for key in found)


def _sessions(function: str, namespace: str, values: Iterable[Any]) -> Iterator[Topic]:
    found = (keys.of_session(function, value) for value in values)
    return (Topic(TopicKind.SESSION, namespace, key) for key in found)


def _groups(function: str, namespace: str, values: Iterable[Any]) -> Iterator[Topic]:
    found = keys.of_groups(function, values)
    return (Topic(TopicKind.GROUP, namespace, key) for key in found)


_TOPICS: dict[str, Callable[[str, str, Iterable[Any]], Iterator[Topic]]] = {
    "channel": _channels,
    "user": _users,
    "session": _sessions,
    "group": _groups,
    "session_id": _sockets,
}
