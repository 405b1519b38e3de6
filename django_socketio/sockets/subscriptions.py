"""The channels that one socket is on, and the topics that every socket is on."""

from typing import Protocol

from django_socketio.channels import registry
from django_socketio.channels.names import check_channel
from django_socketio.channels.registry import Channels
from django_socketio.exceptions import ChannelError
from django_socketio.relay.topics import Topic, channel_topic, everyone_topic, socket_topic


class Subscriber(registry.Subscriber, Protocol):
    """A socket, as its subscriptions use it."""

    namespace: str


class Subscriptions:
    """The channels of one socket.

    Args:
        socket: receives the messages.
        channels: the channels of this process.
        max_channels: how many channels the socket may be on.

    Attributes:
        names: the channels, in the order in which the socket joined them.

    """

    __slots__ = ("_channels", "_max_channels", "_socket", "names")

    def __init__(self, socket: Subscriber, channels: Channels, max_channels: int) -> None:
        # The socket refers to its subscriptions: leave_all() breaks the cycle.
        self._socket: Subscriber | None = socket
        self._channels = channels
        self._max_channels = max_channels
        self.names: tuple[str, ...] = ()

    def join(self, channel: str, pending: bool = False) -> bool:
        """Put the socket on a channel; while ``pending``, buffer its messages until ``admit``.

        Returns:
            False if the socket was on the channel, or has ended.

        Raises:
            ChannelError: the name is not allowed, or the socket is on too many channels.

        """
        check_channel(channel)
        if channel in self.names or self._socket is None:
            return False
        self._check_number()
        self.names += (channel,)
        try:
            topic = channel_topic(self._socket.namespace, channel)
            self._channels.add(topic, self._socket, pending)
        except BaseException:
            self.leave(channel)
            raise
        return True

    def _check_number(self) -> None:
        if len(self.names) >= self._max_channels:
            raise ChannelError(
                f"the socket is on {self._max_channels} channels, which is the most that "
                "SOCKETIO_MAX_CHANNELS allows"
            )

    def admit(self, channel: str) -> None:
        """Deliver the buffered messages of a pending channel, and all later ones."""
        if self._socket is not None:
            self._channels.admit(channel_topic(self._socket.namespace, channel), self._socket)

    def leave(self, channel: str) -> bool:
        """Take the socket off a channel; return False if it was not on the channel."""
        if channel not in self.names or self._socket is None:
            return False
        self.names = tuple(name for name in self.names if name != channel)
        self._channels.remove(channel_topic(self._socket.namespace, channel), self._socket)
        return True

    def join_own(self) -> None:
        """Receive messages for the socket's id, and for all sockets of its namespace."""
        if self._socket is not None:
            for topic in _own_topics(self._socket):
                self._channels.add(topic, self._socket)

    def leave_all(self) -> None:
        """Receive no more messages: the last thing that a socket does."""
        socket, self._socket = self._socket, None
        names, self.names = self.names, ()
        if socket is not None:
            topics = [channel_topic(socket.namespace, name) for name in names]
            self._channels.remove_from_all([*topics, *_own_topics(socket)], socket)


def _own_topics(socket: Subscriber) -> tuple[Topic, Topic]:
    return socket_topic(socket.namespace, socket.id), everyone_topic(socket.namespace)
