"""Who is there, and the moment when nobody is."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from gevent.event import Event

Member = TypeVar("Member")


class WaitSet(Generic[Member]):
    """A set that one can wait for to be empty."""

    def __init__(self) -> None:
        self._members: set[Member] = set()
        self._empty = Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def __contains__(self, member: Member) -> bool:
        return member in self._members

    def add(self, member: Member) -> None:
        """Count a member in."""
        self._members.add(member)
        self._empty.clear()

    def discard(self, member: Member) -> None:
        """Count a member out, if it was in."""
        self._members.discard(member)
        if not self._members:
            self._empty.set()

    def wait_until_empty(self, timeout: float) -> bool:
        """Wait, at most ``timeout`` seconds; return whether nobody is there."""
        return bool(self._empty.wait(timeout))
