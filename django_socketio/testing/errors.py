"""The errors of sockets in tests."""

from typing import Any

from django_socketio.exceptions import SocketIOError


class Refused(SocketIOError):
    """The server refused a connection or a subscription.

    Args:
        message: the text that the client receives.
        data: all that the client receives with the refusal.
        status: the status of the HTTP answer, where the handshake was refused.

    """

    def __init__(self, message: str, data: Any = None, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data
        self.status = status


class Unanswered(SocketIOError, AssertionError):
    """One side of a test waits for an answer that the other side does not give."""
