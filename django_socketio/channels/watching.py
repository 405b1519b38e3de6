"""The clients that watch who is on a channel: each gets the people, and then the changes.

A process with watchers of a channel keeps the people of it (a *replica*): it subscribes to the
changes, and reads all people once. Further watchers get them from the replica.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gevent.event import Event

from django_socketio.channels.encoded_event import EncodedEvent
from django_socketio.channels.people import are_details, as_json
from django_socketio.channels.positions import parse_position, position_text
from django_socketio.concurrency import hub_log
from django_socketio.concurrency.timers import Timers
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.protocol.socketio.names import PRESENCE
from django_socketio.relay.base import Relay
from django_socketio.relay.envelope import Delivery, StreamPosition
from django_socketio.relay.roster import CHANGED, Entry, Presence
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.relay")

PAGE = 500
"""People that one event tells of."""

PAUSE = 0.25
"""Seconds between two events about changes of one channel; changes meanwhile share the next one."""

MOST_CHANGES = 500
"""Changes that a client gets which comes back; beyond, it gets all people again."""


class Watcher(Protocol):
    """A socket that watches."""

    namespace: str

    def deliver(self, encoded: Any, /) -> bool:
        """Send an event to the client."""


People = dict[str, dict[str, Any]]
"""The people on a channel as browsers get them, by their ids."""

Encode = Callable[[str, str, tuple[Any, ...]], EncodedEvent]
"""Returns an event for a namespace, by its name and its arguments."""


class Replica:
    """The people on a channel, for the clients of this process that watch it.

    Args:
        topic: the presence topic of the channel.
        encode: encodes events.
        timers: of the server.

    """

    def __init__(self, topic: Topic, encode: Encode, timers: Timers) -> None:
        self.topic = topic
        self._encode = encode
        self._timers = timers
        self.people: People = {}
        self.position: StreamPosition | None = None
        self.watchers: dict[Watcher, None] = {}
        self.is_loaded = Event()
        self._early: list[Delivery] = []
        self._changes: dict[str, dict[str, Any]] = {}
        self._is_waiting = False
        self._failure: BaseException | None = None

    def load(self, people: People, position: StreamPosition | None) -> None:
        """Take all people, and the changes that have come since they were read."""
        self.people, self.position = people, position
        early, self._early = self._early, []
        self.is_loaded.set()
        for delivery in early:
            self.received(delivery)

    def fail(self, error: BaseException) -> None:
        """Note that the people cannot be read."""
        self._failure = error
        self.is_loaded.set()

    def wait(self) -> None:
        """Wait until the people are read.

        Raises:
            RelayError: the relay could not be asked: it is not asked again for each who waits.

        """
        self.is_loaded.wait()
        if isinstance(self._failure, RelayError):
            raise RelayError(str(self._failure)) from self._failure

    def received(self, delivery: Delivery) -> int:
        """Take a change."""
        if not self.is_loaded.is_set():
            self._early.append(delivery)
            return 1
        if _is_old(delivery.position, self.position):
            return 1
        person, presence, details = delivery.envelope.args[:3]
        self.position = delivery.position
        self._apply(person, Presence(presence), details)
        self._changes.pop(person, None)
        self._changes[person] = self.change_of(person)
        self._tell_soon()
        return 1

    def _apply(self, person: str, presence: Presence, details: str) -> None:
        if presence is Presence.GONE:
            self.people.pop(person, None)
        elif details or person not in self.people:  # only a join tells details
            self.people[person] = as_json(person, Entry(presence, details))
        else:
            self.people[person] = {**self.people[person], "away": presence is Presence.AWAY}

    def change_of(self, person: str) -> dict[str, Any]:
        """Return how a person is now, as browsers get a change."""
        return self.people.get(person, {"id": person, "gone": True})

    def _tell_soon(self) -> None:
        """Tell the first change at once, and those that follow soon after it together."""
        if not self._is_waiting:
            self.tell()
            self._is_waiting = True
            self._timers.after(PAUSE, self._end_pause)

    def _end_pause(self, now: float) -> None:
        self._is_waiting = False
        if self._changes:
            self._tell_soon()

    def tell(self) -> None:
        """Send the changes that wait to all watchers."""
        changes, self._changes = [*self._changes.values()], {}
        if changes:
            for events in self._updates("changes", changes):
                for watcher in [*self.watchers]:
                    watcher.deliver(events)

    def add(self, watcher: Watcher, changes: Sequence[dict[str, Any]] | None) -> None:
        """Have a client watch, and send it what it has missed, or all people."""
        self.tell()
        self.watchers[watcher] = None
        what = "people" if changes is None else "changes"
        found = [*self.people.values()] if changes is None else changes
        for event in self._updates(what, found):
            watcher.deliver(event)

    def _updates(self, what: str, entries: Sequence[dict[str, Any]]) -> list[EncodedEvent]:
        """Return the events that tell of people or of changes, in pages."""
        pages = [entries[first : first + PAGE] for first in range(0, len(entries) or 1, PAGE)]
        position = position_text(self.position)
        return [
            self._event({what: page, "page": number, "pages": len(pages), "position": position})
            for number, page in enumerate(pages, 1)
        ]

    def _event(self, update: dict[str, Any]) -> EncodedEvent:
        return self._encode(self.topic.namespace, PRESENCE, (self.topic.name, update))


class Watchers:
    """The clients of this process that watch channels.

    Args:
        relay: of the server.
        encode: encodes events.
        timers: of the server.

    """

    def __init__(self, relay: Relay, encode: Encode, timers: Timers) -> None:
        self._relay = relay
        self._encode = encode
        self._timers = timers
        self._replicas: dict[Topic, Replica] = {}

    def __len__(self) -> int:
        """Return the number of channels that are watched here."""
        return len(self._replicas)

    def add(self, topic: Topic, watcher: Watcher, since: Any = None) -> None:
        """Have a client watch a channel; called in a worker.

        Args:
            since: the position that the client has brought; None for one that has none.

        Raises:
            PositionError: it has another form than positions have.
            RelayError: the relay cannot be asked.

        """
        after = None if since is None else parse_position(since)
        replica = self._replicas.get(topic)
        if replica is None:
            replica = self._load(topic)
        else:
            replica.wait()
        try:
            changes = None if after is None else self._changes(replica, after)
        except BaseException:
            self._forget_unwatched(replica)
            raise
        if self._replicas.get(topic) is not replica:
            return self.add(topic, watcher, since)  # it could not be loaded, or has gone meanwhile
        replica.add(watcher, changes)

    def _load(self, topic: Topic) -> Replica:
        replica = self._replicas[topic] = Replica(topic, self._encode, self._timers)
        try:
            self._relay.subscribe(topic, self.received)
            replica.load(*self._read(topic))
        except BaseException as error:
            self._forget(topic)
            replica.fail(error)
            raise
        return replica

    def _read(self, topic: Topic) -> tuple[People, StreamPosition | None]:
        roster = self._relay.rosters.read(topic)
        return {id: as_json(id, entry) for id, entry in roster.people.items()}, roster.position

    def _changes(self, replica: Replica, after: StreamPosition) -> list[dict[str, Any]] | None:
        """Return what has changed after a position; None if that is not known for certain."""
        if after == replica.position:
            return []
        found = self._relay.read(replica.topic, after, MOST_CHANGES + 1)
        is_usable = found.is_complete and not found.is_cut
        if not is_usable or found.position != replica.position:
            return None
        people = [one.envelope.args[0] for one in found.deliveries if _is_change(one)]
        return [replica.change_of(person) for person in dict.fromkeys(people)]

    def told(self, topic: Topic, watcher: Watcher) -> str | None:
        """Return the position up to which a client is told of a channel, None if it is not."""
        replica = self._replicas.get(topic)
        if replica is None or watcher not in replica.watchers:
            return None
        replica.tell()
        return position_text(replica.position)

    def remove(self, topic: Topic, watcher: Watcher) -> None:
        """Have a client watch a channel no more."""
        replica = self._replicas.get(topic)
        if replica is not None and watcher in replica.watchers:
            del replica.watchers[watcher]
            self._forget_unwatched(replica)

    def _forget_unwatched(self, replica: Replica) -> None:
        if not replica.watchers and self._replicas.get(replica.topic) is replica:
            self._forget(replica.topic)

    def _forget(self, topic: Topic) -> None:
        self._replicas.pop(topic, None)
        self._relay.unsubscribe(topic)

    def received(self, delivery: Delivery) -> int:
        """Take a change of a channel that is watched here."""
        replica = self._replicas.get(delivery.topic)
        if replica is None or not _is_change(delivery):
            return 0
        return replica.received(delivery)

    def lost(self, topic: Topic) -> None:
        """Read all people again: changes of a channel were lost. Called in a worker.

        Raises:
            RelayError: the relay cannot be asked.

        """
        replica = self._replicas.get(topic)
        if replica is None:
            return
        replica.is_loaded.wait()  # the people may have been read before the loss
        if self._replicas.get(topic) is replica:
            self._load_again(replica)

    def _load_again(self, replica: Replica) -> None:
        replica.is_loaded.clear()  # changes that come meanwhile are newer than what is read
        people, position = replica.people, replica.position
        try:
            people, position = self._read(replica.topic)
        finally:
            replica.load(people, position)
        for watcher in [*replica.watchers]:
            replica.add(watcher, None)


def _is_change(delivery: Delivery) -> bool:
    """Return whether a message tells of a change, in a form that this process knows."""
    envelope = delivery.envelope
    args = envelope.args[:3]
    is_known = (
        envelope.name == CHANGED
        and len(args) == 3
        and all(isinstance(one, str) for one in args)
        and args[1] in set(Presence)
        and are_details(args[2])
    )
    if not is_known:
        hub_log.say(logger.warning, "Ignored a change of no known form: %.100r", envelope)
    return is_known


def _is_old(position: StreamPosition | None, known: StreamPosition | None) -> bool:
    """Return whether a change was known before: the people were read after it."""
    if position is None or known is None or position.epoch != known.epoch:
        return False
    return position.offset <= known.offset
