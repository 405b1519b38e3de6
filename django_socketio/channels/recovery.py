"""The messages of a topic that a subscriber has missed, read from the log of the relay."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django_socketio.channels.overlap import Overlap
from django_socketio.channels.positions import parse_position, position_text
from django_socketio.exceptions import PositionError
from django_socketio.relay.envelope import Delivery, EnvelopeKind, LogRange, StreamPosition
from django_socketio.relay.topics import Topic

MAX_MESSAGES = 1000
"""Messages that a client gets at once of the past of a topic."""


class Wanted(NamedTuple):
    """The part of the past of a channel that a client asks for.

    Attributes:
        since: the position of the last message that it has.
        last: how many of the newest messages it wants.

    """

    since: StreamPosition | None = None
    last: int | None = None


NOTHING = Wanted()


def parse_wanted(options: Any) -> Wanted:
    """Return what the options of a client's ``subscribe`` ask for.

    Raises:
        PositionError: they are in no form that clients may send.

    """
    if options is None:
        return NOTHING
    if not isinstance(options, dict):
        raise PositionError(
            f"the second argument of subscribe must be an object such as {{last: 20}}, "
            f"not {options!r:.100}"
        )
    since, last = options.get("since"), options.get("last")
    if since is not None and last is not None:
        raise PositionError("subscribe takes one of since and last, not both")
    return Wanted(None if since is None else parse_position(since), _number(last))


def _number(last: Any) -> int | None:
    if last is None:
        return None
    is_number = isinstance(last, (int, float)) and not isinstance(last, bool)
    if not is_number or last < 0 or last != last // 1:
        raise PositionError(f"last must be a number of messages, not {last!r:.100}")
    return min(int(last), MAX_MESSAGES)


class Past(NamedTuple):
    """A part of a topic's past, for one subscriber.

    Attributes:
        topic: the topic.
        position: that of the topic when its log was read; None if it is not known.
        is_whole: whether nothing is missing of what the subscriber has asked for.
        deliveries: the messages; none if something is missing.
        has_commands: whether there are commands of the site among what was read.
        tells_position: whether the client goes on after the position; otherwise it has a later one.

    """

    topic: Topic
    position: StreamPosition | None
    is_whole: bool
    deliveries: tuple[Delivery, ...] = ()
    has_commands: bool = False
    tells_position: bool = True

    @property
    def begin(self) -> StreamPosition | None:
        """The position after which the messages come; None if it is not known.

        A client that gets the messages one by one goes on from there if its connection breaks.
        """
        first = self.deliveries[0].position if self.deliveries else None
        return self.position if first is None else first._replace(offset=first.offset - 1)

    @property
    def overlap(self) -> Overlap | None:
        """The messages that the subscriber does not get again; None if that is not known."""
        if self.position is None:
            return None
        shared = (one.envelope.id for one in self.deliveries if len(one.envelope.topics) > 1)
        return Overlap(self.topic, self.position, frozenset(shared))

    def before(self, begin: StreamPosition) -> "Past":
        """Return what the subscriber lacks that gets all messages after a position anyway."""
        lacking = [one for one in self.deliveries if _is_up_to(one.position, begin)]
        return self._replace(deliveries=tuple(lacking), tells_position=False)

    def as_answer(self) -> dict[str, Any]:
        """Return what the client is told of it, in the ack of ``subscribe``."""
        ids = {
            str(number): one.envelope.id
            for number, one in enumerate(self.deliveries)
            if len(one.envelope.topics) > 1
        }
        position = {"position": position_text(self.position)} if self.tells_position else {}
        return {
            **position,
            "messages": [[one.envelope.name, *one.envelope.args] for one in self.deliveries],
            **({"ids": ids} if ids else {}),
        }


def _is_up_to(position: StreamPosition | None, begin: StreamPosition) -> bool:
    if position is None:
        return False
    return position.epoch == begin.epoch and position.offset <= begin.offset


def past_of(
    topic: Topic, found: LogRange, wanted: Wanted, is_for: Callable[[Delivery], bool]
) -> Past:
    """Return what a range of a log is to a subscriber.

    Every subscriber may read all of a history; what it has missed has none of its own messages.

    Args:
        found: the messages that were found. Of what the subscriber has missed, it is cut if there
            are more than ``MAX_MESSAGES``.
        is_for: returns whether a missed message is for the subscriber.

    """
    events = (one for one in found.deliveries if one.envelope.kind is EnvelopeKind.EVENT)
    if wanted.since is None:
        return Past(topic, found.position, found.is_complete, tuple(events))
    if not found.is_complete or found.is_cut:
        return Past(topic, found.position, False)
    has_commands = any(one.envelope.kind is EnvelopeKind.CONTROL for one in found.deliveries)
    return Past(topic, found.position, True, tuple(filter(is_for, events)), has_commands)
