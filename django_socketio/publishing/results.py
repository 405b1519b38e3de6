"""The result of ``emit``."""

from django_socketio.relay.base import Unit
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.receipt import Receipt


class Emitted:
    """The result of ``emit``: true once the relay has accepted the message.

    Args:
        unit: what ``received`` counts: "sockets", or "processes" where a relay carries messages.

    Attributes:
        received: how many sockets or server processes received the message; 0 if nobody is
            connected. None while the message waits for the commit of its transaction, and after
            the relay has failed then. A process counts once for each of several audiences.
        position: the place of the message in the log of its audience; None for a message to
            several audiences, to an audience without sockets, or where no log is kept.
        is_kept: whether nobody received the message now, and it is kept for sockets that may come
            back, or as a part of the history. A message with neither ``received`` nor ``is_kept``
            never arrives.
        is_repeat: whether a message with the same idempotency key was sent before. This one was
            not sent; ``received``, ``position`` and ``is_kept`` are those of the earlier one.

    """

    __slots__ = ("is_kept", "is_repeat", "position", "received", "unit")

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.received: int | None = None
        self.position: StreamPosition | None = None
        self.is_kept = self.is_repeat = False

    def accept(self, received: int) -> None:
        """Note how many received the message, and what else the relay has told of it."""
        self.received = int(received)
        receipt = Receipt.of(received)
        self.position, self.is_kept = receipt.position, receipt.is_kept
        self.is_repeat = receipt.is_repeat

    def __bool__(self) -> bool:
        return self.received is not None

    def __repr__(self) -> str:
        return f"<Emitted received={self.received!r} unit={self.unit!r}>"
