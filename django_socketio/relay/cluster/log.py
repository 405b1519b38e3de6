"""Reading what a Redis Cluster keeps of topics, each from the node that serves its slot."""

from collections.abc import Callable, Iterator, Sequence

from django_socketio.relay.cluster.router import Result, Router
from django_socketio.relay.cluster.topology import slot_of
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.log import LogPart, RedisLog, missed_of_one
from django_socketio.relay.redis.missed import Entry, Missed, Place
from django_socketio.relay.redis.past import GONE, OtherData, Past, Question
from django_socketio.relay.topics import Topic


class ClusterLog:
    """The logs of a cluster's topics; every method raises RedisError if it cannot be asked."""

    def __init__(self, router: Router, keyspace: Keyspace) -> None:
        self._router = router
        self._keyspace = keyspace

    def position(self, topic: Topic) -> StreamPosition | None:
        """Return the position of a topic's last message; None for an idle topic."""
        return self._read(topic, lambda log, asking: log.position(topic, asking))

    def entries(self, topic: Topic, after: int, count: int | None = None) -> list[Entry]:
        """Return the entries of a topic's log after an offset."""
        return self._read(topic, lambda log, asking: log.entries(topic, after, count, asking))

    def unused(self, topic: Topic) -> tuple[int, int]:
        """Return the offsets after the first and up to the second of which no message has one."""
        return self._read(topic, lambda log, asking: log.unused(topic, asking))

    def part(self, topic: Topic, after: StreamPosition | None, count: int | None) -> LogPart:
        """Return the entries after a position, and the topic's position, read in one step."""
        return self._read(topic, lambda log, asking: log.part(topic, after, count, asking))

    def look(self, topic: Topic, question: Question) -> Past:
        """Return a part of a topic's past, and how far it can be relied on.

        A slot that has come from another node has brought all of its data, if that node has the
        rest of its own still. Otherwise a replica has taken the place of a node, or a node has
        restarted.
        """
        past = self._look(topic, question, b"")
        while isinstance(past, OtherData):
            same = past.noted if self._router.has_data(past.noted) else GONE
            past = self._look(topic, question, same)
        return past

    def look_at_all(self, topics: Sequence[Topic], question: Question) -> list[Past]:
        """Ask the same question about several topics, in one round trip to each node."""
        found: dict[Topic, Past | None] = {}
        for group in self.by_server(topics):
            pasts = self._read(group[0], _pasts_at_node(group, question))
            found.update(zip(group, pasts, strict=True))
        return [found[topic] or self.look(topic, question) for topic in topics]

    def by_server(self, topics: Sequence[Topic]) -> list[Sequence[Topic]]:
        """Return topics in groups, each of which one node serves, as far as that is known."""
        slots = [slot_of(self._keyspace.channel(topic)) for topic in topics]
        groups = self._router.by_node(slots)
        return [[topics[number] for number in numbers] for _, numbers in groups]

    def _look(self, topic: Topic, question: Question, same: bytes) -> Past | OtherData:
        return self._read(topic, lambda log, asking: log.look_once(topic, question, same, asking))

    def shared(self, key: str) -> bytes | None:
        """Return a message that several topics share; None if it is not kept."""
        return self._router.read(slot_of(key), lambda log, asking: log.shared(key, asking))

    def missed(self, places: Sequence[Place]) -> list[Missed]:
        """Return what many topics have after the places up to which they were received.

        Each node is asked once. A topic whose slot is on its way to another node is read alone.
        """
        found = {place: missed for group in self._by_node(places) for place, missed in group}
        return [found[place] or missed_of_one(self, place) for place in places]

    def _by_node(self, places: Sequence[Place]) -> Iterator[Iterator[tuple[Place, Missed | None]]]:
        slots = [slot_of(self._keyspace.channel(place.topic)) for place in places]
        for slot, numbers in self._router.by_node(slots):
            group = [places[number] for number in numbers]
            yield zip(group, self._router.read(slot, _missed_at_node(group)), strict=True)

    def _read(self, topic: Topic, read: Callable[[RedisLog, bool], Result]) -> Result:
        return self._router.read(slot_of(self._keyspace.channel(topic)), read)


def _pasts_at_node(
    topics: Sequence[Topic], question: Question
) -> Callable[[RedisLog, bool], list[Past | None]]:
    return lambda log, _: log.look_at_all_here(topics, question)


def _missed_at_node(places: Sequence[Place]) -> Callable[[RedisLog, bool], list[Missed | None]]:
    return lambda log, _: log.missed_here(places)
