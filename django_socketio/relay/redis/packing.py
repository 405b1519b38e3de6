"""The commands that publish, as Redis reads them."""

from collections.abc import Iterable, Sequence
from hashlib import sha1
from itertools import chain
from os import urandom

from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.script import PUBLISH
from django_socketio.relay.topics import Retention, Retentions, Topic

SHARED_ABOVE = 500
"""Bytes up to which a message for several topics is kept in the log of each."""


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
        self._encoded: dict[Retention, tuple[bytes, ...]] = {}
        self._command = command

    def shared(self, topics: Sequence[Topic], message: bytes, id: str) -> str | None:
        """Return the key under which the topics share a message; None if they do not."""
        shares = id and len(topics) > 1 and len(message) > SHARED_ABOVE
        return self._keyspace.shared(topics[0], id) if shares else None

    def one(
        self, topics: Sequence[Topic], message: bytes, shared: str | None, keep: float
    ) -> tuple[bytes, bytes]:
        """Return the command that publishes a message, packed, before and after its deadline."""
        keys: list[bytes] = []
        channels: list[bytes] = []
        for topic in topics:
            channel, position, log = self._keyspace.names(topic)
            channels.append(channel.encode())
            keys += (position.encode(), log.encode())
        if shared is not None:
            keys.append(shared.encode())
        epoch = urandom(6).hex().encode()
        before = (b"EVALSHA", PUBLISH_SHA, b"%d" % len(keys), *keys, message, epoch)
        after = (self._command, *channels, *self._retention(topics, keep))
        count = len(before) + 1 + len(after)
        return b"*%d\r\n%b" % (count, packed(before)), packed(after)

    def _retention(self, topics: Sequence[Topic], keep: float) -> Sequence[bytes]:
        """Return what the logs keep, as the script takes it: once, or for each topic."""
        if len(topics) == 1 and not keep:
            return self._encode(self._retentions.of(topics[0]))
        retentions = [self._retentions.of(topic) for topic in topics]
        # The times of keep= may all be different: they are not cached.
        kept = [self._numbers(one.kept_for(keep)) for one in retentions] if keep else ()
        encoded = kept or [self._encode(one) for one in retentions]
        return encoded[0] if len({*encoded}) == 1 else [*chain.from_iterable(encoded)]

    def _encode(self, retention: Retention) -> tuple[bytes, ...]:
        encoded = self._encoded.get(retention)
        if encoded is None:
            encoded = self._encoded[retention] = self._numbers(retention)
        return encoded

    def _numbers(self, retention: Retention) -> tuple[bytes, ...]:
        messages, size, seconds, is_history, _ = retention
        unheard = -1 if is_history else round(self._retentions.away * 1000)
        return tuple([b"%d" % one for one in (messages, size, round(seconds * 1000), unheard)])


def packed(arguments: Iterable[bytes]) -> bytes:
    """Return arguments of a command as Redis reads them."""
    return b"".join([b"$%d\r\n%b\r\n" % (len(one), one) for one in arguments])


PUBLISH_SHA = sha1(PUBLISH.encode(), usedforsecurity=False).hexdigest().encode()
SCRIPT_LOAD = b"*3\r\n" + packed((b"SCRIPT", b"LOAD", PUBLISH.encode()))
