"""What a socket sends to others, by the relay."""

from collections.abc import Callable
from typing import Any

from django_socketio.channels.backlogs import Backlog
from django_socketio.channels.names import check_channel
from django_socketio.concurrency.threads import forbid, running
from django_socketio.protocol.socketio.names import check_event_name
from django_socketio.relay.envelope import Envelope
from django_socketio.relay.topics import Topic, TopicKind, channel_topic, everyone_topic
from django_socketio.sockets.server import SocketServer
from django_socketio.sockets.subscriptions import Subscriptions
from django_socketio.transports.encoded import EncodedPacket


class Broadcasting:
    """The part of a ``Socket`` that sends to others.

    Attributes:
        id: its public id, of which others see nothing.
        namespace: the Socket.IO namespace that it is connected to.
        subscriptions: the channels that it is on.
        send: sends a message to its client.

    """

    __slots__ = ()

    _backlog: Backlog[EncodedPacket] | None
    _server: SocketServer
    send: Callable[..., bool]
    id: str
    namespace: str
    subscriptions: Subscriptions

    def broadcast(self, message: Any, event: str = "message") -> None:
        """Send a message to all other sockets of the namespace.

        Raises:
            RelayError: the relay did not take the message; no socket received it.

        """
        self._publish((everyone_topic(self.namespace),), message, event, exclude=self.id)

    def broadcast_channel(
        self, message: Any, channel: str | None = None, event: str = "message"
    ) -> None:
        """Send a message to the others on a channel, or on any of this socket's own channels.

        A socket that is on several of the channels receives one copy.

        Raises:
            RelayError: the relay did not take the message. Sockets on some of several channels may
                have received it; the error then says so.

        """
        self._publish(self._topics(channel), message, event, exclude=self.id)

    def send_and_broadcast(self, message: Any, event: str = "message") -> None:
        """Send a message to all sockets of the namespace, this one included.

        Raises ``RelayError`` as ``broadcast`` does.
        """
        self._send_to_all((everyone_topic(self.namespace),), message, event)

    def send_and_broadcast_channel(
        self, message: Any, channel: str | None = None, event: str = "message"
    ) -> None:
        """Send a message to all on a channel (or on this socket's channels), and to this socket.

        Raises ``RelayError`` as ``broadcast_channel`` does.
        """
        self._send_to_all(self._topics(channel), message, event)

    def _send_to_all(self, topics: tuple[Topic, ...], message: Any, event: str) -> None:
        if any(map(self._is_reached, topics)):
            return self._publish(topics, message, event)
        self._publish(topics, message, event, exclude=self.id)  # the log has no second copy for it
        self.send(message, event)

    def _is_reached(self, topic: Topic) -> bool:
        """Return whether a topic's messages come to this socket: everyone's once it is open."""
        if topic.kind is TopicKind.EVERYONE:
            return self._backlog is None
        return topic.name in self.subscriptions.names

    def _topics(self, channel: str | None) -> tuple[Topic, ...]:
        """Return the topic of a channel, or those of all channels that this socket is on."""
        names = self.subscriptions.names if channel is None else (check_channel(channel),)
        return tuple(channel_topic(self.namespace, name) for name in names)

    def _publish(
        self, topics: tuple[Topic, ...], message: Any, event: str, exclude: str | None = None
    ) -> None:
        if running:
            forbid("socket.broadcast")
        check_event_name(event)
        if topics:
            envelope = Envelope(topics, self.namespace, event, (message,), exclude)
            self._server.channels.publish(envelope)
