"""Rosters in Redis, or in a Redis Cluster: all keys of one channel are in one slot."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from os import urandom
from typing import Any, Protocol

from redis.exceptions import ConnectionError

from django_socketio.relay.envelope import Envelope, StreamPosition, new_id
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.orders import ORDERS_LIFE, Order, Orders
from django_socketio.relay.redis.packing import MessagePacker, new_epoch
from django_socketio.relay.redis.publisher import RedisPublisher
from django_socketio.relay.redis.refusals import asking
from django_socketio.relay.redis.roster_scripts import (
    HOLD,
    LEAVE,
    NOTE,
    PROLONG,
    RENEW,
    ROSTER,
)
from django_socketio.relay.roster import (
    LEASES_LIFE,
    LEAVING,
    ROSTER_LIFE,
    Change,
    Entry,
    Hold,
    Presence,
    Renewal,
    Roster,
    Rosters,
    in_steps,
)
from django_socketio.relay.topics import Topic, key_of_topic, topic_of_key

_asking = partial(asking, "who is present")

TRIES = 3
"""How often Redis is asked on connections that break."""


class Asker(Protocol):
    """Asks the Redis that has a key; every method raises ``RedisError``."""

    def evaluate(self, script: str, keys: Sequence[str], args: Sequence[bytes]) -> Any:
        """Return the answer of a script."""

    def ask(self, key: str, *command: str) -> Any:
        """Return the answer to a command about a key."""


class RedisAsker:
    """Asks one Redis. Whatever rosters ask can be asked again, if a connection breaks."""

    def __init__(self, publisher: RedisPublisher) -> None:
        self._publisher = publisher

    def evaluate(self, script: str, keys: Sequence[str], args: Sequence[bytes]) -> Any:
        """Return the answer of a script."""
        return self._again(lambda: self._publisher.evaluate_bytes(script, keys, args))

    def ask(self, key: str, *command: str) -> Any:
        """Return the answer to a command."""
        return self._again(lambda: self._publisher.ask(*command))

    def _again(self, ask: Callable[[], Any]) -> Any:
        for _ in range(TRIES - 1):
            with suppress(ConnectionError):
                return ask()
        return ask()


class RedisRosters(Rosters):
    """Rosters that all processes of a site share.

    Args:
        asker: asks Redis.
        keyspace: makes the names of keys.
        packer: makes the arguments of the script that publishes.
        command: the command that publishes: PUBLISH, or SPUBLISH in a cluster.
        encode: returns the bytes of a message, signed where messages are.
        are_divided: see ``Rosters``.

    """

    def __init__(
        self,
        asker: Asker,
        keyspace: Keyspace,
        packer: MessagePacker,
        command: bytes,
        encode: Callable[[Envelope], bytes],
        are_divided: bool = False,
    ) -> None:
        self.are_divided = are_divided
        self._asker = asker
        self._keyspace = keyspace
        self._packer = packer
        self._command = command
        self._encode = encode
        self._orders = Orders(self._hold)
        self._giver = new_id()

    def hold(self, process: str, holds: Sequence[Hold]) -> list[Change]:
        """Note people for a process; return the changes."""
        changes: list[Change] = []
        with _asking():
            for some in in_steps(holds):
                changes += self._orders.give(process, some[0].topic, some)
        return changes

    def _hold(self, process: str, topic: Topic, order: Order) -> Iterator[Change]:
        channel, position, log = self._keyspace.names(topic)
        last = f"{self._keyspace.tag(topic)}}}:order:{self._giver}:{process}"
        keys = [*self._keys(process, topic), position, log, last]
        args = [new_epoch(), self._command, channel.encode(), *self._packer.retention(topic)]
        args += [b"%d" % ROSTER_LIFE, order.id.encode(), b"%d" % ORDERS_LIFE]
        for hold in order.holds:
            args += self._args(hold)
        answers = self._asker.evaluate(HOLD, keys, args)
        for hold, before, after in zip(order.holds, answers[::2], answers[1::2], strict=True):
            if before != after:
                change = Change(*hold, before=Presence(before.decode()))
                yield change._replace(presence=Presence(after.decode()))

    def _keys(self, process: str, topic: Topic) -> list[str]:
        tag = self._keyspace.tag(topic)
        return [f"{tag}}}:{name}" for name in ("people", "holders", "online", f"of:{process}")]

    def _args(self, hold: Hold) -> list[bytes]:
        change = Change(*hold, before=Presence.GONE)
        stays = Presence.AWAY if hold.presence is Presence.GONE else hold.presence
        other = change._replace(before=Presence.ONLINE, presence=stays)
        return [
            hold.person.encode(),
            hold.presence.value.encode(),
            hold.details.encode(),
            self._encode(change.envelope()),
            self._encode(other.envelope()),
        ]

    def read(self, topic: Topic) -> Roster:
        """Return the people on a topic."""
        position, _ = self._keyspace.keys(topic)
        with _asking():
            at, found = self._asker.evaluate(ROSTER, [self._people(topic), position], ())
        pairs = zip(found[::2], found[1::2], strict=True)
        people = {person.decode(): _entry(entry) for person, entry in pairs}
        place = None if at[0] is None else StreamPosition(at[0].decode(), int(at[1]))
        return Roster(people, place)

    def count(self, topic: Topic) -> int:
        """Return the number of people on a topic."""
        key = self._people(topic)
        with _asking():
            return int(self._asker.ask(key, "HLEN", key))

    def _people(self, topic: Topic) -> str:
        return f"{self._keyspace.tag(topic)}}}:people"

    def renew(self, process: str, is_new: bool) -> Renewal:
        """Renew the lease of a process, or give it its first one."""
        keys = [self._keyspace.processes, self._keyspace.topics_of(process)]
        args = (process.encode(), b"1" if is_new else b"0", urandom(8).hex().encode())
        with _asking():
            answer = self._asker.evaluate(RENEW, keys, (*args, b"%d" % LEASES_LIFE))
        is_held, data, found = answer
        texts = [one.decode() for one in found]
        leases = dict(zip(texts[::2], texts[1::2], strict=True))
        leases.pop("data", None)
        ended = [*self._orders.processes - leases.keys()]
        return Renewal(bool(is_held), data.decode(), leases, ended)

    def leave(self, process: str) -> None:
        """Note that a process stops: its people are removed a little later."""
        args = (process.encode(), LEAVING.encode())
        with _asking():
            self._asker.evaluate(LEAVE, [self._keyspace.processes], args)

    def note(self, process: str, topics: Iterable[Topic]) -> None:
        """Note that a process holds people on topics."""
        names = [key_of_topic(topic).encode() for topic in topics]
        if names:
            args = (b"%d" % LEASES_LIFE, *names)
            with _asking():
                self._asker.evaluate(NOTE, [self._keyspace.topics_of(process)], args)

    def prolong(self, process: str, topics: Iterable[Topic]) -> None:
        """Have Redis keep the rosters of topics with people of a process."""
        with _asking():
            for topic in topics:
                keys = self._keys(process, topic)
                self._asker.evaluate(PROLONG, keys, (b"%d" % ROSTER_LIFE,))

    def note_left(self, process: str, topics: Iterable[Topic]) -> None:
        """Note that a process holds nobody on topics any more."""
        key = self._keyspace.topics_of(process)
        names = [*map(key_of_topic, topics)]
        if names:
            with _asking():
                self._asker.ask(key, "SREM", key, *names)

    def topics_of(self, process: str) -> list[Topic]:
        """Return the topics on which a process holds people, or has held them.

        Orders about these are to be given again.
        """
        key = self._keyspace.topics_of(process)
        with _asking():
            found = self._asker.ask(key, "SMEMBERS", key)
        topics = (topic_of_key(name.decode()) for name in found)
        return [*{*filter(None, topics), *self._orders.topics(process)}]

    def people_of(self, process: str, topic: Topic) -> list[str]:
        """Return the people that a process holds on a topic, or may not hold any more.

        An order about these is to be given again.
        """
        key = self._own(process, topic)
        with _asking():
            found = [person.decode() for person in self._asker.ask(key, "HKEYS", key)]
        return [*{*found, *self._orders.people(process, topic)}]

    def has_people_of(self, process: str, topic: Topic) -> bool:
        """Return whether a process holds anybody on a topic."""
        key = self._own(process, topic)
        with _asking():
            return int(self._asker.ask(key, "HLEN", key)) > 0

    def _own(self, process: str, topic: Topic) -> str:
        return f"{self._keyspace.tag(topic)}}}:of:{process}"

    def forget(self, process: str) -> None:
        """Forget a process that holds nobody any more, with its lease."""
        key, leases = self._keyspace.topics_of(process), self._keyspace.processes
        with _asking():
            self._asker.ask(key, "DEL", key)
            self._asker.ask(leases, "HDEL", leases, process)


def _entry(text: bytes) -> Entry:
    presence, _, details = text.decode().partition(" ")
    return Entry(Presence(presence), details)
