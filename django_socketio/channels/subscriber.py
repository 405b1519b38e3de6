"""The subscribers of topics: sockets, and event streams."""

from typing import Protocol

from django_socketio.channels.encoded_event import EncodedEvent
from django_socketio.relay.topics import Topic


class Subscriber(Protocol):
    """A receiver of the messages of topics."""

    id: str

    @property
    def keeps_positions(self) -> bool:
        """Whether the client may come back, to any process: by positions, or to its socket."""

    def deliver(self, encoded: EncodedEvent) -> bool:
        """Send an event to the client; False if that is not possible any more."""

    def missed(self, topic: Topic) -> None:
        """Tell a client that keeps positions, or may come back, that messages were lost."""

    def lost(self, channel: str) -> None:
        """Report that messages of a channel were lost."""

    def overflow(self) -> None:
        """Close the client as slow: more is buffered for it than the limit allows."""


def is_socket(subscriber: Subscriber) -> bool:
    """Return whether a subscriber is a socket; an event stream answers no call, for example."""
    return not getattr(subscriber, "receives_only", False)
