"""The topics on which this process holds people, as the relay knows them."""

import random
from collections.abc import Callable, Iterable
from itertools import takewhile

from django_socketio.channels.attempts import Attempts
from django_socketio.relay.roster import Rosters
from django_socketio.relay.topics import Topic

PROLONG_INTERVAL = 12 * 3600.0
"""Seconds after which a roster in which nothing has changed is prolonged."""

PROLONGED_AT_ONCE = 100
"""Rosters that are prolonged by one call."""


class NotedTopics:
    """Notes topics in the relay, and has it keep their rosters for as long as the process lives.

    Args:
        rosters: of the relay. Its errors pass through each method that takes a process.
        clock: returns a monotonic time.

    """

    def __init__(self, rosters: Rosters, clock: Callable[[], float]) -> None:
        self._rosters = rosters
        self._clock = clock
        self._times: dict[Topic, float] = {}
        """When each roster was kept by a change or a call; the oldest time is the first one."""

    def note(self, process: str, topics: set[Topic]) -> None:
        """Note topics before people are held on them."""
        self._rosters.note(process, topics - self._times.keys())
        self._kept(topics)

    def drop(self, process: str, topics: Iterable[Topic]) -> None:
        """Note that nobody is held any more on topics."""
        for topic in topics:
            self._times.pop(topic, None)
        self._rosters.note_left(process, topics)

    def prolong(self, process: str) -> None:
        """Have the relay keep rosters that have not changed for long; others fail next time."""
        due = self._clock() - PROLONG_INTERVAL
        old = [*takewhile(lambda topic: self._times[topic] <= due, self._times)]
        attempts = Attempts()
        for topic in random.sample(old, min(PROLONGED_AT_ONCE, len(old))):
            if attempts.may_ask(topic):
                with attempts.about(topic):
                    self._rosters.prolong(process, (topic,))
                    self._kept((topic,))
        attempts.end()

    def _kept(self, topics: Iterable[Topic]) -> None:
        now = self._clock()
        for topic in topics:
            self._times.pop(topic, None)
            self._times[topic] = now

    def take(self) -> set[Topic]:
        """Forget all topics, and return them: the process has another name from now on."""
        topics, self._times = {*self._times}, {}
        return topics
