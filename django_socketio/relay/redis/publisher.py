"""Publishing through one Redis, and asking it for what it keeps."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import ConnectionError, RedisError, ResponseError

from django_socketio.exceptions import RelayError
from django_socketio.relay.redis.client import descriptors
from django_socketio.relay.redis.keys import Names
from django_socketio.relay.redis.script import PUBLISH

LATELY = 1000
"""Messages of a log among which one is looked for whose answer was lost."""

SHARED_ABOVE = 500
"""Bytes up to which a message for several topics is kept in the log of each."""

REFERENCE = b"@"
"""How a message begins that is the key of a shared message."""


class Publisher:
    """A small pool of connections for publishing, safe in threads, greenlets and after a fork.

    Args:
        client: redis-py's client; it connects on first use.
        names: makes a topic's channel, position key and log key.
        log_size: messages that a topic's log keeps; 0 keeps none.
        log_bytes: bytes of messages that it keeps; the last message stays, whatever its size.
        log_seconds: seconds that it keeps them once the topic is idle.
        timeout: seconds that the client waits for an answer of Redis.
        command: what publishes: PUBLISH, or SPUBLISH in a cluster.

    """

    def __init__(
        self,
        client: "redis.Redis",
        names: Names,
        log_size: int,
        log_bytes: int,
        log_seconds: float,
        timeout: float,
        command: str = "PUBLISH",
    ) -> None:
        self._client = client
        self._names = names
        self._log = (log_size, log_bytes, round(log_seconds * 1000))
        self._timeout = timeout
        self._command = command
        self._script = client.register_script(PUBLISH)
        self._offset: float | None = None

    def publish(self, topics: Sequence[str], message: bytes, id: str = "") -> int:
        """Hand a message on; return how many processes received it, for each topic.

        Args:
            id: of the message; without one, its topics do not share it.

        Raises:
            RelayError: Redis did not take it in time, or refused it.

        """
        try:
            self.prepare()
            return self.send(topics, message, id)
        except RedisError as error:
            raise RelayError(f"the relay did not take the message: {error}") from error

    def prepare(self) -> None:
        """Learn the time of a Redis that is new or has failed. Hands nothing on.

        Raises:
            RedisError: Redis cannot be asked.

        """
        if self._offset is None:
            self._offset = self._measure_offset()

    def send(self, topics: Sequence[str], message: bytes, id: str = "") -> int:
        """Hand a message on, after ``prepare``; return how many received it, for each topic.

        Raises:
            RedisError: Redis did not take it in time, or refused it.

        """
        shared = self._shared(topics, message, id)
        try:
            return self._send(topics, message, shared)
        except ConnectionError:
            self._offset = None
            if taken := self._taken(topics, message, shared):
                return taken
            raise
        except RedisError:
            self._offset = None
            raise

    def _shared(self, topics: Sequence[str], message: bytes, id: str) -> str | None:
        """Return the key under which the topics share a message; None if they do not."""
        shares = id and len(topics) > 1 and len(message) > SHARED_ABOVE
        return self._names.shared(topics[0], id) if shares else None

    def _taken(self, topics: Sequence[str], message: bytes, shared: str | None) -> int:
        """Return how many topics' logs have a message whose answer was lost with the connection.

        A log has only messages that had listeners.
        """
        kept = message if shared is None else REFERENCE + shared.encode()
        try:
            return sum(self._has_lately(topic, kept) for topic in topics)
        except RedisError:
            return 0

    def _has_lately(self, topic: str, kept: bytes) -> bool:
        _, key = self._names.keys(topic)
        entries = self._read(False, "XREVRANGE", key, "+", "-", "COUNT", LATELY)
        return any(_kept(fields) == kept for _, fields in entries)

    def _send(self, topics: Sequence[str], message: bytes, shared: str | None) -> int:
        # Before this side gives up, so that what it was told has failed never arrives.
        deadline = time.monotonic() + 0.9 * self._timeout + (self._offset or 0.0)
        keys = [key for topic in topics for key in self._names.keys(topic)]
        if shared is not None:
            keys.append(shared)
        channels = [self._names.channel(topic) for topic in topics]
        how = (*self._log, f"{deadline:.6f}", self._command)
        return int(self._script(keys=keys, args=[message, secrets.token_hex(6), *how, *channels]))

    def _measure_offset(self) -> float:
        """Return how far Redis's clock is ahead of this process's monotonic one."""
        seconds, microseconds = self._client.time()
        return float(seconds + microseconds / 1_000_000 - time.monotonic())

    def position(self, topic: str, asking: bool = False) -> tuple[str, int] | None:
        """Return the epoch and the number of a topic's last message; None for an idle topic.

        Args:
            asking: of a topic that is on its way to this node of a cluster.

        Raises:
            RedisError: Redis cannot be asked.

        """
        key, _ = self._names.keys(topic)
        epoch, number = self._read(asking, "HMGET", key, "epoch", "number")
        return None if epoch is None or number is None else (epoch.decode(), int(number))

    def log(
        self, topic: str, after: int, count: int | None = None, asking: bool = False
    ) -> list[tuple[int, bytes]]:
        """Return the messages of a topic's log after a number, with their numbers.

        A message that several topics share is returned as a reference, for ``shared``.

        Args:
            count: how many are wanted at most; None for all.
            asking: of a topic that is on its way to this node of a cluster.

        Raises:
            RedisError: Redis cannot be asked.

        """
        _, key = self._names.keys(topic)
        some = () if count is None else ("COUNT", count)
        entries = self._read(asking, "XRANGE", key, f"{after + 1}-0", "+", *some)
        return [(int(id.partition(b"-")[0]), _kept(fields)) for id, fields in entries]

    def shared(self, key: str, asking: bool = False) -> bytes | None:
        """Return a message that several topics share; None if it is not kept.

        Args:
            asking: of a topic that is on its way to this node of a cluster.

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

    def _read(self, asking: bool, *command: Any) -> Any:
        if not asking:
            return self._client.execute_command(*command)
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.execute_command("ASKING")
            pipeline.execute_command(*command)
            return pipeline.execute()[-1]

    def descriptors(self) -> list[int]:
        """Return the descriptors of its connections."""
        return descriptors(self._client)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._client.connection_pool.disconnect()  # of a pool that it was given, close() does not


def _kept(fields: dict[bytes, bytes]) -> bytes:
    """Return the message of a log's entry, or a reference to it; nothing of a foreign entry."""
    if b"r" in fields:
        return REFERENCE + fields[b"r"]
    return fields.get(b"m", b"")
