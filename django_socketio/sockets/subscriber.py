"""The interface of a socket, as its subscriptions use it."""

from collections.abc import Mapping
from typing import Protocol

from django_socketio.channels import subscriber
from django_socketio.relay.envelope import Delivery, StreamPosition
from django_socketio.relay.topics import Topic


class Subscriber(subscriber.Subscriber, Protocol):
    """A socket, as its subscriptions use it."""

    namespace: str

    @property
    def is_open(self) -> bool:
        """Whether the client was told that it is connected."""

    def wants(self, delivery: Delivery) -> bool:
        """Return whether a message of a log is for the client."""

    def left(self, channel: str) -> None:
        """Note that the socket was taken off a channel."""

    def began(self, positions: Mapping[Topic, StreamPosition | None]) -> None:
        """Note that the messages of topics come after these positions."""
