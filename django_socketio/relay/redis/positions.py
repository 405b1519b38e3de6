"""Where a process is in each topic: what came twice, what is missing, what is lost.

A topic's messages are numbered from 1 within an epoch. An epoch ends when the topic has been idle
for longer than its log is kept, or when Redis has lost its data.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Position(NamedTuple):
    """A place in a topic: the epoch, and the number of the last message."""

    epoch: str
    number: int


NO_LOG = "-"
"""The epoch of messages that are not numbered, because no log is kept."""


class Verdict(Enum):
    """What a message is, given those that came before it."""

    NEXT = "next"
    OLD = "old"
    HOLE = "hole"
    """Messages before it are missing; the log may have them."""

    LOST = "lost"
    """Messages before it are missing, and with their epoch the log of them."""


@dataclass(slots=True)
class Track:
    """The position of this process in one topic; None until something is known of it."""

    position: Position | None = None

    def judge(self, position: Position) -> Verdict:
        """Say what a message at this position is; does not move."""
        if self.position is None or position.epoch == NO_LOG:
            return Verdict.NEXT
        if position.epoch != self.position.epoch:
            return Verdict.NEXT if position.number == 1 else Verdict.LOST
        if position.number <= self.position.number:
            return Verdict.OLD
        return Verdict.NEXT if position.number == self.position.number + 1 else Verdict.HOLE

    def move(self, position: Position) -> None:
        """Note that the message at this position has been delivered."""
        if position.epoch != NO_LOG:
            self.position = position
