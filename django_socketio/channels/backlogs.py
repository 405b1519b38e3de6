"""The subscribers of a topic, and what each of them does not get yet, or not again."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from django_socketio.channels.encoded_event import EncodedEvent, Errand
from django_socketio.channels.overlap import Overlap
from django_socketio.channels.subscriber import Subscriber
from django_socketio.relay.envelope import StreamPosition
from django_socketio.transports.encoded import EncodedPacket

Encoded = TypeVar("Encoded", bound=EncodedPacket)


class Backlog(Generic[Encoded]):
    """Packets for a receiver that cannot get them yet.

    Events are buffered until a pending subscription is admitted; packets for a socket are queued
    until its CONNECT is answered.

    Args:
        limit: highest number of bytes, as WebSocket frames; a single packet may have more.

    """

    __slots__ = ("_is_full", "_limit", "_size", "packets")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._is_full = False
        self.packets: list[Encoded] = []

    def add(self, encoded: Encoded) -> bool:
        """Add a packet; False if the limit is exceeded, or was before.

        The receiver is closed then, but may stay for as long as a handler runs. Errands alone are
        kept until it leaves, when they are dropped: a caller waits for them.
        """
        self._size += len(encoded.frames)
        self.packets.append(encoded)
        if self._size > self._limit and len(self.packets) > 1:
            self._is_full = True
        if self._is_full:
            self.packets = [one for one in self.packets if isinstance(one, Errand)]
        return not self._is_full

    def has_read(self, encoded: Encoded) -> bool:
        """Return whether the receiver gets an event for several topics from the log."""
        return False

    def rewind(self, position: StreamPosition) -> None:
        """Expect other messages than those of the log after a position."""


class Pending(Backlog[EncodedEvent]):
    """The backlog of a subscriber that a topic has not admitted yet.

    Attributes:
        overlap: the messages of the topic that the subscriber gets from the log; None without any.

    """

    __slots__ = ("overlap",)

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.overlap: Overlap | None = None

    def add(self, encoded: EncodedEvent) -> bool:
        """Add a packet, unless it is of the overlap; False if that exceeds the limit."""
        if self.overlap is not None and self.overlap.has(encoded.delivery):
            return True
        return super().add(encoded)

    def skip(self, overlap: Overlap) -> list[EncodedEvent]:
        """Drop the messages of an overlap: those that have come, and those that will.

        Returns those that may also be buffered for another topic.
        """
        self.overlap = overlap
        shared = [one for one in self.packets if overlap.has_read(one.delivery)]
        self.packets = [one for one in self.packets if not overlap.has(one.delivery)]
        self._size = sum(len(one.frames) for one in self.packets)
        return shared

    def has_read(self, encoded: EncodedEvent) -> bool:
        """Return whether the receiver gets an event for several topics from the log."""
        return self.overlap is not None and self.overlap.has_read(encoded.delivery)

    def rewind(self, position: StreamPosition) -> None:
        """Expect other messages than those of the log after a position."""
        self.overlap = self.overlap and self.overlap.up_to(position)

    def discard(self, encoded: EncodedEvent) -> None:
        """Drop a packet that the subscriber has got by another topic."""
        if encoded in self.packets:
            self.packets.remove(encoded)
            self._size -= len(encoded.frames)


class Gate(Pending):
    """The backlog of a subscriber whose right to a topic is examined once a message comes.

    Args:
        limit: as of ``Backlog``.
        ask: called with the gate in the event loop, when a message comes and nothing is asked yet.

    """

    __slots__ = ("_ask", "is_asked")

    def __init__(self, limit: int, ask: "Callable[[Gate], object]") -> None:
        super().__init__(limit)
        self._ask = ask
        self.is_asked = False

    def add(self, encoded: EncodedEvent) -> bool:
        """Add a packet; False if that exceeds the limit."""
        has_room = super().add(encoded)
        self._begin()
        return has_room

    def _begin(self) -> None:
        if self.packets and not self.is_asked:
            self.is_asked = True
            self._ask(self)  # which may admit the subscriber at once

    def take(self, missed: Iterable[EncodedEvent], pending: Pending) -> bool:
        """Take what a subscriber has missed, and then its backlog; False if there is no room."""
        fits = [Backlog.add(self, encoded) for encoded in (*missed, *pending.packets)]
        self.overlap = pending.overlap
        self._begin()
        return all(fits)


class Arrival(Gate):
    """The backlog of a socket that this process takes over: all waits until the socket is its own.

    The lifecycle of the socket obeys nothing before that, so that each command waits as well.

    Args:
        limit: as of ``Backlog``.

    """

    __slots__ = ()

    def __init__(self, limit: int) -> None:
        super().__init__(limit, lambda gate: None)


class CaughtUp(Backlog[EncodedEvent]):
    """The place of an admitted subscriber until all of an overlap has come.

    Args:
        overlap: the messages that the subscriber does not get again.
        subscriber: gets all others at once.
        members: the subscribers of the topic, with this one.

    """

    __slots__ = ("_members", "_overlap", "_subscriber")

    def __init__(self, overlap: Overlap, subscriber: Subscriber, members: "Members") -> None:
        super().__init__(0)
        self._overlap = overlap
        self._subscriber = subscriber
        self._members = members

    def has(self, encoded: EncodedEvent) -> bool:
        """Return whether a packet is of the overlap."""
        return self._overlap.has(encoded.delivery)

    def has_read(self, encoded: EncodedEvent) -> bool:
        """Return whether the log had an event for several topics, and the subscriber has got it."""
        return self._overlap.has_read(encoded.delivery)

    def rewind(self, position: StreamPosition) -> None:
        """Expect other messages than those of the log after a position."""
        self._overlap = self._overlap.up_to(position)

    def add(self, encoded: EncodedEvent) -> bool:
        """Deliver a packet, unless it is of the overlap."""
        if self.has(encoded):
            return True
        if self._overlap.is_over(encoded.delivery):
            self._end()
        return self._subscriber.deliver(encoded) or True

    def _end(self) -> None:
        if self._subscriber in self._members:
            self._members[self._subscriber] = None

    def has_passed(self, position: StreamPosition) -> bool:
        """Return whether all of an overlap came before a position of its topic, and end if so.

        A position of another epoch may be from before the log was read.
        """
        is_over = self._overlap.is_before(position)
        if is_over:
            self._end()
        return is_over


class Copies(Backlog[EncodedEvent]):
    """The backlogs of a subscriber on several topics of an event.

    Where it is pending, each of them keeps the event: the subscriber may be admitted on one topic
    and refused on the others. Where it has caught up with the log of one topic, the event may still
    be due by another one, after whose position it comes.

    Args:
        backlogs: those of the topics.

    """

    __slots__ = ("_backlogs", "_caught_up")

    def __init__(self, *backlogs: Backlog[EncodedEvent]) -> None:
        super().__init__(0)
        each = [one for backlog in backlogs for one in _parts(backlog)]
        self._caught_up = [one for one in each if isinstance(one, CaughtUp)]
        # Gates last: one of them may admit at once, which discards the copies in the others.
        others = (one for one in each if not isinstance(one, CaughtUp))
        self._backlogs = sorted(others, key=lambda backlog: isinstance(backlog, Gate))

    @property
    def parts(self) -> list[Backlog[EncodedEvent]]:
        """The backlogs of the topics."""
        return [*self._caught_up, *self._backlogs]

    @property
    def is_admitted(self) -> bool:
        """Whether the subscriber is admitted on any of the topics."""
        return bool(self._caught_up)

    @property
    def gates(self) -> list[Gate]:
        """Those of the backlogs that are gates."""
        return [backlog for backlog in self._backlogs if isinstance(backlog, Gate)]

    def add(self, encoded: EncodedEvent) -> bool:
        """Deliver a packet, or add it to each backlog; False if that exceeds a limit.

        An errand concerns no topic that is to be admitted by a handler: it waits in gates alone.
        """
        if isinstance(encoded, Errand):
            return all([gate.add(encoded) for gate in self.gates])
        if any(one.has_read(encoded) for one in self.parts):
            return True
        for one in self._caught_up:
            if not one.has(encoded):
                return one.add(encoded)
        return all([backlog.add(encoded) for backlog in self._backlogs])


def _parts(backlog: Backlog[EncodedEvent]) -> list[Backlog[EncodedEvent]]:
    return backlog.parts if isinstance(backlog, Copies) else [backlog]


def is_concerned(backlog: Backlog[EncodedEvent] | None) -> bool:
    """Return whether a subscriber is concerned by what is no event.

    One that no handler has admitted yet is not; one whose login is to be examined is.
    """
    is_admitted = isinstance(backlog, Copies) and backlog.is_admitted
    return backlog is None or is_admitted or isinstance(backlog, CaughtUp) or is_gated(backlog)


def has_all_up_to(position: StreamPosition, backlog: Backlog[EncodedEvent] | None) -> bool:
    """Return whether a subscriber was sent all messages of a topic up to a position, and no others.

    One that waits for messages gets older ones yet; one that has read the log may have later ones.
    """
    return backlog is None or (isinstance(backlog, CaughtUp) and backlog.has_passed(position))


def is_gated(backlog: Backlog[EncodedEvent] | None) -> bool:
    """Return whether what comes for a subscriber waits until its login has been examined."""
    if isinstance(backlog, Copies):
        return bool(backlog.gates) and not backlog.is_admitted
    return isinstance(backlog, Gate)


def holds_commands(backlog: Backlog[EncodedEvent] | None) -> bool:
    """Return whether each command waits: for errands before it, or for the socket to be here."""
    return backlog is not None and any(map(_holds_commands, _parts(backlog)))


def _holds_commands(part: Backlog[EncodedEvent]) -> bool:
    return isinstance(part, Arrival) or any(isinstance(one, Errand) for one in part.packets)


def drop_errands(backlog: Backlog[EncodedEvent] | None, subscriber: Subscriber) -> None:
    """Drop the errands that wait for a subscriber, which has left."""
    for encoded in backlog.packets if backlog is not None else ():
        if isinstance(encoded, Errand):
            encoded.drop(subscriber)


def combined(
    one: Backlog[EncodedEvent] | None, other: Backlog[EncodedEvent] | None
) -> Backlog[EncodedEvent] | None:
    """Return what an event for two topics of a subscriber is added to; None to deliver it now."""
    if one is None or other is None:
        return None
    return one if one is other else Copies(one, other)


Members = dict[Subscriber, Backlog[EncodedEvent] | None]
"""Subscribers of a topic, in the order of subscription; each pending one with its backlog."""
