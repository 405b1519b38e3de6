"""The people whose presence the relay is to be told, in the order in which it is told."""

from collections.abc import Iterable

from django_socketio.relay.topics import Topic

Place = tuple[Topic, str]
"""A topic, and the id of a person there."""


class DuePeople:
    """People in the order in which they changed, the newest changes first after a failure.

    Those on topics for which the relay has failed come after all others: a failure takes long.
    """

    def __init__(self) -> None:
        self._people: dict[Place, None] = {}
        self._failed: set[Topic] = set()

    def __contains__(self, place: Place) -> bool:
        """Return whether a person is due."""
        return place in self._people

    def add(self, place: Place) -> None:
        """Add a person."""
        self._people[place] = None

    def take(self) -> dict[Place, None]:
        """Take all people."""
        people, self._people = self._people, {}
        self._failed &= {topic for topic, _ in people}
        return _last(people, self._failed)

    def put_back(self, people: Iterable[Place], failed: set[Topic]) -> None:
        """Have people told later that were not told, the relay having failed for some topics."""
        self._failed |= failed
        self._people = {**self._people, **_last(people, failed)}


def _last(people: Iterable[Place], topics: set[Topic]) -> dict[Place, None]:
    """Return people, those on certain topics last."""
    return dict.fromkeys(sorted(people, key=lambda place: place[0] in topics))
