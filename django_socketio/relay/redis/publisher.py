"""Publishing through one Redis, or through one node of a cluster."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, cast

import redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from django_socketio.exceptions import RelayError
from django_socketio.relay.receipt import Receipt
from django_socketio.relay.redis.answers import NotRun, read_receipt, read_receipts
from django_socketio.relay.redis.batch_script import NOTE, PUBLISH_MANY
from django_socketio.relay.redis.client import close, descriptors
from django_socketio.relay.redis.entry import REFERENCE
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.line import NotSent
from django_socketio.relay.redis.log import RedisLog
from django_socketio.relay.redis.lost_answers import (
    FIRST_PAUSE,
    AnswerLost,
    Break,
    Fate,
    LogSearch,
    Unanswered,
)
from django_socketio.relay.redis.merging import Loading, Publication
from django_socketio.relay.redis.packing import (
    RECORDS_STAY,
    MessagePacker,
    Outgoing,
    batches,
    packed,
    sha_of,
)
from django_socketio.relay.redis.refusals import accepted, reason_of, refusing, told
from django_socketio.relay.redis.round_trips import RoundTrips
from django_socketio.relay.redis.script import PUBLISH
from django_socketio.relay.topics import Retentions, Topic

TRIES = 5
"""How often the script is run if Redis has refused it without need."""

LATE = 0.9
"""The part of its time after which a message that Redis calls late is sent once more only."""


class MessagePublisher(Protocol):
    """Hands messages on."""

    def publish(
        self, topics: Sequence[Topic], message: bytes, id: str = "", keep: float = 0.0
    ) -> Receipt:
        """Hand a message on; return how many processes received it, for each topic.

        Raises:
            RelayError: Redis did not take it in time, or refused it.

        """

    def publish_once(self, message: Outgoing) -> Receipt:
        """Hand a message with an idempotency key on, unless one with the same key was before.

        Raises:
            RelayError: Redis did not take it in time, or refused it.

        """

    def note_unheard(self, message: Outgoing, topics: Sequence[Topic]) -> None:
        """Note under the idempotency key of a message that nobody listens to some of its topics.

        Raises:
            RelayError: Redis did not take the note in time, or refused it.

        """

    def steps(self, messages: Sequence[Outgoing]) -> Iterable[Sequence[Outgoing]]:
        """Return messages in their order, as many together as are handed on in one step."""

    def publish_step(self, messages: Sequence[Outgoing]) -> Sequence[Receipt | RelayError]:
        """Hand messages on in one step; return for each its receipt, or why it failed."""

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
        self._keyspace = keyspace
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
            raise RelayError(reason_of(error)) from error

    def send(
        self, topics: Sequence[Topic], message: bytes, id: str = "", keep: float = 0.0
    ) -> Receipt:
        """Hand a message on; return how many processes received it, for each topic.

        Raises:
            NotSent: Redis is not reached; nothing was handed on.
            RedisError: Redis did not take it in time, or refused it.

        """
        outgoing = Outgoing(tuple(topics), message, id, keep)
        try:
            return read_receipt(self._run_one(outgoing), topics)
        except Unanswered as lost:
            return accepted(self._receipt_of(outgoing, lost))

    def _run_one(self, message: Outgoing) -> Any:
        """Publish a message in the same call as others that wait with it for a connection."""
        try:
            return self._insist(lambda: self._trips.carry(Publication(message, self._packer)))
        except NotRun:
            return self._run(self._packer.one(*message[:4]))

    def publish_once(self, message: Outgoing) -> Receipt:
        """Hand a message with an idempotency key on, unless one with the same key was before.

        Raises:
            RelayError: Redis did not take it in time, or refused it.

        """
        with refusing():
            return self.send_once(message)

    def send_once(self, message: Outgoing) -> Receipt:
        """Hand a message with an idempotency key on, unless one with the same key was before.

        After a lost answer, the message is sent again: if Redis has run the first one, it knows.

        Raises:
            NotSent: Redis is not reached; nothing was handed on.
            Unanswered: Redis could not be asked again in time.
            RedisError: Redis did not take it in time, or refused it.

        """
        parts = self._packer.many((message,))
        try:
            answers = self._run(parts)
        except Unanswered as lost:
            answers = self._run_again(parts, lost)
        (receipt,) = read_receipts(answers, (message,))
        return accepted(receipt)

    def _run_again(self, parts: tuple[bytes, bytes], lost: Unanswered) -> Any:
        pause = FIRST_PAUSE
        while time.monotonic() - lost.at.since < self._timeout:
            try:
                return self._run(parts)
            except (NotSent, AnswerLost):
                time.sleep(pause)
                pause *= 2
        raise lost

    def note_unheard(self, message: Outgoing, topics: Sequence[Topic]) -> None:
        """Note under the idempotency key of a message that nobody listens to some of its topics.

        Raises:
            RelayError: Redis did not take the note in time, or refused it.

        """
        with refusing():
            self.write_note(message)

    def write_note(self, message: Outgoing) -> None:
        """Note under the idempotency key of a message that nobody listens to what did not take it.

        Raises:
            RedisError: Redis did not take the note in time, or refused it.

        """
        record = self._keyspace.record(message.topics, message.once)
        self.evaluate(NOTE, record, message.id, RECORDS_STAY.decode())

    def steps(self, messages: Sequence[Outgoing]) -> Iterable[Sequence[Outgoing]]:
        """Return messages in their order, as many together as Redis hands on in one step."""
        return batches(messages)

    def publish_step(self, messages: Sequence[Outgoing]) -> Sequence[Receipt | RelayError]:
        """Hand messages on in one step; return for each its receipt, or why it failed."""
        try:
            return [told(one) for one in self.send_batch(messages)]
        except RedisError as error:
            return [told(error)] * len(messages)

    def send_batch(self, batch: Sequence[Outgoing]) -> Sequence[Receipt | RedisError]:
        """Hand the messages of a batch on in one step; return for each its receipt, or its error.

        Raises:
            NotSent: Redis is not reached; nothing was handed on.
            RedisError: Redis did not take them in time, or refused them.

        """
        if batch[0].once:
            return [self.send_once(batch[0])]
        try:
            answers = self._run(self._packer.many(batch))
        except Unanswered as lost:
            return [self._receipt_of(message, lost) for message in batch]
        return read_receipts(answers, batch)

    def _receipt_of(self, message: Outgoing, lost: Unanswered) -> Receipt | RedisError:
        """Return the receipt of a message whose answer did not come, if a log has it."""
        taken, lacking, is_refused = self._fate(message, lost.at)
        if taken:
            return Receipt(len(taken), untaken=lacking)
        return lost.refused() if is_refused else lost

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
        return self.evaluate_bytes(script, (key,), [*map(str.encode, args)])

    def evaluate_bytes(self, script: str, keys: Sequence[str], args: Sequence[bytes]) -> Any:
        """Return the answer of a script with several keys, in a shared round trip.

        Raises:
            RedisError: Redis did not answer in time, or answered by an error.

        """
        parts = (b"EVALSHA", sha_of(script), b"%d" % len(keys), *map(str.encode, keys), *args)
        command = b"*%d\r\n" % len(parts) + packed(parts)
        try:
            return self._trips.ask(command)
        except NoScriptError:
            self._trips.carry(Loading(script))
        return self._trips.ask(command)

    def _run(self, parts: tuple[bytes, bytes]) -> Any:
        return self._insist(lambda: self._trips.ask(*parts))

    def _insist(self, run: Callable[[], Any]) -> Any:
        """Run a script; again, if Redis did not have it, or began it too late."""
        was_late = False
        for _ in range(TRIES):
            begun = time.monotonic()
            try:
                return run()
            except NoScriptError:
                for script in (PUBLISH, PUBLISH_MANY):
                    self._trips.carry(Loading(script))
            except ResponseError as error:
                if was_late or not str(error).startswith("TOOLATE"):
                    raise
                # At once: the clocks have changed. Later: a machine that stalled may go on now.
                was_late = time.monotonic() - begun > LATE * self._timeout
                self._trips.clock.forget()
        return run()

    def _fate(self, message: Outgoing, at: Break) -> Fate:
        """Look for a message in the logs of its topics: a log has only what had subscribers."""
        logged = [topic for topic in message.topics if self._retentions.of(topic).messages]
        shared = self._packer.shared(message.topics, message.message, message.id)
        kept = {message.message, *([] if shared is None else [REFERENCE + shared.encode()])}
        return self._search.find(logged, kept, at) if logged else Fate()

    def descriptors(self) -> list[int]:
        """Return the descriptors of its connections."""
        return descriptors(self._client)

    def close(self) -> None:
        """Close the connections."""
        self._trips.close()
        close(self._client)
