"""The relay of a site with one server process: no Redis is needed."""

from django_socketio.protocol.json import Default
from django_socketio.relay import wire
from django_socketio.relay.base import Deliver, Envelope, Relay


class MemoryRelay(Relay):
    """Hands envelopes to the sockets of this process, at once.

    Args:
        default: turns values that JSON does not know into ones that it knows.

    """

    def __init__(self, default: Default | None = None) -> None:
        self._default = default
        self._subscriptions: dict[str, Deliver] = {}

    def publish(self, envelope: Envelope) -> int:
        """Hand the envelope to the sockets of this process; return how many received it."""
        # Encoded here, once for all, because what other relays refuse must be refused here as well.
        object.__setattr__(envelope, "encoded", wire.encode_event(envelope, self._default))
        subscriptions = self._subscriptions
        # One delivery serves all topics: a socket that is on several gets one copy.
        delivers = {subscriptions[topic] for topic in envelope.topics if topic in subscriptions}
        return sum(deliver(envelope) for deliver in delivers)

    def subscribe(self, topic: str, deliver: Deliver) -> None:
        """Have ``deliver`` called with the envelopes of a topic."""
        self._subscriptions[topic] = deliver

    def unsubscribe(self, topic: str) -> None:
        """Receive no more envelopes of a topic."""
        self._subscriptions.pop(topic, None)

    def close(self) -> None:
        """Forget all subscriptions."""
        self._subscriptions.clear()

    def __str__(self) -> str:
        return "in-process (one server process; SOCKETIO_RELAY_URL connects several)"
