"""The rosters of a site with one server process."""

from collections.abc import Callable, Iterable, Sequence

from django_socketio.relay.envelope import Envelope, StreamPosition
from django_socketio.relay.roster import Change, Entry, Hold, Presence, Renewal, Roster, Rosters
from django_socketio.relay.topics import Topic

_STRENGTH = {Presence.GONE: 0, Presence.AWAY: 1, Presence.ONLINE: 2}


class _Person:
    """A person on a topic, and how each process holds it."""

    def __init__(self, details: str) -> None:
        self.details = details
        self.holds: dict[str, Presence] = {}

    @property
    def presence(self) -> Presence:
        """The presence over all processes: the strongest one counts."""
        return max([*self.holds.values()], key=_STRENGTH.__getitem__, default=Presence.GONE)


class MemoryRosters(Rosters):
    """Rosters in the memory of this process.

    Args:
        publish: publishes the message of a change.
        position: returns the position of a topic.

    """

    are_shared = False

    def __init__(
        self,
        publish: Callable[[Envelope], object],
        position: Callable[[Topic], StreamPosition | None],
    ) -> None:
        self._publish = publish
        self._position = position
        self._topics: dict[Topic, dict[str, _Person]] = {}
        self._leases: dict[str, int] = {}

    def hold(self, process: str, holds: Sequence[Hold]) -> list[Change]:
        """Note people for a process; return the changes."""
        found = [self._hold(process, hold) for hold in holds]
        return [change for change in found if change is not None]

    def _hold(self, process: str, hold: Hold) -> Change | None:
        people = self._topics.setdefault(hold.topic, {})
        person = people.setdefault(hold.person, _Person(hold.details))
        before = person.presence
        if hold.presence is Presence.GONE:
            person.holds.pop(process, None)
        else:
            person.holds[process] = hold.presence
        after = person.presence
        if after is Presence.GONE:
            del people[hold.person]
            if not people:
                del self._topics[hold.topic]
        if before is after:
            return None
        change = Change(hold.topic, hold.person, after, person.details, before)
        self._publish(change.envelope())
        return change

    def read(self, topic: Topic) -> Roster:
        """Return the people on a topic; called in any thread, also while another changes them."""
        people = [*self._topics.get(topic, {}).items()]
        entries = {id: Entry(one.presence, one.details) for id, one in people}
        return Roster(entries, self._position(topic))

    def count(self, topic: Topic) -> int:
        """Return the number of people on a topic."""
        return len(self._topics.get(topic, ()))

    def renew(self, process: str, is_new: bool) -> Renewal:
        """Renew the lease of a process."""
        is_held = is_new or process in self._leases
        if is_held:
            self._leases[process] = self._leases.get(process, 0) + 1
        return Renewal(is_held, "memory", {one: str(at) for one, at in self._leases.items()})

    def leave(self, process: str) -> None:
        """Do nothing: the process takes its rosters with it."""

    def note(self, process: str, topics: Iterable[Topic]) -> None:
        """Do nothing: the rosters themselves tell."""

    def prolong(self, process: str, topics: Iterable[Topic]) -> None:
        """Do nothing: the rosters live as long as the process."""

    def note_left(self, process: str, topics: Iterable[Topic]) -> None:
        """Do nothing: the rosters themselves tell."""

    def topics_of(self, process: str) -> list[Topic]:
        """Return the topics on which a process holds people."""
        return [topic for topic in self._topics if self.people_of(process, topic)]

    def people_of(self, process: str, topic: Topic) -> list[str]:
        """Return the people that a process holds on a topic."""
        people = self._topics.get(topic, {})
        return [id for id, one in people.items() if process in one.holds]

    def has_people_of(self, process: str, topic: Topic) -> bool:
        """Return whether a process holds anybody on a topic."""
        return bool(self.people_of(process, topic))

    def forget(self, process: str) -> None:
        """Forget a process that holds nobody any more."""
        self._leases.pop(process, None)
