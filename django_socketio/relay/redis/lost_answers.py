"""The fate of messages whose answers were lost with a connection, read from their logs."""

import math
import threading
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple, TypeGuard

from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError

from django_socketio.relay.redis.log import RedisLog
from django_socketio.relay.topics import Topic

LATELY = 1000
"""The newest messages of a log, among which a message is looked for."""

FIRST_PAUSE = 0.05
"""Seconds between the first two looks; each pause is twice as long as the last."""


class Break:
    """The end of a connection on which answers were awaited.

    Args:
        is_late: whether Redis has had its time, so that it refuses what it has not run by now.

    Attributes:
        since: when it was noticed (``time.monotonic``).
        found: what was read since then of each topic's log, by topic and look; None of a log that
            could not be read.
        failed: the last look at which Redis could not be reached, and need not be asked again;
            ``math.inf`` once the time of all looks is over.

    """

    def __init__(self, is_late: bool = False) -> None:
        self.is_late = is_late
        self.since = time.monotonic()
        self.reading = threading.Lock()
        self.found: dict[tuple[Topic, int], Set[bytes] | None] = {}
        self.failed: float = -1


class Unanswered(RedisError):
    """A command was sent, and no answer came: Redis may have run it.

    Args:
        at: the same for all commands that had no answer then.

    Attributes:
        is_refused: whether it is certain by now that Redis has not run it, and does not.

    """

    is_refused = False

    def __init__(self, text: object, at: Break) -> None:
        super().__init__(text)
        self.at = at

    def refused(self) -> "Unanswered":
        """Return the error of a command of which it is certain that Redis has not run it."""
        found = type(self)(self.args[0], self.at)
        found.is_refused = True
        return found


class AnswerLost(Unanswered, ConnectionError):
    """The connection broke before the answer came."""


class AnswerLate(Unanswered, TimeoutError):
    """No answer came in time, and the connection may be dead."""


class Fate(NamedTuple):
    """What the logs tell of a message whose answer was lost.

    Attributes:
        taken: the topics that have it.
        lacking: those that are certain to lack it, while others have it.
        is_refused: whether it is certain that none has it, or gets it.

    """

    taken: tuple[Topic, ...] = ()
    lacking: tuple[Topic, ...] = ()
    is_refused: bool = False


class LogSearch:
    """Looks for messages in the logs of one Redis.

    Args:
        log: the logs.
        timeout: seconds after which Redis refuses a message that it has not run.

    """

    def __init__(self, log: RedisLog, timeout: float) -> None:
        self._log = log
        self._timeout = timeout

    def find(self, topics: Sequence[Topic], kept: Set[bytes], at: Break) -> Fate:
        """Return the topics whose logs have a message, and those that lack it.

        A message may still be on its way when its connection breaks: no topic is returned only once
        Redis would refuse it.

        Args:
            kept: the message, and the reference to it, of which each log has one.

        """
        found: list[Topic] = []
        logs: dict[Topic, Set[bytes] | None] = {}
        for look, when in self._looks(at):
            time.sleep(max(0.0, when - time.monotonic()))
            logs = {one: self._newest(one, at, look) for one in topics if one not in found}
            found += [topic for topic, log in logs.items() if log and kept & log]
            if found and None not in logs.values():
                break
        if not found:
            return Fate(is_refused=all(_is_whole(log) for log in logs.values()))
        return self._settled(found, [one for one in topics if one not in found], kept)

    def _settled(self, found: list[Topic], others: list[Topic], kept: Set[bytes]) -> Fate:
        """Return what is certain of the topics in which a message was not found yet.

        It comes to all topics in one step: a log that is read after it was found in another one
        has it, or never gets it.
        """
        logs: dict[Topic, Set[bytes] | None] = dict.fromkeys(others)
        with suppress(RedisError):
            for topic in others:
                logs[topic] = self._read(topic)
        taken = [topic for topic, log in logs.items() if log and kept & log]
        lacking = [topic for topic, log in logs.items() if _is_whole(log) and not kept & log]
        return Fate((*found, *taken), tuple(lacking))

    def _looks(self, at: Break) -> Iterator[tuple[int, float]]:
        """Return the looks that are to be taken, as numbers and times.

        A look is left out if the next one is due already: it would find no more.
        """
        for look, (when, following) in enumerate(pairwise([*self._times(at), math.inf])):
            if time.monotonic() < following:
                yield look, when

    def _times(self, at: Break) -> Iterator[float]:
        """Return when to look: the last time is when Redis refuses what it has not run by then."""
        since, pause, passed = at.since, FIRST_PAUSE, 0.0
        if at.is_late:
            yield since
            return
        while passed < self._timeout:
            yield since + passed
            passed += pause
            pause *= 2
        yield since + self._timeout

    def _newest(self, topic: Topic, at: Break, look: int) -> Set[bytes] | None:
        """Return the newest messages of a topic, which one caller reads for all, if they can be."""
        with at.reading:
            if (topic, look) not in at.found and look > at.failed:
                try:
                    at.found[topic, look] = self._read(topic)
                except RedisError:
                    is_over = time.monotonic() >= at.since + self._timeout
                    at.failed = math.inf if is_over else look
            return at.found.get((topic, look))

    def _read(self, topic: Topic) -> Set[bytes] | None:
        """Return the newest messages of a topic; None if Redis refuses to read its log.

        Raises:
            RedisError: Redis cannot be reached.

        """
        try:
            return {*self._log.newest(topic, LATELY)}
        except ResponseError:
            return None


def _is_whole(log: Set[bytes] | None) -> TypeGuard[Set[bytes]]:
    """Return whether a log was read completely: it has no older messages."""
    return log is not None and len(log) < LATELY
