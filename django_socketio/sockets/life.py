"""The lifecycle of a socket, as the socket uses it; that of a socket which has ended."""

from typing import Any, Protocol


class Lifecycle(Protocol):
    """The part of a ``SocketLifecycle`` that its socket uses."""

    def end(self, reason: str) -> None:
        """End the socket: it left its namespace."""

    def report(self, error: Exception) -> None:
        """Have the handlers of ``on_error`` called."""

    def resume(self) -> None:
        """Resume the session: a handler waits for the client's answer."""

    def log_in(self, user: Any) -> None:
        """Have this user be logged in for all sockets of the client."""


class Ended:
    """The lifecycle of sockets that have ended."""

    def end(self, reason: str) -> None:
        """Do nothing."""

    def report(self, error: Exception) -> None:
        """Do nothing."""

    def resume(self) -> None:
        """Do nothing."""

    def log_in(self, user: Any) -> None:
        """Do nothing."""


ENDED = Ended()
