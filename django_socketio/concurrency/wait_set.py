"""A set, and a way to wait until it is empty."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from gevent.event import Event

Member = TypeVar("Member")


class WaitSet(Generic[Member]):
    """A set with ``wait_until_empty``, as the ``WaitGroup`` of other languages."""

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
        """Add a member."""
        self._members.add(member)
        self._empty.clear()

    def discard(self, member: Member) -> None:
        """Remove a member, if the set has it."""
        self._members.discard(member)
        if not self._members:
            self._empty.set()

    def wait_until_empty(self, timeout: float) -> bool:
        """Wait until the set is empty, for at most ``timeout`` seconds; return whether it is."""
        return bool(self._empty.wait(timeout))
