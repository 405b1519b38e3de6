"""The other processes that hold people: those that have died, and the removal of their people."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from django_socketio.channels.attempts import Attempts
from django_socketio.relay.roster import LEAVING, Change, Hold, Presence, Rosters, in_steps
from django_socketio.relay.topics import Topic

RENEW_INTERVAL = 5.0
"""Seconds between two renewals of the lease of a process."""

PATIENCE = 17.0
"""Seconds for which a lease may stay as it is before its process counts as dead."""

LONGEST_GAP = 1.5 * RENEW_INTERVAL
"""Seconds that count between two looks at leases: nothing is known of a longer time, in which this
process or Redis itself may have stood still."""


def grace_elsewhere(grace: float) -> float:
    """Return for how long people are present whose clients come back to another process."""
    return max(grace, 2 * RENEW_INTERVAL)


class _Seen(NamedTuple):
    """A lease of another process, and for how long it has not changed."""

    value: str
    age: float = 0.0


class OtherProcesses:
    """Watches the leases of other processes.

    Args:
        grace: seconds for which people are present that are on their way to another process.

    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._seen: dict[str, _Seen] = {}
        self._looked_at = 0.0

    def dead(self, leases: Mapping[str, str], own: str, now: float) -> list[str]:
        """Return the processes whose leases have not changed for too long.

        Args:
            own: the name of this process.
            now: the time of its monotonic clock.

        """
        gap, self._looked_at = min(now - self._looked_at, LONGEST_GAP), now
        others = {process: value for process, value in leases.items() if process != own}
        self._seen = {process: self._look(process, value, gap) for process, value in others.items()}
        return [process for process, seen in self._seen.items() if seen.age >= self._patience(seen)]

    def _look(self, process: str, value: str, gap: float) -> _Seen:
        before = self._seen.get(process)
        if before is None or before.value != value:
            return _Seen(value)
        return before._replace(age=before.age + gap)

    def _patience(self, seen: _Seen) -> float:
        """Return how long to wait: people of a process that has stopped are coming back."""
        return grace_elsewhere(self._grace) if seen.value == LEAVING else PATIENCE


def remove_people(
    rosters: Rosters,
    process: str,
    topics: Iterable[Topic],
    attempts: Attempts,
    before_each: Callable[[], None],
) -> Iterator[Change]:
    """Remove the people of a process; yield the changes that this process has made.

    Args:
        topics: where it may hold people, beside those that it has noted.
        before_each: called before each topic.

    """
    all_topics = {*rosters.topics_of(process), *topics}
    for topic in random.sample([*all_topics], len(all_topics)):  # other ones fail first next time
        if attempts.may_ask(topic):
            before_each()
            with attempts.about(topic):
                yield from _remove_people(rosters, process, topic)
    if not attempts.failed:
        rosters.forget(process)


def _remove_people(rosters: Rosters, process: str, topic: Topic) -> Iterator[Change]:
    known = rosters.read(topic).people
    people = rosters.people_of(process, topic)
    holds = [
        Hold(topic, id, Presence.GONE, known[id].details if id in known else "") for id in people
    ]
    for some in in_steps(holds):
        yield from rosters.hold(process, some)
