"""Positions of messages for several topics, from the first client on that keeps positions."""

from django_socketio.channels.untold import UntoldPositions
from django_socketio.relay.base import Copied
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.topics import Topic
from django_socketio.sockets.server import SocketServer


class Copies:
    """A part of a server that has the relay tell further copies: see ``Relay.tell_copies``.

    Args:
        server: the server.

    Attributes:
        others: are called with each copy as well.

    """

    is_busy = False

    def __init__(self, server: SocketServer) -> None:
        self._untold = UntoldPositions(server.channels.backlogs, server.timers)
        self.others: list[Copied] = []
        server.channels.untold = self._untold
        server.relay.tell_copies(self._copied)

    def stop(self, timeout: float) -> None:
        """Tell nothing more."""
        self._untold.stop()

    def _copied(self, topic: Topic, position: StreamPosition, id: str) -> None:
        self._untold.note(topic, position)
        for other in self.others:
            other(topic, position, id)
