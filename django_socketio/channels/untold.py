"""Positions of topics that no message tells to the clients that keep positions.

An event for several topics has no place (see ``positions.py``), and neither has a message that is
no event. An event with a place does not come to its own sender. A client that gets only these, or
sends all events itself, would keep an old position, and be told at its return that the log does not
reach back so far.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from django_socketio.channels.backlogs import Members, has_all_up_to
from django_socketio.channels.subscriber import Subscriber, is_socket
from django_socketio.concurrency.timers import Timer, Timers
from django_socketio.relay.envelope import Delivery, StreamPosition
from django_socketio.relay.topics import Topic

LONGEST = 5.0
"""Seconds after which positions are told. Logs are kept for longer."""

MOST = 100
"""Messages after which they are told at once: a tenth of the ids that a client keeps."""


class Teller(Protocol):
    """A socket that tells its client positions."""

    def began(self, positions: Mapping[Topic, StreamPosition | None]) -> None:
        """Tell the client after which positions the messages of topics come."""


class _Untold(NamedTuple):
    """A position that was not told.

    Attributes:
        only: the id of the single socket that was not told it; None if no socket was.

    """

    position: StreamPosition
    only: str | None

    def is_for(self, subscriber: Subscriber) -> bool:
        """Return whether a subscriber is a socket whose client keeps positions and lacks this."""
        is_one = self.only is None or self.only == subscriber.id
        return is_one and subscriber.keeps_positions and is_socket(subscriber)


class UntoldPositions:
    """The positions of topics as of the last message that has told no position.

    All is called in the event loop, once the receivers of a message have been sent it.

    Args:
        backlogs: returns the subscribers of a topic, each with its backlog.
        timers: the deadlines of the server.

    """

    def __init__(self, backlogs: Callable[[Topic], Members], timers: Timers) -> None:
        self._backlogs = backlogs
        self._timers = timers
        self._positions: dict[Topic, _Untold] = {}
        self._count = 0
        self._timer: Timer | None = None

    def came(self, delivery: Delivery) -> None:
        """Note an event, which tells its position to its receivers if it is for one topic."""
        if delivery.position is None:
            return
        envelope = delivery.envelope
        if len(envelope.topics) > 1 or envelope.is_copy:
            self.note(delivery.topic, delivery.position)
        elif envelope.exclude is not None:
            self.note(delivery.topic, delivery.position, only=envelope.exclude)
        elif self._positions:
            self._positions.pop(delivery.topic, None)

    def note(self, topic: Topic, position: StreamPosition, only: str | None = None) -> None:
        """Note that all messages of a topic up to a position have been sent.

        Args:
            only: the id of the socket that lacks the position, where all others were told it.

        """
        if not self._backlogs(topic):
            return
        self._positions[topic] = _Untold(position, only)
        self._count += 1
        if self._count >= MOST:
            self.tell()
        elif self._timer is None:
            self._timer = self._timers.after(LONGEST, self._expire)

    def forget(self, topic: Topic) -> None:
        """Forget a topic that the last subscriber has left: those who come later begin later."""
        self._positions.pop(topic, None)

    def _expire(self, now: float) -> None:
        self._timer = None
        self.tell()

    def tell(self) -> None:
        """Tell the clients of all topics that have all messages up to the positions."""
        positions, self._positions, self._count = self._positions, {}, 0
        self.stop()
        for topic, untold in positions.items():
            for subscriber, backlog in list(self._backlogs(topic).items()):
                if untold.is_for(subscriber) and has_all_up_to(untold.position, backlog):
                    teller: Any = subscriber
                    teller.began({topic: untold.position})

    def stop(self) -> None:
        """Wait no longer."""
        timer, self._timer = self._timer, None
        if timer is not None:
            self._timers.cancel(timer)
