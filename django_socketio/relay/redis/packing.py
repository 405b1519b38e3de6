"""The commands that publish, as Redis reads them."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha1
from itertools import chain, groupby
from os import urandom
from typing import NamedTuple

from django_socketio.relay.envelope import UNLOGGED
from django_socketio.relay.redis.batch_script import PUBLISH_MANY
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.script import PUBLISH
from django_socketio.relay.repeats import REMEMBERED
from django_socketio.relay.topics import NO_LOG, Retention, Retentions, Topic

SHARED_ABOVE = 500
"""Bytes up to which a message for several topics is kept in the log of each."""


MOST_TOPICS, MOST_BYTES = 100, 1_000_000
"""How much Redis publishes in one step; a single message may be more."""

RETENTIONS = 1024
"""Topics whose retention is known without the patterns of ``SOCKETIO_HISTORY``."""


class Outgoing(NamedTuple):
    """A message that is to be published.

    Attributes:
        id: of the message; without one, its topics do not share it.
        keep: seconds for which it is kept in any case; 0 for as long as the topics say,
            ``UNLOGGED`` if no log is to have it.
        once: the digest of its idempotency key; "" for none.

    """

    topics: tuple[Topic, ...]
    message: bytes
    id: str = ""
    keep: float = 0.0
    once: str = ""


class MessagePacker:
    """Packs the commands that publish messages.

    Args:
        keyspace: makes the names of a topic's channel and keys.
        retentions: what the log of each topic keeps.
        command: the command that publishes: PUBLISH, or SPUBLISH in a cluster.

    """

    def __init__(self, keyspace: Keyspace, retentions: Retentions, command: bytes) -> None:
        self._keyspace = keyspace
        self._retentions = retentions
        self._retention_of = lru_cache(RETENTIONS)(retentions.of)
        self._encoded: dict[Retention, tuple[bytes, ...]] = {}
        self._command = command

    def shared(self, topics: Sequence[Topic], message: bytes, id: str) -> str | None:
        """Return the key under which the topics share a message; None if they do not."""
        shares = id and len(topics) > 1 and len(message) > SHARED_ABOVE
        return self._keyspace.shared(topics[0], id) if shares else None

    def one(
        self, topics: Sequence[Topic], message: bytes, id: str, keep: float
    ) -> tuple[bytes, bytes]:
        """Return the command that publishes a message, packed, before and after its deadline."""
        keys, channels = self._names(topics, self.shared(topics, message, id))
        before = (b"EVALSHA", PUBLISH_SHA, b"%d" % len(keys), *keys, message, new_epoch())
        after = (self._command, *channels, *self._retention(topics, keep))
        return with_deadline(before, after)

    def many(self, messages: Iterable[Outgoing]) -> tuple[bytes, bytes]:
        """Return the command that publishes many messages, before and after its deadline."""
        keys: list[bytes] = []
        after = [self._command, RECORDS_STAY]
        for run in runs(messages):
            own, more = self._run(run[0])
            keys += own
            id = run[0].id.encode() if run[0].once else b""
            after += (b"%d" % len(own), b"%d" % len(run), b"%d" % len(more), id, *more)
            after += [one.message for one in run]
        before = (b"EVALSHA", PUBLISH_MANY_SHA, b"%d" % len(keys), *keys, new_epoch())
        return with_deadline(before, after)

    def _run(self, first: Outgoing) -> tuple[list[bytes], list[bytes]]:
        """Return the keys of a run, and the arguments from its first channel on."""
        topics, message, id, keep, once = first
        keys, channels = self._names(topics, self.shared(topics, message, id))
        if once:
            keys.append(self._keyspace.record(topics, once).encode())
        return keys, [*channels, *self._retention(topics, keep)]

    def _names(
        self, topics: Sequence[Topic], shared: str | None
    ) -> tuple[list[bytes], list[bytes]]:
        """Return the keys of topics, and their channels."""
        keys: list[bytes] = []
        channels: list[bytes] = []
        for topic in topics:
            channel, position, log = self._keyspace.names(topic)
            channels.append(channel.encode())
            keys += (position.encode(), log.encode())
        if shared is not None:
            keys.append(shared.encode())
        return keys, channels

    def _retention(self, topics: Sequence[Topic], keep: float) -> Sequence[bytes]:
        """Return what the logs keep, as the script takes it: once, or for each topic."""
        if keep == UNLOGGED:
            return self._encode(NO_LOG)
        if len(topics) == 1 and not keep:
            return self._encode(self._retention_of(topics[0]))
        retentions = [self._retention_of(topic) for topic in topics]
        # The times of keep= may all be different: they are not cached.
        kept = [self._numbers(one.kept_for(keep)) for one in retentions] if keep else ()
        encoded = kept or [self._encode(one) for one in retentions]
        return encoded[0] if len({*encoded}) == 1 else [*chain.from_iterable(encoded)]

    def retention(self, topic: Topic) -> Sequence[bytes]:
        """Return what the log of a topic keeps, as the script takes it."""
        return self._encode(self._retentions.of(topic))

    def _encode(self, retention: Retention) -> tuple[bytes, ...]:
        encoded = self._encoded.get(retention)
        if encoded is None:
            encoded = self._encoded[retention] = self._numbers(retention)
        return encoded

    def _numbers(self, retention: Retention) -> tuple[bytes, ...]:
        messages, size, seconds, is_history, _ = retention
        unheard = -1 if is_history else round(self._retentions.away * 1000)
        return tuple([b"%d" % one for one in (messages, size, round(seconds * 1000), unheard)])


def runs(messages: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    """Return messages that follow each other on one topic together, and all others alone."""
    for (topics, _, once), group in groupby(messages, lambda one: (one.topics, one.keep, one.once)):
        if len(topics) == 1 and not once:
            yield [*group]
        else:
            yield from ([one] for one in group)


def batches(messages: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """Return messages in their order, as many together as Redis may do in one step."""
    batch: list[Outgoing] = []
    topics = size = 0
    for message in messages:
        topics += len(message.topics)
        size += len(message.message)
        is_full = topics > MOST_TOPICS or size > MOST_BYTES
        if batch and (is_full or message.once or batch[0].once):
            yield batch
            batch, topics, size = [], len(message.topics), len(message.message)
        batch.append(message)
    if batch:
        yield batch


def new_epoch() -> bytes:
    """Return the name of an epoch, should the message begin one."""
    return urandom(6).hex().encode()


def with_deadline(before: Sequence[bytes], after: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return a packed command whose deadline is still to be put between the two parts."""
    count = len(before) + 1 + len(after)
    return b"*%d\r\n%b" % (count, packed(before)), packed(after)


def packed(arguments: Iterable[bytes]) -> bytes:
    """Return arguments of a command as Redis reads them."""
    return b"".join([b"$%d\r\n%b\r\n" % (len(one), one) for one in arguments])


@lru_cache
def sha_of(script: str) -> bytes:
    """Return the digest by which Redis knows a script."""
    return sha1(script.encode(), usedforsecurity=False).hexdigest().encode()


def load(script: str) -> bytes:
    """Return the command that has Redis know a script."""
    return b"*3\r\n" + packed((b"SCRIPT", b"LOAD", script.encode()))


RECORDS_STAY = b"%d" % round(REMEMBERED * 1000)
PUBLISH_SHA, PUBLISH_MANY_SHA = sha_of(PUBLISH), sha_of(PUBLISH_MANY)
