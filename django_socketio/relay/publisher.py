"""Publishing through one Redis, and asking it for what it keeps."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import ConnectionError, RedisError

from django_socketio.exceptions import RelayError
from django_socketio.relay.connecting import descriptors
from django_socketio.relay.keys import Names
from django_socketio.relay.script import PUBLISH

LATELY = 1000
"""Messages of a log among which one is looked for whose answer was lost."""


class Publisher:
    """A small pool of connections for publishing, safe in threads, greenlets and after a fork.

    Args:
        client: redis-py's client; it connects on first use.
        names: makes a topic's channel, position key and log key.
        log_size: messages that a topic's log keeps; 0 keeps none.
        log_seconds: seconds that it keeps them once the topic is idle.
        timeout: seconds that the client waits for an answer of Redis.
        command: what publishes: PUBLISH, or SPUBLISH in a cluster.

    """

    def __init__(
        self,
        client: "redis.Redis",
        names: Names,
        log_size: int,
        log_seconds: float,
        timeout: float,
        command: str = "PUBLISH",
    ) -> None:
        self._client = client
        self._names = names
        self._log_size = log_size
        self._log_milliseconds = round(log_seconds * 1000)
        self._timeout = timeout
        self._command = command
        self._script = client.register_script(PUBLISH)
        self._offset: float | None = None

    def publish(self, topics: Sequence[str], message: bytes) -> int:
        """Hand a message on; return how many processes received it, for each topic.

        Raises:
            RelayError: Redis did not take it in time, or refused it.

        """
        try:
            self.prepare()
            return self.send(topics, message)
        except RedisError as error:
            raise RelayError(f"the relay did not take the message: {error}") from error

    def prepare(self) -> None:
        """Learn the time of a Redis that is new or has failed. Hands nothing on.

        Raises:
            RedisError: Redis cannot be asked.

        """
        if self._offset is None:
            self._offset = self._measure_offset()

    def send(self, topics: Sequence[str], message: bytes) -> int:
        """Hand a message on, after ``prepare``; return how many received it, for each topic.

        Raises:
            RedisError: Redis did not take it in time, or refused it.

        """
        try:
            return self._send(topics, message)
        except ConnectionError:
            self._offset = None
            if taken := self._taken(topics, message):
                return taken
            raise
        except RedisError:
            self._offset = None
            raise

    def _taken(self, topics: Sequence[str], message: bytes) -> int:
        """Return how many topics' logs have a message whose answer was lost with the connection.

        A log has only messages that had listeners.
        """
        try:
            return sum(self._has_lately(topic, message) for topic in topics)
        except RedisError:
            return 0

    def _has_lately(self, topic: str, message: bytes) -> bool:
        _, key = self._names.keys(topic)
        entries = self._read(False, "XREVRANGE", key, "+", "-", "COUNT", LATELY)
        return any(fields[b"m"] == message for _, fields in entries)

    def _send(self, topics: Sequence[str], message: bytes) -> int:
        # Before this side gives up, so that what it was told has failed never arrives.
        deadline = time.monotonic() + 0.9 * self._timeout + (self._offset or 0.0)
        keys = [key for topic in topics for key in self._names.keys(topic)]
        channels = [self._names.channel(topic) for topic in topics]
        epoch, log = secrets.token_hex(6), (self._log_size, self._log_milliseconds)
        how = (f"{deadline:.6f}", self._command)
        return int(self._script(keys=keys, args=[message, epoch, *log, *how, *channels]))

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

    def log(self, topic: str, after: int, asking: bool = False) -> list[tuple[int, bytes]]:
        """Return the messages of a topic's log after a number, with their numbers.

        Args:
            asking: of a topic that is on its way to this node of a cluster.

        Raises:
            RedisError: Redis cannot be asked.

        """
        _, key = self._names.keys(topic)
        entries = self._read(asking, "XRANGE", key, f"{after + 1}-0", "+")
        return [(int(id.partition(b"-")[0]), fields[b"m"]) for id, fields in entries]

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
