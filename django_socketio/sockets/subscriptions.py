"""Who can be on channels."""

from collections.abc import Callable
from typing import Any

from django_socketio.channels.names import check_channel
from django_socketio.channels.registry import Channels
from django_socketio.concurrency.threads import refuse, running
from django_socketio.exceptions import ChannelError
from django_socketio.protocol.socketio.names import check_event
from django_socketio.relay.base import Envelope, channel_topic, everyone_topic, socket_topic
from django_socketio.transports.encoded import EncodedPacket


def drop(encoded: EncodedPacket) -> bool:
    """Be the ``deliver`` of a socket that has ended."""
    return False


class Member:
    """The channels of one socket, and what it sends to them.

    Args:
        id: the socket's public id.
        namespace: the namespace whose channels they are.
        registry: the channels of this process.
        max_channels: on how many it may be.

    """

    __slots__ = (
        "_has_left",
        "_is_reachable",
        "_max_channels",
        "_registry",
        "channel_names",
        "deliver",
        "id",
        "namespace",
    )

    deliver: Callable[[EncodedPacket], bool]
    """Sends what comes on a channel; False if that is not possible any more."""

    def __init__(self, id: str, namespace: str, registry: Channels, max_channels: int) -> None:
        self.id = id
        self.namespace = namespace
        self.channel_names: tuple[str, ...] = ()
        self._registry = registry
        self._max_channels = max_channels
        self._has_left = False
        self._is_reachable = False

    def send(self, message: Any, event: str = "message") -> bool:
        """Send a message to this socket; False if it has ended."""
        raise NotImplementedError

    def lost(self, channel: str) -> None:
        """Hear that messages of a channel were lost on their way to this process."""
        raise NotImplementedError

    def overflow(self) -> None:
        """Hear that too much is buffered for it."""
        raise NotImplementedError

    @property
    def channels(self) -> list[str]:
        """The channels that it is on, in the order in which it came to them."""
        return list(self.channel_names)

    def subscribe(self, channel: str) -> bool:
        """Put this socket on a channel; False if it was on it. Runs no handlers.

        Raises:
            ChannelError: the name is not allowed, or the socket is on too many channels.

        """
        if running:
            refuse("socket.subscribe")
        return self.join(channel, pending=False)

    def join(self, channel: str, pending: bool) -> bool:
        """Put this socket on a channel; while ``pending``, buffer its messages until ``admit``."""
        check_channel(channel)
        if channel in self.channel_names or self._has_left:
            return False
        if len(self.channel_names) >= self._max_channels:
            raise ChannelError(
                f"the socket is on {self._max_channels} channels, which is the most that "
                "SOCKETIO_MAX_CHANNELS allows"
            )
        self.channel_names += (channel,)
        try:
            self._registry.add(channel_topic(self.namespace, channel), self, pending)
        except BaseException:
            self.unsubscribe(channel)
            raise
        return True

    def admit(self, channel: str) -> None:
        """Deliver what was buffered of a channel, and all that comes."""
        self._registry.admit(channel_topic(self.namespace, channel), self)

    def unsubscribe(self, channel: str) -> bool:
        """Take this socket off a channel; False if it was not on it. Runs no handlers."""
        if running:
            refuse("socket.unsubscribe")
        if channel not in self.channel_names:
            return False
        self.channel_names = tuple(name for name in self.channel_names if name != channel)
        self._registry.remove(channel_topic(self.namespace, channel), self)
        return True

    def topics(self, channel: str | None) -> tuple[str, ...]:
        """Return the topic of a channel, or those of all channels that this socket is on."""
        names = self.channel_names if channel is None else (check_channel(channel),)
        return tuple(channel_topic(self.namespace, name) for name in names)

    def become_reachable(self) -> None:
        """Receive what is sent to everyone, and to this socket's id."""
        self._registry.add(socket_topic(self.namespace, self.id), self)
        self._registry.add(everyone_topic(self.namespace), self)
        self._is_reachable = True

    def leave_all(self) -> None:
        """Leave all channels: the last thing that a socket does."""
        self._has_left = True
        topics = self.topics(None)
        self.channel_names = ()
        own = (socket_topic(self.namespace, self.id), everyone_topic(self.namespace))
        self._registry.remove_from_all((*topics, *own), self)

    # Sending to others

    def broadcast(self, message: Any, event: str = "message") -> None:
        """Send a message to all other sockets of the namespace.

        Raises:
            RelayError: the relay did not take it; nobody received it.

        """
        self._publish((everyone_topic(self.namespace),), message, event, exclude=self.id)

    def broadcast_channel(
        self, message: Any, channel: str | None = None, event: str = "message"
    ) -> None:
        """Send a message to the others on a channel, or on any of this socket's own channels.

        A socket that is on several of them gets it once.

        Raises:
            RelayError: the relay did not take it; nobody received it.

        """
        self._publish(self.topics(channel), message, event, exclude=self.id)

    def send_and_broadcast(self, message: Any, event: str = "message") -> None:
        """Send a message to all sockets of the namespace, this one included.

        Raises:
            RelayError: the relay did not take it; nobody received it.

        """
        self._publish((everyone_topic(self.namespace),), message, event)
        if not self._is_reachable:
            self.send(message, event)

    def send_and_broadcast_channel(
        self, message: Any, channel: str | None = None, event: str = "message"
    ) -> None:
        """Send a message to all on a channel (or on this socket's channels), and to this socket.

        Raises:
            RelayError: the relay did not take it; nobody received it.

        """
        self._publish(self.topics(channel), message, event)
        if channel not in self.channel_names if channel is not None else not self.channel_names:
            self.send(message, event)

    def _publish(
        self, topics: tuple[str, ...], message: Any, event: str, exclude: str | None = None
    ) -> None:
        if running:
            refuse("socket.broadcast")
        check_event(event)
        if topics:
            self._registry.publish(Envelope(topics, self.namespace, event, (message,), exclude))
