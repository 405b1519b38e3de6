"""Connections that other processes offer; each is taken once this process has a place for it."""

from contextlib import suppress
from typing import Any

from django_socketio.server.handoff.descriptors import TAKEN, HandedConnection


class Offer:
    """A connection that another process offers, until it is taken or the other gives up.

    Args:
        sender: the connection to the other process.
        handed: the offered connection.

    """

    def __init__(self, sender: Any, handed: HandedConnection) -> None:
        self.handed = handed
        self._sender = sender
        self._is_taken = False

    def take(self) -> bool:
        """Take the connection; return False if the other process has given up."""
        try:
            self._sender.sendall(TAKEN)
        except OSError:
            return False
        self._is_taken = True
        return True

    def outlast(self) -> None:
        """Wait until the other process knows that it is taken, or gives up; close what is not."""
        with suppress(OSError):
            self._sender.recv(1)  # the other process closes its end
        self._sender.close()
        if not self._is_taken:
            self.handed.socket.close()
