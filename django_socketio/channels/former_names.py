"""The names that a process had as a holder of people, before others counted it as dead."""

from collections.abc import Iterable, Iterator

from django_socketio.channels.due_people import Place
from django_socketio.relay.roster import Change, Presence
from django_socketio.relay.topics import Topic


class FormerNames:
    """The former names of this process, whose people are to be registered under its present one."""

    def __init__(self) -> None:
        self._topics: dict[str, set[Topic]] = {}
        self._forgotten: frozenset[Place] | None = None

    def __bool__(self) -> bool:
        return bool(self._topics)

    def add(self, name: str, topics: set[Topic], forgotten: Iterable[Place] | None) -> None:
        """Add a name.

        Args:
            topics: those with people under the name.
            forgotten: these people, if the relay has lost its data; None if others may have removed
                them.

        """
        self._topics[name] = topics
        if forgotten is not None:
            self._forgotten = (self._forgotten or frozenset()).union(forgotten)

    def items(self) -> Iterable[tuple[str, set[Topic]]]:
        """Return the names, and the topics with people under each."""
        return self._topics.items()

    def news(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Yield those changes of a new registration that handlers are told of.

        If the relay has lost its data, nobody has left meanwhile: only those have joined who had
        not been registered before.
        """
        forgotten = self._forgotten
        for change in changes:
            has_joined = change.before is Presence.GONE
            if forgotten is None or (has_joined and (change.topic, change.person) not in forgotten):
                yield change

    def clear(self) -> None:
        """Forget all names: their people are registered."""
        self._topics, self._forgotten = {}, None
