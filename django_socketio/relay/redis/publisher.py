"""Publishing through one Redis, or through one node of a cluster."""

import time
from collections.abc import Sequence
from hashlib import sha1
from typing import Any, Protocol, cast

import redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from django_socketio.exceptions import RelayError
from django_socketio.relay.base import NOT_TAKEN
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.receipt import NOBODY, Receipt
from django_socketio.relay.redis.client import descriptors
from django_socketio.relay.redis.cursor import NO_LOG
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.log import REFERENCE, RedisLog
from django_socketio.relay.redis.lost_answers import AnswerLate, AnswerLost, Break, LogSearch
from django_socketio.relay.redis.packing import SCRIPT_LOAD, MessagePacker, packed
from django_socketio.relay.redis.round_trips import RoundTrips
from django_socketio.relay.topics import Retentions, Topic

TRIES = 5
"""How often the script is run if Redis has refused it without need."""

LATE = 0.9
"""The part of its time that Redis must have had before it may call a message late."""


class MessagePublisher(Protocol):
    """Hands messages on."""

    def publish(
        self, topics: Sequence[Topic], message: bytes, id: str = "", keep: float = 0.0
    ) -> Receipt:
        """Hand a message on; return how many processes received it, for each topic.

        Raises:
            RelayError: Redis did not take it in time, or refused it.

        """

    def descriptors(self) -> list[int]:
        """Return the descriptors of its connections."""

    def close(self) -> None:
        """Close the connections."""


class RedisPublisher:
    """Publishes in round trips that callers share; safe in threads, greenlets and after a fork.

    Args:
        client: redis-py's client; connections are made on first use.
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
        self._search = LogSearch(log, timeout)
        self._retentions = retentions
        self._packer = MessagePacker(keyspace, retentions, command.encode())
        self._timeout = timeout
        self._trips = RoundTrips(cast(Any, client.connection_pool), timeout)

    def publish(
        self, topics: Sequence[Topic], message: bytes, id: str = "", keep: float = 0.0
    ) -> Receipt:
        """Hand a message on; return how many processes received it, for each topic.

        Args:
            id: of the message; without one, its topics do not share it.
            keep: seconds for which it is kept in any case; 0 for as long as the topics say.

        Raises:
            RelayError: Redis did not take it in time, or refused it.

        """
        try:
            return self.send(topics, message, id, keep)
        except RedisError as error:
            raise RelayError(f"{NOT_TAKEN}: {error}") from error

    def send(
        self, topics: Sequence[Topic], message: bytes, id: str = "", keep: float = 0.0
    ) -> Receipt:
        """Hand a message on; return how many processes received it, for each topic.

        Raises:
            NotSent: Redis is not reached; nothing was handed on.
            RedisError: Redis did not take it in time, or refused it.

        """
        shared = self._packer.shared(topics, message, id)
        parts = self._packer.one(topics, message, shared, keep)
        try:
            return read_receipt(self._run(parts), len(topics))
        except (AnswerLost, AnswerLate) as lost:
            if taken := self._taken(topics, message, shared, lost.at):
                return Receipt(taken)
            raise

    def ask(self, *command: str) -> Any:
        """Return Redis's answer to another command than publishing, in a shared round trip.

        Raises:
            RedisError: Redis did not answer in time, or answered by an error.

        """
        return self._trips.ask(b"*%d\r\n" % len(command) + packed(map(str.encode, command)))

    def evaluate(self, script: str, key: str, *args: str) -> Any:
        """Return the answer of a script with one key, in a shared round trip.

        Raises:
            RedisError: Redis did not answer in time, or answered by an error.

        """
        digest = sha1(script.encode(), usedforsecurity=False).hexdigest()
        try:
            return self.ask("EVALSHA", digest, "1", key, *args)
        except NoScriptError:
            self.ask("SCRIPT", "LOAD", script)
        return self.ask("EVALSHA", digest, "1", key, *args)

    def _run(self, parts: tuple[bytes, bytes]) -> Any:
        """Run the script; again, if Redis did not have it, or if the clocks have changed."""
        asked = time.monotonic()
        for _ in range(TRIES):
            try:
                return self._trips.ask(*parts)
            except NoScriptError:
                self._trips.ask(SCRIPT_LOAD)
            except ResponseError as error:
                late = time.monotonic() - asked > LATE * self._timeout
                if late or not str(error).startswith("TOOLATE"):
                    raise
                self._trips.clock.forget()
        return self._trips.ask(*parts)

    def _taken(self, topics: Sequence[Topic], message: bytes, shared: str | None, at: Break) -> int:
        """Return how many topics' logs have a message whose answer did not come.

        A log has only messages that had subscribers.
        """
        kept = message if shared is None else REFERENCE + shared.encode()
        logged = [topic for topic in topics if self._retentions.of(topic).messages]
        return self._search.count(logged, kept, at) if logged else 0

    def descriptors(self) -> list[int]:
        """Return the descriptors of its connections."""
        return descriptors(self._client)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._client.connection_pool.disconnect()  # of a pool that it was given, close() does not


def read_receipt(answer: bytes | int, topics: int) -> Receipt:
    """Return the receipt that the script answers, for a number of topics."""
    if isinstance(answer, int):
        return NOBODY
    received, epoch, offset = answer.decode().split()
    is_placed = topics == 1 and epoch != NO_LOG
    position = StreamPosition(epoch, int(offset)) if is_placed else None
    return Receipt(int(received), position, is_kept=received == "0")
