"""The result of publishing one message."""

from typing import Any, Self, TypeAlias

from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.topics import Topic


class Receipt(int):
    """The number of sockets or processes that received a message.

    Attributes:
        position: of the message in its topic; None for several topics, for a topic without a log,
            and for a message that left no trace.
        is_kept: whether a message that nobody received is kept, so that a subscriber that comes
            back, or reads the history, gets it.
        is_repeat: whether an earlier message had the same idempotency key. This one was not
            published; all else is told of the earlier one.
        untaken: the topics in which the message left no trace, if it was accepted for others.

    """

    position: StreamPosition | None = None
    is_kept: bool = False
    is_repeat: bool = False
    untaken: tuple[Topic, ...] = ()

    def __new__(
        cls,
        received: int,
        position: StreamPosition | None = None,
        is_kept: bool = False,
        untaken: tuple[Topic, ...] = (),
    ) -> Self:
        """Make a receipt."""
        receipt = super().__new__(cls, received)
        receipt.position = position
        if is_kept:  # as few are: the others have the values of the class
            receipt.is_kept = is_kept
        if untaken:
            receipt.untaken = untaken
        return receipt

    @property
    def is_accepted(self) -> bool:
        """Whether the message was received, or is kept."""
        return self > 0 or self.is_kept

    def repeated(self) -> Self:
        """Return the receipt of a message that repeats the one of this receipt."""
        receipt = type(self)(self, self.position, self.is_kept, self.untaken)
        receipt.is_repeat = True
        return receipt

    def joined(self, other: "Receipt") -> "Receipt":
        """Return one receipt for a message that was handed on again where it was not taken."""
        position, is_kept = self.position or other.position, self.is_kept or other.is_kept
        untaken = other.untaken if other.is_accepted else self.untaken
        return Receipt(self + other, position, is_kept, untaken)

    @classmethod
    def of(cls, received: int) -> "Receipt":
        """Return a number as a receipt."""
        return received if isinstance(received, Receipt) else cls(received)


NOBODY = Receipt(0)
"""The receipt of a message that left no trace."""


Received: TypeAlias = Any
"""What publishing returns: a number, or a receipt. Compiled code would make a plain number of what
is annotated as ``int``."""
