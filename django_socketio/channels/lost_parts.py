"""Parts of a relay that lose their data by themselves, as a node of a cluster does.

A lease shows the loss of its own part only. So each process asks for some of its channels whether
the relay still has its people there.
"""

import random
from collections.abc import Callable, Mapping

from django_socketio.channels.held import Held
from django_socketio.exceptions import RelayError
from django_socketio.relay.roster import Presence, Rosters
from django_socketio.relay.topics import Topic

SAMPLES = 10
"""Channels that one look at the relay asks for."""

DISTRUST = 60.0
"""Seconds after a late renewal in which others may remove people of this process."""

People = Mapping[Topic, Mapping[str, Held]]
"""The people of a process, by the topic and the id of each."""


class LostParts:
    """Finds out whether a part of the relay has lost people of this process.

    Args:
        rosters: of the relay.
        clock: returns a monotonic time.

    """

    def __init__(self, rosters: Rosters, clock: Callable[[], float]) -> None:
        self._rosters = rosters
        self._clock = clock
        self._distrusted_until = 0.0

    def distrust(self) -> None:
        """Look for nothing for a while: others may have counted this process as dead."""
        self._distrusted_until = self._clock() + DISTRUST

    def are_found(self, process: str, topics: People) -> bool:
        """Return whether people that a process holds are missing; False if it is not known."""
        if not self._rosters.are_divided or self._clock() < self._distrusted_until:
            return False
        some = random.sample([*topics], min(SAMPLES, len(topics)))
        try:
            return any(
                _has_people(topics[topic]) and not self._rosters.has_people_of(process, topic)
                for topic in some
            )
        except RelayError:
            return False


def _has_people(people: Mapping[str, Held]) -> bool:
    return any(here.held not in (None, Presence.GONE) for here in people.values())
