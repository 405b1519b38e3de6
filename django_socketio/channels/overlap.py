"""What a subscriber has got from a log, and may still be on its way as a new message."""

from typing import NamedTuple

from django_socketio.relay.envelope import Delivery, StreamPosition
from django_socketio.relay.topics import Topic


class Overlap(NamedTuple):
    """The messages of a topic up to a position, which a subscriber has got from the log.

    They may still be on their way to this process, by the connection that brings new messages.

    Attributes:
        ids: of those messages that are for several topics, and may come by another one.

    """

    topic: Topic
    position: StreamPosition
    ids: frozenset[str] = frozenset()

    def has(self, delivery: Delivery | None) -> bool:
        """Return whether a message is one of them."""
        if delivery is None or self.has_read(delivery):
            return delivery is not None
        return (
            delivery.topic == self.topic
            and delivery.position is not None
            and delivery.position.epoch == self.position.epoch
            and delivery.position.offset <= self.position.offset
        )

    def is_before(self, position: StreamPosition) -> bool:
        """Return whether a position of the topic is after all of them, in their epoch."""
        return position.epoch == self.position.epoch and position.offset > self.position.offset

    def has_read(self, delivery: Delivery | None) -> bool:
        """Return whether a message for several topics is one of them, by whichever it comes."""
        return delivery is not None and delivery.envelope.id in self.ids

    def is_over(self, delivery: Delivery | None) -> bool:
        """Return whether all of them came before a message."""
        return delivery is not None and delivery.topic == self.topic and not self.has(delivery)

    def up_to(self, position: StreamPosition) -> "Overlap":
        """Return those of them that are not after a position."""
        own = self.position
        is_after = own.epoch == position.epoch and own.offset > position.offset
        return self._replace(position=position) if is_after else self
