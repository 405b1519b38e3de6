"""The result of publishing one message."""

from typing import Self

from django_socketio.relay.envelope import StreamPosition


class Receipt(int):
    """The number of sockets or processes that received a message.

    Attributes:
        position: of the message in its topic; None for several topics, for a topic without a log,
            and for a message that left no trace.
        is_kept: whether a message that nobody received is kept, so that a subscriber that comes
            back, or reads the history, gets it.
        is_repeat: whether an earlier message had the same idempotency key. This one was not
            published; all else is told of the earlier one, as it was known then.

    """

    position: StreamPosition | None
    is_kept: bool
    is_repeat: bool = False

    def __new__(
        cls, received: int, position: StreamPosition | None = None, is_kept: bool = False
    ) -> Self:
        """Make a receipt."""
        receipt = super().__new__(cls, received)
        receipt.position = position
        receipt.is_kept = is_kept
        return receipt

    @property
    def is_accepted(self) -> bool:
        """Whether the message was received, or is kept."""
        return self > 0 or self.is_kept

    def repeated(self) -> Self:
        """Return the receipt of a message that repeats the one of this receipt."""
        receipt = type(self)(self, self.position, self.is_kept)
        receipt.is_repeat = True
        return receipt

    @classmethod
    def of(cls, received: int) -> "Receipt":
        """Return a number as a receipt."""
        return received if isinstance(received, Receipt) else cls(received)


NOBODY = Receipt(0)
"""The receipt of a message that left no trace."""
