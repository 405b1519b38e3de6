"""The position of a subscription in its topic, and what a message is by its own position."""

from dataclasses import dataclass
from enum import Enum

from django_socketio.relay.envelope import StreamPosition

NO_LOG = "-"
"""The epoch of messages that have no offset, because their topic keeps no log."""


class Verdict(Enum):
    """The relation of a message to those before it."""

    NEXT = "next"
    OLD = "old"
    HOLE = "hole"
    """Messages before it are missing; the log may have them."""

    LOST = "lost"
    """Messages before it are missing, and with their epoch the log of them."""


@dataclass(slots=True)
class Cursor:
    """The position of the last message that was delivered; None until one is known."""

    position: StreamPosition | None = None

    def judge(self, position: StreamPosition) -> Verdict:
        """Return what a message at a position is; the cursor does not move."""
        if self.position is None or position.epoch == NO_LOG:
            return Verdict.NEXT
        if position.epoch != self.position.epoch:
            return Verdict.NEXT if position.offset == 1 else Verdict.LOST
        if position.offset <= self.position.offset:
            return Verdict.OLD
        return Verdict.NEXT if position.offset == self.position.offset + 1 else Verdict.HOLE

    def move(self, position: StreamPosition) -> None:
        """Note that the message at a position has been delivered."""
        if position.epoch != NO_LOG:
            self.position = position
