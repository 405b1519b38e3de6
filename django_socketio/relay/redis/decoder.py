"""Decoding of what Redis has: envelopes, signed ones, and references to shared ones."""

import threading
from collections.abc import Callable
from dataclasses import replace

from django_socketio.exceptions import ProtocolError
from django_socketio.relay import wire
from django_socketio.relay.envelope import Envelope, ignore_kind
from django_socketio.relay.redis.entry import REFERENCE
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.signing import SIGNED, Signing
from django_socketio.relay.topics import Topic

SEEN = 10_000
"""Envelopes for several topics that are remembered, not to be delivered twice."""


class MessageGone(Exception):
    """A message that several topics share is not kept any more."""


class MessageDecoder:
    """Turns messages into envelopes, and knows those that have come on another of their topics.

    Args:
        shared: returns the message that is kept under a key, None if it has gone; raises
            RedisError.
        keyspace: knows the keys of shared messages.
        signing: checks messages; None accepts only unsigned ones.

    Attributes:
        count: how many envelopes that are remembered have come.

    """

    def __init__(
        self, shared: Callable[[str], bytes | None], keyspace: Keyspace, signing: Signing | None
    ) -> None:
        self._shared = shared
        self._keyspace = keyspace
        self._signing = signing
        self.count = 0
        self._seen: dict[str, int] = {}
        self._seeing = threading.Lock()

    def decode_once(
        self, topic: Topic, message: bytes, since: int = 0
    ) -> tuple[str, Envelope | None]:
        """Return a message's id and its envelope; None if there is nothing to deliver.

        That is so if the message has come on another of its topics, or is of a kind that only newer
        processes know. A message is decoded when it is about to be delivered, and not again.

        Args:
            since: the ``count`` at which this process subscribed to the topic.

        Raises:
            ProtocolError: it is no message of this relay for this topic.
            MessageGone: several topics share it, and it is not kept any more.
            RedisError: Redis had to be asked, and cannot be.

        """
        if message.startswith(REFERENCE):
            id = self._reference(message)[0]
            if self._seen.get(id, 0) > since:
                return id, None
        try:
            envelope = self.decode(topic, message)
        except wire.UnknownKind as unknown:
            ignore_kind(unknown.kind)
            return unknown.id, None
        return envelope.id, self._not_come(topic, envelope, since)

    def decode(self, topic: Topic, message: bytes) -> Envelope:
        """Return the envelope of a message, whether or not it has come before.

        Raises:
            ProtocolError: it is no message of this relay for this topic.
            UnknownKind: it is of a kind that only newer processes know.
            MessageGone: several topics share it, and it is not kept any more.
            RedisError: Redis had to be asked, and cannot be.

        """
        if message.startswith(REFERENCE):
            found = self._shared(self._reference(message)[1])
            if found is None:
                raise MessageGone
            message = found
        envelope = self._decode(message)
        if topic not in envelope.topics:
            raise ProtocolError(f"an envelope for {', '.join(map(str, envelope.topics))!r:.100}")
        return envelope

    def _reference(self, message: bytes) -> tuple[str, str]:
        key = message[len(REFERENCE) :].decode(errors="replace")
        id = self._keyspace.id_of_shared(key)
        if id is None:
            raise ProtocolError("a reference to no message of this site")
        return id, key

    def id_of(self, message: bytes) -> str | None:
        """Return the id of a message or of a reference; None if it has none."""
        try:
            if message.startswith(REFERENCE):
                return self._reference(message)[0]
            return self._decode(message).id
        except wire.UnknownKind as unknown:
            return unknown.id
        except ProtocolError:
            return None

    def _decode(self, message: bytes) -> Envelope:
        if self._signing is not None:
            return _decode_signed(message, self._signing)
        if message.startswith(SIGNED):
            raise ProtocolError("it is signed, and SOCKETIO_RELAY_SIGNING is off here")
        return wire.decode(message)

    def _not_come(self, topic: Topic, envelope: Envelope, since: int) -> Envelope | None:
        """Return what is to be delivered of an envelope; None if it came on another of its topics.

        That delivery was for all topics that this process had then. A message that is published
        again where nobody had taken it may come on one that is newer: it is for this topic only.
        A signed message that comes again was sent by somebody who has read it.
        """
        topics, id = envelope.topics, envelope.id
        if len(topics) == 1 and self._signing is None:
            return envelope
        with self._seeing:
            seen = self._seen.get(id)
            if seen is None:
                self._note(id)
                return envelope
            late = f"{id} {topic}"
            if len(topics) == 1 or seen > since or late in self._seen:
                return None
            self._note(late)
            return replace(envelope, topics=(topic,), is_copy=True)

    def _note(self, id: str) -> None:
        self.count += 1
        self._seen[id] = self.count
        if len(self._seen) > SEEN:
            del self._seen[next(iter(self._seen))]


def _decode_signed(data: bytes, signing: Signing) -> Envelope:
    message, age = signing.opened(data)
    try:
        envelope = wire.decode(message)
    except wire.UnknownKind:
        signing.check_age(age)
        raise
    signing.check_age(age, envelope.topics, envelope.keep, envelope.late)
    return envelope
