"""The part of a topic's past that Redis has, and how far it can be relied on."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.redis.entry import fields_of, message_of, offset_of

GONE = b"gone"
"""Says that no node has the data any more that a topic's position was noted with."""


class Question(NamedTuple):
    """A question about the past of a topic.

    Attributes:
        after: the position of the last message that is not wanted; None to begin with the first.
        limit: how many messages are wanted at most; None for all.
        newest: whether a limit leaves out the oldest messages, rather than the newest.
        lease: the seconds for which messages are to be kept that no process hears, until no process
            has heard any for too long.
        keep: the seconds for which messages are to be kept in any case.

    """

    after: StreamPosition | None = None
    limit: int | None = None
    newest: bool = False
    lease: float = 0.0
    keep: float = 0.0

    def args(self, new_epoch: str, same: bytes) -> tuple[Any, ...]:
        """Return the arguments of the script PAST."""
        epoch, offset = ("", 0) if self.after is None else self.after
        limit, times = -1 if self.limit is None else self.limit, (self.lease, self.keep)
        lease, keep = (round(seconds * 1000) for seconds in times)
        return epoch, offset + 1, limit, int(self.newest), lease, keep, new_epoch, same


class PastEntry(NamedTuple):
    """A message, or a reference to a shared one.

    Attributes:
        offset: its offset.
        message: the message.
        until: the time (Unix, seconds, by Redis's clock) up to which it is part of the history;
            None for a message that is not.

    """

    offset: int
    message: bytes
    until: float | None


class Past(NamedTuple):
    """A part of a topic's log, as it is at one moment.

    Attributes:
        time: that moment (Unix, seconds, by Redis's clock).
        position: of the topic; None for an idle topic.
        mark: the offset after which the log is complete, but for what it has let go.
        is_proven: whether Redis has told the identity of its data, without which it may have lost
            messages unnoticed.
        entries: oldest first.

    """

    time: float
    position: StreamPosition | None = None
    mark: int = 0
    is_proven: bool = True
    entries: Sequence[PastEntry] = ()


class OtherData(NamedTuple):
    """The position was noted with other data than Redis has: it may be from another node.

    Attributes:
        noted: the identity of that data.

    """

    noted: bytes


def read_past(answer: list[Any]) -> Past | OtherData:
    """Return what the script PAST has answered."""
    time, *rest = answer
    if not rest:
        return Past(time / 1000)
    if len(rest) == 2:
        return OtherData(rest[0])
    epoch, number, mark, is_proven, found = rest
    entries = [_entry(id, fields) for id, fields in found]
    entries.sort()
    position = StreamPosition(epoch.decode(), int(number))
    return Past(time / 1000, position, int(mark), bool(is_proven), entries)


def _entry(id: bytes, fields: list[bytes]) -> PastEntry:
    named = fields_of(fields)
    until = named.get(b"u")
    time = None if until is None else int(until) / 1000
    return PastEntry(offset_of(id), message_of(named), time)
