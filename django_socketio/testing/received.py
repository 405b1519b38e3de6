"""The events that a client of a test has received."""

from dataclasses import dataclass, field
from typing import Any

from django_socketio.testing.messages import listed


@dataclass
class Received:
    """An event that a client has received.

    Attributes:
        event: its name.
        args: its arguments, as the client reads them: tuples have become lists, dates texts.

    """

    event: str
    args: tuple[Any, ...]
    is_asserted: bool = field(default=False, compare=False, repr=False)
    """Whether ``assert_received`` has found it."""

    def __str__(self) -> str:
        return ", ".join(map(repr, (self.event, *self.args)))


class Inbox:
    """The events that one socket has received.

    Attributes:
        received: the events, oldest first.

    """

    def __init__(self) -> None:
        self.received: list[Received] = []

    def assert_received(self, event: str, *args: Any) -> Received:
        """Check that an event has come, and return the first one that no earlier call has found.

        Args:
            event: its name.
            args: its arguments; without any, those of the event do not matter.

        Raises:
            AssertionError: it has not come; the text lists the events that have.

        """
        for received in self.received:
            fits = received.event == event and args in ((), received.args)
            if fits and not received.is_asserted:
                received.is_asserted = True
                return received
        asked = Received(event, args)
        raise AssertionError(f"{asked} was not received; {listed('received', self.received)}")

    def assert_nothing_received(self) -> None:
        """Check that no event has come but those that ``assert_received`` has found.

        Raises:
            AssertionError: events have come; the text lists them.

        """
        rest = [received for received in self.received if not received.is_asserted]
        if rest:
            raise AssertionError(listed("received", rest))
