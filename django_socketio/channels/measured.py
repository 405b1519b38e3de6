"""Channels that count what is published and delivered."""

from collections.abc import Sequence

from django_socketio.channels.registry import Channels
from django_socketio.exceptions import RelayError
from django_socketio.relay.envelope import Delivery, Envelope
from django_socketio.relay.receipt import Received


class MeasuredChannels(Channels):
    """The channels of a process, with numbers.

    Attributes:
        published: the messages that this process has published.
        delivered: the messages that the relay has brought.
        receipts: how often one of these messages was sent on to a subscriber of this process.

    """

    published = 0
    delivered = 0
    receipts = 0

    def publish(self, envelope: Envelope) -> Received:
        """Count and publish an envelope."""
        received = super().publish(envelope)
        self.published += 1
        return received

    def publish_all(self, envelopes: Sequence[Envelope]) -> list[int | RelayError]:
        """Count and publish envelopes."""
        results = super().publish_all(envelopes)
        self.published += sum([not isinstance(one, RelayError) for one in results])
        return results

    def deliver(self, delivery: Delivery) -> int:
        """Count a delivery, and send the event to its receivers."""
        received = super().deliver(delivery)
        self.delivered += 1
        self.receipts += received
        return received
