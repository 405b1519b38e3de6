"""The logs of the relay of a single process."""

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from heapq import heappop, heappush
from itertools import count, islice
from typing import NamedTuple

from django_socketio.relay.envelope import (
    Delivery,
    LogRange,
    StreamPosition,
    is_complete,
    is_cut,
    is_history_complete,
    newest,
    nothing_after,
)
from django_socketio.relay.topics import Retention, Retentions, Topic

LOOK_INTERVAL = 60.0
"""Seconds after which a log that need not end is looked at again: its lease may end earlier."""


class MemoryLogs:
    """The logs of topics in one process.

    They are bounded by the number and the age of messages, not by bytes: nothing is encoded here.

    Args:
        lazily: whether only topics with a history or a lease have a log.
        clock: returns seconds, for the age of messages.

    """

    def __init__(
        self,
        retentions: Retentions,
        lazily: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._retention = lru_cache(1024)(retentions.of)
        self._away = retentions.away
        self._lazily = lazily
        self._clock = clock
        self._logs: dict[Topic, _Log] = {}
        self._ends: list[tuple[float, int, _Log]] = []
        """A heap with an entry for each log: when to see whether anything keeps it still."""
        self._numbers = count()

    def __len__(self) -> int:
        """The number of topics that have a log."""
        return len(self._logs)

    def append(self, delivery: Delivery, is_heard: bool) -> Delivery:
        """Keep a message, if its topic's log is to have it; return it, with its position if so."""
        retention = self._retention(delivery.topic)
        if keep := delivery.envelope.keep:
            retention = retention.kept_for(keep)
        now = self._clock()
        log = self._find(delivery.topic, now)
        if not self._is_kept(log, retention, is_heard, now):
            if log is not None and log.ends_unheard:
                self._miss(log, now)
            return delivery
        log = log or self._begin(delivery.topic, retention)
        return log.append(delivery, retention, now, self._away)

    def _is_kept(
        self, log: "_Log | None", retention: Retention, is_heard: bool, now: float
    ) -> bool:
        if not retention.messages or retention.is_history:
            return retention.messages > 0
        if log is None:
            return is_heard and not self._lazily
        return is_heard or log.ends_unheard > now

    def _miss(self, log: "_Log", now: float) -> None:
        """Have a message missing that was not kept, for subscribers that come back too late."""
        log.skip()
        if log.ends <= now:
            del self._logs[log.topic]

    def keep(self, topic: Topic, seconds: float) -> StreamPosition | None:
        """Have a topic's messages kept for some seconds; return its position."""
        log = self._kept_log(topic)
        if log is None:
            return None
        log.kept_until = max(log.kept_until, self._clock() + seconds)
        return log.position

    def lease(self, topic: Topic) -> StreamPosition | None:
        """Have a topic's messages kept while it has a subscriber; return its position."""
        log = self._kept_log(topic)
        if log is None:
            return None
        log.lease = float("inf")
        return log.position

    def _kept_log(self, topic: Topic) -> "_Log | None":
        retention = self._retention(topic)
        if not retention.messages:
            return None
        return self._find(topic, self._clock()) or self._begin(topic, retention)

    def leave(self, topic: Topic) -> None:
        """Let the lease of a topic end that has no subscriber any more."""
        log = self._logs.get(topic)
        if log is not None and log.lease == float("inf"):
            log.lease = self._clock() + self._away

    def position(self, topic: Topic) -> StreamPosition | None:
        """Return the position of a topic's last message; None for an idle topic."""
        log = self._find(topic, self._clock())
        return None if log is None else log.position

    def read(self, topic: Topic, after: StreamPosition | None, limit: int | None) -> LogRange:
        """Return messages of a topic's log after a position."""
        log = self._find(topic, self._clock())
        if log is None:
            return nothing_after(after)
        found = [*islice(log.after(log.begin(after)), limit)]
        offsets = [entry.offset for entry in found]
        is_whole = is_complete(offsets, log.position, after, limit)
        return LogRange(_deliveries(found), log.position, is_whole, is_cut(offsets, limit))

    def history(self, topic: Topic, after: StreamPosition | None, limit: int | None) -> LogRange:
        """Return the newest messages of a topic's history after a position."""
        now = self._clock()
        log = self._find(topic, now)
        if log is None:
            return nothing_after(after)
        entries = [*log.after(log.begin(after))]
        limit = self._retention(topic).limit(limit)
        found = newest([entry for entry in entries if entry.until > now], limit)
        offsets = [entry.offset for entry in found]
        kept = ((entry.offset, entry.until > 0) for entry in entries)
        is_whole = is_history_complete(offsets, kept, log.position, after)
        return LogRange(_deliveries(found), log.position, is_whole)

    def _begin(self, topic: Topic, retention: Retention) -> "_Log":
        log = self._logs[topic] = _Log(topic, retention.messages)
        heappush(self._ends, (0.0, next(self._numbers), log))
        return log

    def _find(self, topic: Topic, now: float) -> "_Log | None":
        self._expire(now)
        return self._logs.get(topic)

    def _expire(self, now: float) -> None:
        """Drop the logs that nothing keeps any longer."""
        while self._ends and self._ends[0][0] <= now:
            _, _, log = heappop(self._ends)
            if self._logs.get(log.topic) is not log:
                continue
            if log.ends > now:
                again = min(log.ends, now + LOOK_INTERVAL)
                heappush(self._ends, (again, next(self._numbers), log))
            else:
                del self._logs[log.topic]


class _Entry(NamedTuple):
    """A message of a log.

    Attributes:
        until: the time up to which it is part of the history; 0 for a message that is not.

    """

    offset: int
    delivery: Delivery
    until: float


class _Log:
    """The messages of a topic in one epoch, the newest of them kept."""

    __slots__ = ("_entries", "_until", "epoch", "kept_until", "lease", "position", "topic")

    def __init__(self, topic: Topic, size: int) -> None:
        self._entries: deque[_Entry] = deque(maxlen=size)
        self._until = 0.0
        self.topic = topic
        self.epoch = secrets.token_hex(6)
        self.position = StreamPosition(self.epoch, 0)
        self.lease = 0.0
        """The time up to which subscribers may come back; 0: it never was, or it is over."""
        self.kept_until = 0.0
        """The time up to which messages are kept for those who have asked for it; 0: nobody has."""

    @property
    def ends_unheard(self) -> float:
        """The time up to which messages are kept that no subscriber gets; 0: it never was."""
        return max(self.lease, self.kept_until)

    @property
    def ends(self) -> float:
        """The time at which nothing keeps the log any longer."""
        return max(self._until, self.ends_unheard)

    def append(self, delivery: Delivery, retention: Retention, now: float, away: float) -> Delivery:
        """Add a message; return it with its position."""
        offset = self.position.offset + 1
        position = self.position = StreamPosition(self.epoch, offset)
        placed = Delivery(delivery.envelope, delivery.topic, position, delivery.encoded)
        until = now + retention.seconds if retention.is_history else 0.0
        self._entries.append(_Entry(offset, placed, until))
        stays = max(retention.seconds, away if self.lease else 0.0)
        self._until = max(self._until, now + stays)
        return placed

    def skip(self) -> None:
        """Give a number to a message that is not kept, which nothing is from now on."""
        self.position = StreamPosition(self.epoch, self.position.offset + 1)
        self.lease = self.kept_until = 0.0

    def begin(self, after: StreamPosition | None) -> int:
        """Return the offset after which a reader wants messages."""
        return 0 if after is None or after.epoch != self.epoch else after.offset

    def after(self, offset: int) -> Iterator[_Entry]:
        """Return the kept messages after an offset."""
        return (entry for entry in self._entries if entry.offset > offset)


def _deliveries(entries: Iterable[_Entry]) -> tuple[Delivery, ...]:
    return tuple(entry.delivery for entry in entries)
