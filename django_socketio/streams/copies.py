"""Tells event streams of a server the places of messages for several topics in each of them."""

from django_socketio.channels.registry import Channels
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.topics import Topic
from django_socketio.sockets import copies
from django_socketio.sockets.server import SocketServer
from django_socketio.streams.stream import EventStream


class Copies:
    """A part of a server, from its first event stream on: see ``Relay.tell_copies``.

    Args:
        server: the server.

    """

    is_busy = False

    def __init__(self, server: SocketServer) -> None:
        self._channels: Channels = server.channels
        server.part(copies.Copies).others.append(self._copied)

    def stop(self, timeout: float) -> None:
        """Do nothing: the relay of the server stops by itself."""

    def _copied(self, topic: Topic, position: StreamPosition, id: str) -> None:
        for subscriber in self._channels.members(topic):
            if isinstance(subscriber, EventStream):
                subscriber.copied(topic, position, id)
