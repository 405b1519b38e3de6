"""What many topics have after the places up to which a process has received them."""

from collections.abc import Sequence
from typing import NamedTuple

from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.topics import Topic

Entry = tuple[int, bytes]
"""A message, or a reference to a shared one, with its offset."""


class Place(NamedTuple):
    """The place up to which a process has received a topic.

    Attributes:
        topic: the topic.
        after: the position of the last message that came; None if none is known.
        id: the id of that message, to be compared with the one in Redis; None if it is not known.
        wants_messages: whether the messages after the place are wanted, or the position only.

    """

    topic: Topic
    after: StreamPosition | None
    id: str | None = None
    wants_messages: bool = True


class Missed(NamedTuple):
    """The messages of a topic after a place, as they are at one moment.

    Attributes:
        position: of the topic; None for an idle topic.
        is_same: whether Redis has the message at the place that the process received there; None
            if that is not known.
        entries: of the topic's log, after the place.
        is_whole: whether the entries reach the position.
        unused: two offsets: no message has one after the first and up to the second.

    """

    position: StreamPosition | None = None
    is_same: bool | None = None
    entries: Sequence[Entry] = ()
    is_whole: bool = True
    unused: tuple[int, int] = (0, 0)


_NOTHING = Missed()
_IS_SAME = {b"=": True, b"!": False}


def read_missed(text: bytes | None, entries: Sequence[Entry]) -> Missed | None:
    """Return what the script tells of a topic; None if the topic cannot be read by it."""
    if text is None:
        return _NOTHING
    flags, *place = text.split(b" ", 4)
    if not place:
        return None
    offset, before, mark, epoch = place
    position, unused = StreamPosition(epoch.decode(), int(offset)), (int(before), int(mark))
    return Missed(position, _IS_SAME.get(flags[:1]), entries, flags[1:] == b"+", unused)


def lacks_messages(found: int, after: int, until: int, unused: tuple[int, int]) -> bool:
    """Return whether a log has fewer messages after an offset than its topic has had.

    Args:
        found: how many it has, up to the offset ``until``.
        unused: see ``Missed``.

    """
    before, mark = unused
    skipped = max(mark - max(before, after), 0) if mark <= until else 0
    return found < until - after - skipped
