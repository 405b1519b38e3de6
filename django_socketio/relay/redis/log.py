"""Reading what Redis keeps of topics: their positions, their logs and shared messages."""

from typing import Any, NamedTuple, Protocol

import redis
from redis.exceptions import ResponseError

from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.script import READ
from django_socketio.relay.topics import Topic

REFERENCE = b"@"
"""The first byte of a reference: the rest is the key of a message that several topics share."""

Entry = tuple[int, bytes]
"""A message, or a reference to a shared one, with its offset."""


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

    def part(self, topic: Topic, after: StreamPosition | None, count: int | None) -> LogPart:
        """Return entries after a position, or all if its epoch has ended."""

    def shared(self, key: str) -> bytes | None:
        """Return a message that several topics share; None if it is not kept."""


class RedisLog:
    """The logs that one Redis, or one node of a cluster, keeps.

    In a cluster, ``asking`` reads from the node that a topic is on its way to.

    Args:
        client: redis-py's client; it connects on first use.
        keyspace: makes the keys of topics.

    """

    def __init__(self, client: "redis.Redis", keyspace: Keyspace) -> None:
        self._client = client
        self._keyspace = keyspace
        self._script = client.register_script(READ)

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

    def newest(self, topic: Topic, count: int) -> list[bytes]:
        """Return the newest messages and references of a topic's log, the newest one first.

        Raises:
            RedisError: Redis cannot be asked.

        """
        _, key = self._keyspace.keys(topic)
        found = self._read(False, "XREVRANGE", key, "+", "-", "COUNT", count)
        return [message for _, message in _entries(found)]

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
        found = self._run(asking, keys, (epoch, offset + 1, -1 if count is None else count))
        return LogPart(_position(*found[0]), _entries(found[1] or []))  # None for a count of 0

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

    def _run(self, asking: bool, keys: tuple[str, ...], args: tuple[Any, ...]) -> Any:
        if not asking:
            return self._script(keys=keys, args=args)
        self._client.script_load(READ)  # the node that a slot is on its way to may not have it
        return self._read(True, "EVALSHA", self._script.sha, len(keys), *keys, *args)

    def _read(self, asking: bool, *command: Any) -> Any:
        if not asking:
            return self._client.execute_command(*command)
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.execute_command("ASKING")
            pipeline.execute_command(*command)
            return pipeline.execute()[-1]


def _position(epoch: bytes | None, offset: bytes | None) -> StreamPosition | None:
    if epoch is None or offset is None:
        return None
    return StreamPosition(epoch.decode(), int(offset))


def _entries(found: list[Any]) -> list[Entry]:
    return [(_offset(id), _message(fields)) for id, fields in found]


def _offset(id: bytes) -> int:
    return int(id.partition(b"-")[0])


def _message(fields: Any) -> bytes:
    """Return the message of an entry, or a reference to it; nothing of a foreign entry."""
    named = (
        fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=False))
    )
    if b"r" in named:
        return REFERENCE + bytes(named[b"r"])
    return bytes(named.get(b"m", b""))
