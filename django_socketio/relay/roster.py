"""Rosters: the people on a channel, as all processes hold them, and the leases of the processes.

A process *holds* a person on a topic while one of its sockets is there. The person is present while
any process holds it. Each change of that is a message on the topic, of kind control: it has a
position, and subscribers get it in order.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

from django_socketio.relay.envelope import Envelope, EnvelopeKind, StreamPosition
from django_socketio.relay.topics import Topic

CHANGED = "presence"
"""The name of the messages that tell of a change. Their arguments are those of ``Change``."""


class Presence(StrEnum):
    """The presence of a person on a channel, as one process or as all processes hold it."""

    ONLINE = "online"
    AWAY = "away"
    """All sockets of the person are away: their connections have broken, and may come back."""

    GONE = "gone"


class Hold(NamedTuple):
    """The order to a roster to note a person for one process.

    Attributes:
        topic: the presence topic of a channel.
        person: the id of the person.
        presence: how the process holds the person from now on.
        details: what is told of the person, as JSON text. Those of the first process stay while the
            person does; any others are only for the change that their process gets.

    """

    topic: Topic
    person: str
    presence: Presence
    details: str = ""


class Change(NamedTuple):
    """A change of the presence of a person, over all processes.

    Attributes:
        before: the presence until now; GONE for a person that has joined.

    """

    topic: Topic
    person: str
    presence: Presence
    details: str
    before: Presence

    def envelope(self) -> Envelope:
        """Return the message that tells of the change; only that of a join has the details."""
        has_joined = self.before is Presence.GONE and self.presence is not Presence.GONE
        details = self.details if has_joined else ""
        args = (self.person, self.presence.value, details)
        return Envelope((self.topic,), self.topic.namespace, CHANGED, args, kind=_CONTROL)


_CONTROL = EnvelopeKind.CONTROL


class Entry(NamedTuple):
    """A person in a roster."""

    presence: Presence
    details: str


class Roster(NamedTuple):
    """The people on a topic at one moment.

    Attributes:
        people: by the id of each person.
        position: of the topic at that moment; None if it had no change yet, or keeps no log.

    """

    people: Mapping[str, Entry]
    position: StreamPosition | None


class Renewal(NamedTuple):
    """The answer to a process that renews its lease.

    Attributes:
        is_held: whether the process had a lease; otherwise others may have removed its people.
        data: names the data of the relay. Another name shows that all was forgotten.
        leases: of all processes, by the name of each. A lease that does not change any more is
            that of a process that has died.
        ended: processes without a lease whose people are to be removed once more: this process had
            begun to, and was not told of the changes.

    """

    is_held: bool
    data: str
    leases: Mapping[str, str]
    ended: Sequence[str] = ()

    def number_of(self, process: str) -> int:
        """Return the number of a process's lease; 0 if it has none, or has stopped."""
        value = self.leases.get(process, "0")
        return int(value) if value.isdecimal() else 0


LEAVING = "leaving"
"""The lease of a process that has stopped in order, and whose people may come back elsewhere."""


ROSTER_LIFE = 48 * 3600
"""Seconds after which the relay drops a roster that no process prolongs."""

LEASES_LIFE = 24 * 3600
"""Seconds after which the relay drops all leases if no process renews one.

This is less than what a roster has left at any time. So leases go first if the clock of the relay
jumps: processes then see that data was lost, and register their people again.
"""


AT_ONCE = 50
"""People of one topic that a roster notes in one step."""

OfTopic = TypeVar("OfTopic", bound=tuple[Any, ...])


def in_steps(items: Sequence[OfTopic]) -> Iterator[list[OfTopic]]:
    """Yield items, whose first value is a topic, as a roster notes them: in steps of one topic."""
    for _, group in groupby(items, lambda item: item[0]):
        of_topic = [*group]
        for first in range(0, len(of_topic), AT_ONCE):
            yield of_topic[first : first + AT_ONCE]


class Rosters(ABC):
    """The rosters of all presence topics. Every method raises ``RelayError``."""

    are_shared: bool = True
    """Whether other processes use them as well, so that each needs a lease."""

    are_divided: bool = False
    """Whether the relay can lose some of them without the leases: those on a node of a cluster."""

    @abstractmethod
    def hold(self, process: str, holds: Sequence[Hold]) -> list[Change]:
        """Note people for a process; return the changes. Each change is told by a message.

        The topics of the holds must be noted before, by ``note``.
        """

    @abstractmethod
    def read(self, topic: Topic) -> Roster:
        """Return the people on a topic."""

    @abstractmethod
    def count(self, topic: Topic) -> int:
        """Return the number of people on a topic."""

    @abstractmethod
    def renew(self, process: str, is_new: bool) -> Renewal:
        """Renew the lease of a process, or give it its first one.

        A process that has lost its lease does not get it back: it needs another name.
        """

    @abstractmethod
    def leave(self, process: str) -> None:
        """Note that a process stops: its people are removed a little later."""

    @abstractmethod
    def note(self, process: str, topics: Iterable[Topic]) -> None:
        """Note that a process holds people on topics: so they are found after its end."""

    @abstractmethod
    def prolong(self, process: str, topics: Iterable[Topic]) -> None:
        """Have the relay keep the rosters of topics with people of a process."""

    @abstractmethod
    def note_left(self, process: str, topics: Iterable[Topic]) -> None:
        """Note that a process holds nobody on topics any more."""

    @abstractmethod
    def topics_of(self, process: str) -> list[Topic]:
        """Return the topics on which a process holds people, or has held them."""

    @abstractmethod
    def people_of(self, process: str, topic: Topic) -> list[str]:
        """Return the people that a process holds on a topic."""

    @abstractmethod
    def has_people_of(self, process: str, topic: Topic) -> bool:
        """Return whether a process holds anybody on a topic."""

    @abstractmethod
    def forget(self, process: str) -> None:
        """Forget a process that holds nobody any more, with its lease."""
