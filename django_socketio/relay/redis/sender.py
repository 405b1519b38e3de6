"""Sending envelopes: they are encoded and published, and what reached nobody is made certain of."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from django_socketio.exceptions import RelayError
from django_socketio.protocol.json import Default
from django_socketio.relay import wire
from django_socketio.relay.base import NOT_TAKEN
from django_socketio.relay.envelope import Envelope
from django_socketio.relay.receipt import NOBODY, Receipt
from django_socketio.relay.redis.listeners import Listeners, Tokens, Unsettled
from django_socketio.relay.redis.packing import Outgoing
from django_socketio.relay.redis.publisher import MessagePublisher
from django_socketio.relay.signing import Signing
from django_socketio.relay.topics import Topic
from django_socketio.relay.untried import not_tried

ATTEMPTS = 5
"""Publishings of one message that reaches nobody while connections come and go."""


class Sender:
    """Sends envelopes through Redis.

    Args:
        missed: returns those of some topics that this process subscribed to, if their messages
            should have come and are known not to.
        default: turns values into ones that JSON knows.
        signing: signs messages; None: nothing is signed.

    """

    def __init__(
        self,
        publisher: MessagePublisher,
        listeners: Listeners,
        missed: Callable[[Iterable[Topic]], set[Topic]],
        default: Default | None,
        signing: Signing | None,
    ) -> None:
        self._publisher = publisher
        self._listeners = listeners
        self._missed = missed
        self._default = default
        self._signing = signing

    def send(self, envelope: Envelope) -> Receipt:
        """Hand the envelope on; return how many processes received it, for each topic."""
        message = self._outgoing(envelope)
        tokens = self._listeners.tokens
        receipt = self._hand_on(message, message.topics)
        if _is_settled(receipt):
            return receipt
        return self._settle(message, tokens, receipt)

    def send_all(self, envelopes: Sequence[Envelope]) -> list[int | RelayError]:
        """Hand envelopes on in their order, many in a round trip; return for each what it got.

        An error ends it: the steps after it are not sent, and have ``NotTried``. It is certain what
        a step has reached before the next one is sent, so no message overtakes another.
        """
        messages = [*map(self._outgoing, envelopes)]
        results: list[int | RelayError] = []
        for step in self._publisher.steps(messages):
            results += (found := self._send_step(step))
            if errors := [one for one in found if isinstance(one, RelayError)]:
                return [*results, *not_tried(errors[0], len(messages) - len(results))]
        return results

    def _send_step(self, step: Sequence[Outgoing]) -> list[Receipt | RelayError]:
        tokens = self._listeners.tokens
        results = [*self._publisher.publish_step(step)]
        if any(isinstance(one, Receipt) and one for one in results):
            self._listeners.was_heard = True
        receipts = enumerate(results)
        unheard = {
            i: one for i, one in receipts if isinstance(one, Receipt) and not _is_settled(one)
        }
        if unheard:
            self._settle_all(step, results, unheard, tokens)
        return results

    def _outgoing(self, envelope: Envelope) -> Outgoing:
        message = envelope.encoded or wire.encode(envelope, self._default)
        if self._signing is not None:
            message = self._signing.sign(message)
        # What is told to a later message with the key names topics by their numbers.
        topics = tuple(sorted(envelope.topics)) if envelope.once else envelope.topics
        return Outgoing(topics, message, envelope.id, envelope.keep, envelope.once)

    def _hand_on(self, message: Outgoing, topics: Sequence[Topic]) -> Receipt:
        if message.once:  # Redis knows which of its topics are left
            receipt = self._publisher.publish_once(message)
        else:
            receipt = self._publisher.publish(topics, message.message, message.id, message.keep)
        if receipt:
            self._listeners.was_heard = True
        return receipt

    def _settle_all(
        self,
        step: Sequence[Outgoing],
        results: list[Receipt | RelayError],
        unheard: dict[int, Receipt],
        tokens: Tokens,
    ) -> None:
        """Make certain that nobody listens to messages of a batch, by one question for all."""
        topics = {
            topic: None
            for index, receipt in unheard.items()
            for topic in receipt.untaken or step[index].topics
        }
        is_settled = False
        with suppress(RelayError, Unsettled):
            is_settled = not self._missed(topics) and self._listeners.is_settled([*topics], tokens)
        for index, receipt in unheard.items():
            try:
                if is_settled:
                    results[index] = self._noted(step[index], receipt)
                else:
                    results[index] = self._settle(step[index], tokens, receipt)
            except RelayError as error:
                results[index] = error

    def _noted(self, message: Outgoing, receipt: Receipt) -> Receipt:
        """Return what is true by now; its idempotency key says so too."""
        if message.once:
            try:
                self._publisher.note_unheard(message, receipt.untaken or message.topics)
            except RelayError as error:
                raise RelayError(f"{error}{_others(receipt)}") from error
        return receipt if receipt.is_accepted else NOBODY

    def _settle(self, message: Outgoing, tokens: Tokens, receipt: Receipt) -> Receipt:
        """Make certain that nobody listens to the topics that did not take a message.

        It has left no trace there, and can be published again: so it is where a subscription of
        this process may have been confirmed since. Returns the receipt for all topics.

        Raises:
            RelayError: a process may have sockets that did not get it.

        """
        missed: set[Topic] = set()
        try:
            for _ in range(ATTEMPTS):
                topics = receipt.untaken or message.topics
                before, missed = missed, self._missed(topics)
                if before & missed:
                    raise Unsettled("this process does not hear it")
                if not missed and self._listeners.is_settled(topics, tokens):
                    return self._noted(message, receipt)
                since = self._listeners.tokens
                try:
                    receipt, tokens = self._hand_on_again(message, topics, receipt), since
                except RelayError:
                    if not receipt.is_accepted:
                        raise
                    # Others have it: see whether anybody needs it here, and try again.
                if _is_settled(receipt):
                    return receipt
        except Unsettled as error:
            raise RelayError(f"{NOT_TAKEN}: {error}{_others(receipt)}") from error
        raise RelayError(f"{NOT_TAKEN}: processes come and go too fast{_others(receipt)}")

    def _hand_on_again(
        self, message: Outgoing, topics: Sequence[Topic], receipt: Receipt
    ) -> Receipt:
        """Hand a message on where it was not taken; return the receipt for all topics."""
        found = self._hand_on(message, topics)
        return found if message.once else receipt.joined(found)


def _others(receipt: Receipt) -> str:
    """Return the end of an error's text about a message that some processes may not have got."""
    return "; processes that hear the relay got it" if receipt.is_accepted else ""


def _is_settled(receipt: Receipt) -> bool:
    """Return whether it is known of all topics whether a message was taken."""
    return (receipt.is_repeat or receipt.is_accepted) and not receipt.untaken
