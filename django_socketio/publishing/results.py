"""The result of ``emit``."""

from django_socketio.relay.base import Unit
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.receipt import Receipt


class Emitted:
    """The result of ``emit``: true once the relay has accepted the message.

    Args:
        unit: what ``received`` counts: "sockets", or "processes" where a relay carries messages.

    """

    __slots__ = ("_receipt", "is_lost", "unit")

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.is_lost = False  # once the relay has failed after a commit
        self._receipt: Receipt | None = None

    def accept(self, received: int) -> None:
        """Note how many received the message, and what else the relay has told of it."""
        self._receipt = Receipt.of(received)

    @property
    def received(self) -> int | None:
        """How many sockets or server processes received the message; 0 if nobody is connected.

        None while the message waits for the commit of its transaction, and after the relay has
        failed then. A process counts once for each of several audiences.
        """
        return None if self._receipt is None else int(self._receipt)

    @property
    def position(self) -> StreamPosition | None:
        """The place of the message in the log of its audience.

        None for a message to several audiences, to an audience without sockets, or where no log is
        kept.
        """
        return None if self._receipt is None else self._receipt.position

    @property
    def is_kept(self) -> bool:
        """Whether nobody received the message now, and it is kept.

        It is kept for sockets that may come back, or as a part of the history. A message with
        neither ``received`` nor ``is_kept`` never arrives.
        """
        return self._receipt is not None and self._receipt.is_kept

    @property
    def is_repeat(self) -> bool:
        """Whether a message with the same idempotency key was sent before.

        This one was not sent; ``received``, ``position`` and ``is_kept`` are those of the earlier
        one.
        """
        return self._receipt is not None and self._receipt.is_repeat

    def __bool__(self) -> bool:
        return self._receipt is not None

    def __repr__(self) -> str:
        return f"<Emitted received={self.received!r} unit={self.unit!r}>"
