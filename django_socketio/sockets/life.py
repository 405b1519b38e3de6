"""The lifecycle of a socket, as the socket uses it; that of a socket which has ended."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from django_socketio.events.handlers import Call


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

    def relay(self, event: str, args: tuple[Any, ...], channel: str, tells_sender: bool) -> None:
        """Send a client event to the other sockets on a channel."""

    def obey(self, command: Callable[[Any], object]) -> None:
        """Have a command of the site carried out, after the events that wait."""

    def claimed(self, command: str, args: tuple[Any, ...]) -> None:
        """Handle a command of a process to which the client has come back."""

    def verify_login(self) -> bool:
        """Return whether the login of the client is valid."""

    @property
    def is_answer_awaited(self) -> bool:
        """Whether the client still waits for the answer to the CONNECT of the socket."""

    def answer_to(self, name: str, args: Sequence[Any], call: Call | None = None) -> Any:
        """Handle a client's event, by a call; return the answer."""

    def give_way(self) -> None:
        """Have sockets polled, in the midst of an event."""


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

    def relay(self, event: str, args: tuple[Any, ...], channel: str, tells_sender: bool) -> None:
        """Do nothing."""

    def obey(self, command: Callable[[Any], object]) -> None:
        """Do nothing."""

    def claimed(self, command: str, args: tuple[Any, ...]) -> None:
        """Do nothing: the process that asks waits in vain."""

    def verify_login(self) -> bool:
        """Return False: the client has gone."""
        return False

    is_answer_awaited = False

    def answer_to(self, name: str, args: Sequence[Any], call: Call | None = None) -> Any:
        """Return no answer: the client has gone."""

    def give_way(self) -> None:
        """Do nothing."""


ENDED = Ended()
