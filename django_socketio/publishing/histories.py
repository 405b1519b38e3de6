"""``history``: the messages of an audience that were kept."""

from typing import Any, NamedTuple

from django_socketio.channels.publish import read_history
from django_socketio.protocol.socketio.names import check_namespace
from django_socketio.publishing import audiences
from django_socketio.publishing.audiences import OMITTED, Groups, Sessions, Users
from django_socketio.relay.envelope import LogRange, StreamPosition
from django_socketio.relay.history_rules import MAX_HISTORY
from django_socketio.relay.topics import Topic


class HistoryMessage(NamedTuple):
    """A message of a history.

    Attributes:
        event: the name of the event.
        args: its arguments.
        position: its place: ``history(…, since=position)`` returns the messages after it.

    """

    event: str
    args: tuple[Any, ...]
    position: StreamPosition | None


class History(list[HistoryMessage]):
    """Messages of a channel, a user, a session or a group, the oldest first.

    Attributes:
        position: the place up to which the history was read; None if there was no message at all.
        is_complete: whether no message is missing after ``since``; without ``since``, after the
            first one.

    """

    def __init__(self, found: LogRange) -> None:
        deliveries = [(one.envelope, one.position) for one in found.deliveries]
        super().__init__(HistoryMessage(one.name, one.args, at) for one, at in deliveries)
        self.position = found.position
        self.is_complete = found.is_complete


def history(
    channel: str = OMITTED,
    *,
    user: Users = OMITTED,
    session: Sessions = OMITTED,
    group: Groups = OMITTED,
    last: int | None = None,
    since: StreamPosition | None = None,
    namespace: str = "/",
) -> History:
    """Return the messages that were kept for one channel, user, Django session or group.

    These are the messages of audiences in ``SOCKETIO_HISTORY``, and those of ``emit(…, keep=…)``.
    An audience without any has an empty history.

    Args:
        last: how many messages to return at most, the newest ones.
        since: the position of the last message that is not wanted.

    Raises:
        RelayError: the relay cannot be asked; ``NoRelay`` if this process has none.
        ChannelError: the name of the channel is not allowed.
        TypeError, ValueError: an argument cannot be used.

    """
    given = {"channel": channel, "user": user, "session": session, "group": group}
    topic = _topic(check_namespace(namespace), given)
    _check_last(last)
    _check_since(since)
    return History(read_history(topic, since, MAX_HISTORY if last is None else last))


def _topic(namespace: str, given: dict[str, Any]) -> Topic:
    named = [name for name, value in given.items() if value is not OMITTED]
    if len(named) != 1:
        raise TypeError(
            "history() takes one of channel, user, session and group, not "
            f"{' and '.join(named) or 'none'}"
        )
    topics = audiences.topics(namespace, given, "history")
    if len(topics) != 1:
        raise ValueError(f"history({named[0]}=…) takes one {named[0]}, not {len(topics)}")
    return topics[0]


def _check_last(last: object) -> None:
    is_whole = isinstance(last, int) and not isinstance(last, bool)
    if last is not None and not (is_whole and 0 < last <= MAX_HISTORY):  # type: ignore[operator]
        raise ValueError(
            f"history(last=…) takes a whole number from 1 to {MAX_HISTORY}, not {last!r:.100}"
        )


def _check_since(since: object) -> None:
    if since is None:
        return
    is_position = isinstance(since, tuple) and [*map(type, since)] == [str, int]
    if not is_position or since[1] < 0:  # type: ignore[index]
        raise TypeError(
            "history(since=…) takes the position of a message, of a history or of what emit "
            f"returned, not {since!r:.100}"
        )
