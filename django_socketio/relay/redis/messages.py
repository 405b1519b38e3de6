"""What is in the messages of a relay: envelopes, and references to those that topics share."""

import threading
from collections.abc import Callable

from django_socketio.exceptions import ProtocolError
from django_socketio.relay import wire
from django_socketio.relay.base import Envelope
from django_socketio.relay.redis.keys import Names
from django_socketio.relay.redis.publisher import REFERENCE
from django_socketio.relay.signing import SIGNED, Signing

SEEN = 10_000
"""Envelopes for several topics that are remembered, not to be delivered twice."""


class Gone(Exception):
    """A message that several topics share is not kept any more."""


class Messages:
    """Opens messages, each once.

    Args:
        shared: returns the message that is kept under a key, None if it has gone; raises
            RedisError.
        names: know the keys of shared messages.
        signing: checks messages; None takes all.

    """

    def __init__(
        self, shared: Callable[[str], bytes | None], names: Names, signing: Signing | None
    ) -> None:
        self._shared = shared
        self._names = names
        self._signing = signing
        self._seen: dict[str, None] = {}
        self._seeing = threading.Lock()

    def open(self, topic: str, message: bytes) -> tuple[str, Envelope | None]:
        """Return a message's id and its envelope; None if it came on another of its topics.

        So a message is opened when it is about to be delivered, and not again.

        Raises:
            ProtocolError: it is no message of this relay for this topic.
            Gone: several topics share it, and it is not kept any more.
            RedisError: Redis had to be asked, and cannot be.

        """
        if message.startswith(REFERENCE):
            id, key = self._reference(message)
            if id in self._seen:
                return id, None
            found = self._shared(key)
            if found is None:
                raise Gone
            message = found
        envelope = self._decode(message)
        if topic not in envelope.topics:
            raise ProtocolError(f"an envelope for {envelope.topics!r:.100}")
        return envelope.id, None if self._came_before(envelope) else envelope

    def _reference(self, message: bytes) -> tuple[str, str]:
        key = message[len(REFERENCE) :].decode(errors="replace")
        id = self._names.id_of_shared(key)
        if id is None:
            raise ProtocolError("a reference to no message of this site")
        return id, key

    def id_of(self, message: bytes) -> str | None:
        """Return the id of a message or of a reference; None if it has none."""
        try:
            if message.startswith(REFERENCE):
                return self._reference(message)[0]
            return self._decode(message).id
        except ProtocolError:
            return None

    def _decode(self, message: bytes) -> Envelope:
        if self._signing is not None:
            message = self._signing.checked(message)
        elif message.startswith(SIGNED):
            raise ProtocolError("it is signed, and SOCKETIO_RELAY_SIGNING is off here")
        return wire.decode(message)

    def _came_before(self, envelope: Envelope) -> bool:
        """Whether it came on another of its topics: that delivery was for all of them.

        A signed message that comes again was sent by somebody who has read it.
        """
        if len(envelope.topics) == 1 and self._signing is None:
            return False
        with self._seeing:
            if envelope.id in self._seen:
                return True
            self._seen[envelope.id] = None
            if len(self._seen) > SEEN:
                del self._seen[next(iter(self._seen))]
            return False
