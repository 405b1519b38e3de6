"""Reading what Redis keeps of topics: their positions, their logs and shared messages."""

from collections.abc import Sequence
from os import urandom
from typing import Any, NamedTuple, Protocol

import redis
from redis.commands.core import Script
from redis.exceptions import RedisError, ResponseError

from django_socketio.protocol import json
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.redis.client import separate_connection
from django_socketio.relay.redis.entry import fields_of, message_of, offset_of
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.missed import Entry, Missed, Place, read_missed
from django_socketio.relay.redis.missed_script import MISSED, MISSED_IN_CLUSTER
from django_socketio.relay.redis.past import GONE, OtherData, Past, Question, read_past
from django_socketio.relay.redis.past_script import PAST
from django_socketio.relay.redis.script import READ
from django_socketio.relay.topics import Topic

MISSED_BYTES = 1_000_000
"""Bytes of messages that one answer about many topics may have, the last 50 messages aside."""


class LogPart(NamedTuple):
    """Entries of a topic's log, and the topic's position at the same moment."""

    position: StreamPosition | None
    entries: list[Entry]


class MessageLog(Protocol):
    """Answers what Redis keeps of topics; every method raises RedisError if it cannot be asked."""

    def position(self, topic: Topic) -> StreamPosition | None:
        """Return the position of a topic's last message; None for an idle topic."""

    def entries(self, topic: Topic, after: int, count: int | None = None) -> list[Entry]:
        """Return the entries of a topic's log after an offset."""

    def unused(self, topic: Topic) -> tuple[int, int]:
        """Return the offsets after the first and up to the second of which no message has one."""

    def part(self, topic: Topic, after: StreamPosition | None, count: int | None) -> LogPart:
        """Return entries after a position, or all if its epoch has ended."""

    def look(self, topic: Topic, question: Question) -> Past:
        """Return a part of a topic's past, and how far it can be relied on."""

    def look_at_all(self, topics: Sequence[Topic], question: Question) -> list[Past]:
        """Ask the same question about several topics."""

    def by_server(self, topics: Sequence[Topic]) -> list[Sequence[Topic]]:
        """Return topics in groups, each of which one server has, without asking any."""

    def shared(self, key: str) -> bytes | None:
        """Return a message that several topics share; None if it is not kept."""

    def missed(self, places: Sequence[Place]) -> Sequence[Missed]:
        """Return what many topics have after the places up to which they were received."""


