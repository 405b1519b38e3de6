"""Sending envelopes: they are encoded and published, and what reached nobody is made certain of."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from django_socketio.exceptions import RelayError
from django_socketio.protocol.json import Default
from django_socketio.relay import wire
from django_socketio.relay.base import NOT_TAKEN
from django_socketio.relay.envelope import Envelope
from django_socketio.relay.receipt import NOBODY, Receipt
from django_socketio.relay.redis.packing import Outgoing
from django_socketio.relay.redis.presence import Presence, Unsettled
from django_socketio.relay.redis.publisher import MessagePublisher
from django_socketio.relay.signing import Signing
from django_socketio.relay.topics import Topic

ATTEMPTS = 5
"""Publishings of one message that reaches nobody while connections come and go."""


class Sender:
    """Sends envelopes through Redis.

    Args:
        hears: returns whether this process receives what it subscribed to of some topics.
        default: turns values into ones that JSON knows.
        signing: signs messages; None: nothing is signed.

    """

    def __init__(
        self,
        publisher: MessagePublisher,
        presence: Presence,
        hears: Callable[[Iterable[Topic]], bool],
        default: Default | None,
        signing: Signing | None,
    ) -> None:
        self._publisher = publisher
        self._presence = presence
        self._hears = hears
        self._default = default
        self._signing = signing

    def send(self, envelope: Envelope) -> Receipt:
        """Hand the envelope on; return how many processes received it, for each topic."""
        message = self._encode(envelope)
        token = self._presence.token
        receipt = self._hand_on(envelope, message)
        if receipt.is_accepted or receipt.is_repeat:
            return receipt
        return self._settle(envelope, message, token)

    def send_all(self, envelopes: Sequence[Envelope]) -> list[int | RelayError]:
        """Hand envelopes on in their order, many in a round trip."""
        messages = [*map(self._encode, envelopes)]
        token = self._presence.token
        results = self._publisher.publish_all([*map(_outgoing, envelopes, messages)])
        unheard = [index for index, result in enumerate(results) if _is_unheard(result)]
        if unheard:
            self._settle_all(envelopes, messages, results, unheard, token)
        return [*results]

    def _encode(self, envelope: Envelope) -> bytes:
        message = envelope.encoded or wire.encode(envelope, self._default)
        return message if self._signing is None else self._signing.sign(message)

    def _hand_on(self, envelope: Envelope, message: bytes) -> Receipt:
        if envelope.once:
            return self._publisher.publish_once(_outgoing(envelope, message))
        return self._publisher.publish(envelope.topics, message, envelope.id, envelope.keep)

    def _settle_all(
        self,
        envelopes: Sequence[Envelope],
        messages: Sequence[bytes],
        results: list[Receipt | RelayError],
        unheard: Iterable[int],
        token: str | None,
    ) -> None:
        """Make certain that nobody listens to messages of a batch, by one question for all."""
        topics = {topic: None for index in unheard for topic in envelopes[index].topics}
        is_settled = False
        with suppress(RelayError, Unsettled):
            self._check_own(topics)
            is_settled = self._presence.is_settled([*topics], token)
        for index in unheard:
            try:
                if is_settled:
                    results[index] = self._noted(envelopes[index], messages[index])
                else:
                    results[index] = self._settle(envelopes[index], messages[index], token)
            except RelayError as error:
                results[index] = error

    def _noted(self, envelope: Envelope, message: bytes) -> Receipt:
        """Return that a message has reached nobody, after its idempotency key says so too."""
        if envelope.once:
            self._publisher.note_unheard(_outgoing(envelope, message))
        return NOBODY

    def _settle(self, envelope: Envelope, message: bytes, token: str | None) -> Receipt:
        """Make certain that nobody listens to a message; return 0, or how many received it now.

        A message that nobody received has left no trace, and can be published again.

        Raises:
            RelayError: a process may have sockets that did not get it.

        """
        try:
            for _ in range(ATTEMPTS):
                self._check_own(envelope.topics)
                if self._presence.is_settled(envelope.topics, token):
                    return self._noted(envelope, message)
                token = self._presence.token
                receipt = self._hand_on(envelope, message)
                if receipt.is_accepted or receipt.is_repeat:
                    return receipt
        except Unsettled as error:
            raise RelayError(f"{NOT_TAKEN}: {error}") from error
        raise RelayError(f"{NOT_TAKEN}: processes come and go too fast")

    def _check_own(self, topics: Iterable[Topic]) -> None:
        # No process received what sockets here should have: the subscribing connection is broken.
        if not self._hears(topics):
            raise Unsettled("this process does not hear it")


def _outgoing(envelope: Envelope, message: bytes) -> Outgoing:
    return Outgoing(envelope.topics, message, envelope.id, envelope.keep, envelope.once)


def _is_unheard(result: Receipt | RelayError) -> bool:
    return isinstance(result, Receipt) and not (result.is_accepted or result.is_repeat)
