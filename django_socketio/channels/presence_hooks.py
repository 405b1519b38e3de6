"""What is told of sockets on channels, to note the presence of people."""

from collections.abc import Iterable
from typing import Any, Protocol


class PresenceHooks(Protocol):
    """Notes who is on channels, and tells clients."""

    def admitted(self, socket: Any, channel: str) -> None:
        """Note that a socket is on a channel, or belongs to another person now."""

    def moved_here(self, socket: Any, channels: Iterable[str]) -> None:
        """Note that a socket is on channels whose earlier process does not note it any more."""

    def left(self, socket: Any, channel: str) -> None:
        """Note that a living socket has left a channel."""

    def ended(self, socket: Any, channels: Iterable[str]) -> None:
        """Note that a socket has ended, which was on channels."""

    def set_away(self, socket: Any, channels: Iterable[str], is_away: bool) -> None:
        """Note that a socket is away, and may come back; or that it is back."""

    def watched(self, socket: Any, channels: Iterable[str]) -> dict[str, str]:
        """Return the channels of which a socket is told who is there, and up to which positions."""

    def watch(self, socket: Any, channel: str, since: Any) -> None:
        """Have a socket told who is on a channel."""

    def watch_soon(self, socket: Any, channel: str, since: Any) -> None:
        """Have a socket told who is on a channel, once the relay can be asked."""