class RedisLog:
    """The logs that one Redis, or one node of a cluster, keeps.

    In a cluster, ``asking`` reads from the node that a topic is on its way to.

    Args:
        client: redis-py's client; it connects on first use.
        keyspace: makes the keys of topics.
        is_node: whether it is the log of a node of a cluster.

    """

    def __init__(self, client: "redis.Redis", keyspace: Keyspace, is_node: bool = False) -> None:
        self._client = client
        self._keyspace = keyspace
        self._script = client.register_script(READ)
        self._look = client.register_script(PAST)
        self._missed = client.register_script(MISSED_IN_CLUSTER if is_node else MISSED)

    def position(self, topic: Topic, asking: bool = False) -> StreamPosition | None:
        """Return the position of a topic's last message; None for an idle topic.

        Raises:
            RedisError: Redis cannot be asked.

        """
        key, _ = self._keyspace.keys(topic)
        return _position(*self._read(asking, "HMGET", key, "epoch", "number"))

    def entries(
        self, topic: Topic, after: int, count: int | None = None, asking: bool = False
    ) -> list[Entry]:
        """Return the entries of a topic's log after an offset.

        Args:
            count: how many are wanted at most; None for all.

        Raises:
            RedisError: Redis cannot be asked.

        """
        _, key = self._keyspace.keys(topic)
        some = () if count is None else ("COUNT", count)
        return _entries(self._read(asking, "XRANGE", key, f"{after + 1}-0", "+", *some))

    def unused(self, topic: Topic, asking: bool = False) -> tuple[int, int]:
        """Return the offsets after the first and up to the second of which no message has one.

        Raises:
            RedisError: Redis cannot be asked.

        """
        key, _ = self._keyspace.keys(topic)
        before, mark = self._read(asking, "HMGET", key, "before", "mark")
        return (0, 0) if before is None else (int(before), int(mark))

    def newest(self, topic: Topic, count: int) -> list[bytes]:
        """Return the newest messages and references of a topic's log, the newest one first.

        The connection is a new one: those that are open may be dead.

        Raises:
            RedisError: Redis cannot be asked.

        """
        _, key = self._keyspace.keys(topic)
        connection = separate_connection(self._client)
        try:
            connection.connect()
            connection.send_command("XREVRANGE", key, "+", "-", "COUNT", count)
            return [message for _, message in _entries(connection.read_response())]
        finally:
            connection.disconnect()

    def part(
        self,
        topic: Topic,
        after: StreamPosition | None,
        count: int | None,
        asking: bool = False,
    ) -> LogPart:
        """Return the entries after a position, and the topic's position, read in one step.

        Raises:
            RedisError: Redis cannot be asked.

        """
        epoch, offset = ("", 0) if after is None else after
        keys = self._keyspace.keys(topic)
        found = self._run(
            asking, self._script, keys, (epoch, offset + 1, -1 if count is None else count)
        )
        return LogPart(_position(*found[0]), _entries(found[1] or []))  # None for a count of 0

    def look(self, topic: Topic, question: Question) -> Past:
        """Return a part of a topic's past, and how far it can be relied on.

        Raises:
            RedisError: Redis cannot be asked.

        """
        past = self.look_once(topic, question)
        while isinstance(past, OtherData):
            past = self.look_once(topic, question, GONE)
        return past

    def look_at_all(self, topics: Sequence[Topic], question: Question) -> list[Past]:
        """Ask the same question about several topics, in one round trip.

        Raises:
            RedisError: Redis cannot be asked.

        """
        pasts = self.look_at_all_here(topics, question)
        found = zip(topics, pasts, strict=True)
        return [past or self.look(topic, question) for topic, past in found]

    def by_server(self, topics: Sequence[Topic]) -> list[Sequence[Topic]]:
        """Return topics in groups, each of which one server has: in a single one."""
        return [topics] if topics else []

    def look_at_all_here(self, topics: Sequence[Topic], question: Question) -> list[Past | None]:
        """Return what ``look_at_all`` returns, with None for each topic to be asked about alone.

        Raises:
            RedisError: Redis cannot be asked.

        """
        if len(topics) < 2:
            return [None for _ in topics]
        with self._client.pipeline(transaction=False) as pipeline:
            for topic in topics:
                keys, args = self._keyspace.keys(topic), question.args(urandom(6).hex(), b"")
                pipeline.evalsha(self._look.sha, len(keys), *keys, *args)
            found = pipeline.execute(raise_on_error=False)
        return [_whole_past(answer) for answer in found]

    def look_once(
        self, topic: Topic, question: Question, same: bytes = b"", asking: bool = False
    ) -> Past | OtherData:
        """Return a part of a topic's past, unless it was noted with other data.

        Args:
            same: the identity of data that a node still has, or ``GONE``.

        Raises:
            RedisError: Redis cannot be asked.

        """
        args = question.args(urandom(6).hex(), same)
        return read_past(self._run(asking, self._look, self._keyspace.keys(topic), args))

    def shared(self, key: str, asking: bool = False) -> bytes | None:
        """Return a message that several topics share; None if it is not kept.

        Raises:
            RedisError: Redis cannot be asked.

        """
        try:
            message: bytes | None = self._read(asking, "HGET", key, "m")
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):  # a foreign key
                raise
            return None
        return message

    def missed(self, places: Sequence[Place]) -> list[Missed]:
        """Return what many topics have after the places up to which they were received.

        Raises:
            RedisError: Redis cannot be asked.

        """
        found = zip(places, self.missed_here(places), strict=True)
        return [missed or missed_of_one(self, place) for place, missed in found]

    def missed_here(self, places: Sequence[Place]) -> list[Missed | None]:
        """Return what ``missed`` returns, with None for each topic that cannot be read here.

        Raises:
            RedisError: Redis cannot be asked.

        """
        items = [self._item(place) for place in places]
        found, parts = self._missed(args=(json.dumps(items), MISSED_BYTES))
        entries = {number: list(zip(*[iter(part)] * 2, strict=True)) for number, *part in parts}
        return [read_missed(text, entries.get(number, ())) for number, text in enumerate(found, 1)]

    def _item(self, place: Place) -> tuple[str, str, str, str]:
        epoch, offset = place.after or ("", 0)
        wanted = str(offset) if place.wants_messages else ""
        return self._keyspace.tag(place.topic), epoch, wanted, place.id or ""

    def _run(
        self, asking: bool, script: Script, keys: tuple[str, ...], args: tuple[Any, ...]
    ) -> Any:
        if not asking:
            return script(keys=keys, args=args)
        self._client.script_load(script.script)  # the node may not have it yet
        return self._read(True, "EVALSHA", script.sha, len(keys), *keys, *args)

    def _read(self, asking: bool, *command: Any) -> Any:
        if not asking:
            return self._client.execute_command(*command)
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.execute_command("ASKING")
            pipeline.execute_command(*command)
            return pipeline.execute()[-1]


def missed_of_one(log: MessageLog, place: Place) -> Missed:
    """Return what a topic has after a place, in several steps.

    Raises:
        RedisError: Redis cannot be asked.

    """
    topic, after, id, wants_messages = place
    kept = log.entries(topic, after.offset - 1, 1) if after is not None and id else []
    position, entries = log.part(topic, after, None if wants_messages else 0)
    is_same = None
    if position is not None and after is not None and position.epoch == after.epoch:
        is_same = next((_has_id(entry, id) for at, entry in kept if at == after.offset), None)
    return Missed(position, is_same, entries, unused=log.unused(topic))


def _whole_past(answer: Any) -> Past | None:
    """Return the past that Redis has answered with; None for an error or other data."""
    past = None if isinstance(answer, RedisError) else read_past(answer)
    return past if isinstance(past, Past) else None


def _has_id(entry: bytes, id: str | None) -> bool:
    return id is not None and id.encode() in entry


def _position(epoch: bytes | None, offset: bytes | None) -> StreamPosition | None:
    if epoch is None or offset is None:
        return None
    return StreamPosition(epoch.decode(), int(offset))


def _entries(found: list[Any]) -> list[Entry]:
    return [(offset_of(id), message_of(fields_of(fields))) for id, fields in found]
