"""Publishing through one Redis, or through one node of a cluster."""

import time
from collections.abc import Sequence
from os import urandom
from typing import Protocol

import redis
from redis.exceptions import ConnectionError, RedisError

from django_socketio.exceptions import RelayError
from django_socketio.relay.redis.client import descriptors
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.log import REFERENCE, RedisLog
from django_socketio.relay.redis.script import PUBLISH
from django_socketio.relay.topics import Retention, Retentions, Topic

LATELY = 1000
"""The newest messages of a log, in which a message whose answer was lost is looked for."""

SHARED_ABOVE = 500
"""Bytes up to which a message for several topics is kept in the log of each."""


class MessagePublisher(Protocol):
    """Hands messages on."""

    def publish(self, topics: Sequence[Topic], message: bytes, id: str = "") -> int:
        """Hand a message on; return how many processes received it, for each topic.

        Raises:
            RelayError: Redis did not take it in time, or refused it.

        """

    def descriptors(self) -> list[int]:
        """Return the descriptors of its connections."""

    def close(self) -> None:
        """Close the connections."""


class RedisPublisher:
    """A small pool of connections for publishing, safe in threads, greenlets and after a fork.

    Args:
        client: redis-py's client; it connects on first use.
        keyspace: makes the names of a topic's channel and keys.
        log: the logs of the same Redis, to look for a message whose answer was lost.
        retentions: what the log of each topic keeps.
        timeout: seconds that the client waits for an answer of Redis.
        command: the command that publishes: PUBLISH, or SPUBLISH in a cluster.

    """

    def __init__(
        self,
        client: "redis.Redis",
        keyspace: Keyspace,
        log: RedisLog,
        retentions: Retentions,
        timeout: float,
        command: str = "PUBLISH",
    ) -> None:
        self._client = client
        self._keyspace = keyspace
        self._log = log
        self._retentions = retentions
        self._encoded: dict[Retention, tuple[bytes, ...]] = {}
        self._timeout = timeout
        self._command = command
        self._script = client.register_script(PUBLISH)
        self._clock_offset: float | None = None

    def publish(self, topics: Sequence[Topic], message: bytes, id: str = "") -> int:
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
        if self._clock_offset is None:
            self._clock_offset = self._measure_clock_offset()

    def send(self, topics: Sequence[Topic], message: bytes, id: str = "") -> int:
        """Hand a message on, after ``prepare``; return how many received it, for each topic.

        Raises:
            RedisError: Redis did not take it in time, or refused it.

        """
        shared = self._shared(topics, message, id)
        try:
            return self._send(topics, message, shared)
        except ConnectionError:
            self._clock_offset = None
            if taken := self._taken(topics, message, shared):
                return taken
            raise
        except RedisError:
            self._clock_offset = None
            raise

    def _shared(self, topics: Sequence[Topic], message: bytes, id: str) -> str | None:
        """Return the key under which the topics share a message; None if they do not."""
        shares = id and len(topics) > 1 and len(message) > SHARED_ABOVE
        return self._keyspace.shared(topics[0], id) if shares else None

    def _taken(self, topics: Sequence[Topic], message: bytes, shared: str | None) -> int:
        """Return how many topics' logs have a message whose answer was lost with the connection.

        A log has only messages that had subscribers.
        """
        kept = message if shared is None else REFERENCE + shared.encode()
        try:
            return sum(self._has_lately(topic, kept) for topic in topics)
        except RedisError:
            return 0

    def _has_lately(self, topic: Topic, kept: bytes) -> bool:
        return kept in self._log.newest(topic, LATELY)

    def _send(self, topics: Sequence[Topic], message: bytes, shared: str | None) -> int:
        # Earlier than this side gives up, so that a message that has failed never arrives.
        deadline = time.monotonic() + 0.9 * self._timeout + (self._clock_offset or 0.0)
        keys: list[str] = []
        channels: list[str] = []
        for topic in topics:
            channel, position, log = self._keyspace.names(topic)
            channels.append(channel)
            keys += (position, log)
        if shared is not None:
            keys.append(shared)
        how = (urandom(6).hex(), f"{deadline:.6f}", self._command)
        args: list[bytes | str] = [message, *how, *channels, *self._retention(topics)]
        return int(self._script(keys=keys, args=args))

    def _retention(self, topics: Sequence[Topic]) -> Sequence[bytes]:
        """Return what the logs keep, as the script takes it: once, or for each topic."""
        if len(topics) == 1:
            return self._encode(self._retentions.of(topics[0]))
        retentions = [self._retentions.of(topic) for topic in topics]
        if len({*retentions}) == 1:
            return self._encode(retentions[0])
        return [number for retention in retentions for number in self._encode(retention)]

    def _encode(self, retention: Retention) -> tuple[bytes, ...]:
        encoded = self._encoded.get(retention)
        if encoded is None:
            messages, size, seconds = retention
            numbers = (messages, size, round(seconds * 1000))
            encoded = self._encoded[retention] = tuple([b"%d" % number for number in numbers])
        return encoded

    def _measure_clock_offset(self) -> float:
        """Return how far Redis's clock is ahead of this process's monotonic one."""
        seconds, microseconds = self._client.time()
        return float(seconds + microseconds / 1_000_000 - time.monotonic())

    def descriptors(self) -> list[int]:
        """Return the descriptors of its connections."""
        return descriptors(self._client)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._client.connection_pool.disconnect()  # of a pool that it was given, close() does not
