"""The object that handlers get: one client's connection to one namespace."""

from collections.abc import Callable
from typing import Any, NamedTuple

from gevent import Timeout
from gevent.event import AsyncResult

from django_socketio.acks import Acks, Callback
from django_socketio.channels import Channels
from django_socketio.codec import Codec
from django_socketio.exceptions import CallTimeout, ChannelError, EventError
from django_socketio.protocol.socketio import RESERVED_EVENTS, Packet, PacketType
from django_socketio.relay.base import Envelope, channel_topic, everyone_topic, socket_topic
from django_socketio.transports.outgoing import Outgoing
from django_socketio.transports.session import Session

MAX_CHANNEL_LENGTH = 200
"""Characters of a channel's name."""

CALL_TIMEOUT = 10.0
"""Seconds that ``socket.call`` waits, unless told otherwise."""


class PublicSession(NamedTuple):
    """What ``socket.session`` has shown since 0.3: the id that the client sees as ``socket.id``."""

    session_id: str


class Socket:
    """One client's connection to one namespace.

    Args:
        id: its public id, the one that the client sees as ``socket.id``.
        namespace: the Socket.IO namespace that it is connected to.
        auth: what the client sent with its CONNECT.
        session: what carries its packets.
        channels: the channels of this process.
        codec: what encodes its packets.
        max_channels: on how many channels it may be.
        leave: called with the socket when ``disconnect`` ends it.

    """

    __slots__ = (
        "__weakref__",
        "_acks",
        "_channels",
        "_codec",
        "_held",
        "_leave",
        "_max_channels",
        "_session",
        "auth",
        "channel_names",
        "disconnect_reason",
        "id",
        "namespace",
    )

    def __init__(
        self,
        id: str,
        namespace: str,
        auth: dict[str, Any],
        *,
        session: Session,
        channels: Channels,
        codec: Codec,
        max_channels: int,
        leave: Callable[["Socket"], None],
    ) -> None:
        self.id = id
        self.namespace = namespace
        self.auth = auth
        self.channel_names: tuple[str, ...] = ()
        self.disconnect_reason: str | None = None
        """Why it ended, in Socket.IO's words; None while it lives."""
        self._session = session
        self._channels = channels
        self._codec = codec
        self._max_channels = max_channels
        self._leave = leave
        self._acks: Acks | None = None
        self._held: list[Outgoing] | None = []

    def __repr__(self) -> str:
        return f"<Socket {self.id} {self.namespace}>"

    @property
    def session(self) -> PublicSession:
        """Has the ``session_id``: what ``django_socketio.send`` takes, and the client's id."""
        return PublicSession(self.id)

    @property
    def connected(self) -> bool:
        """Whether it lives."""
        return self.disconnect_reason is None

    @property
    def channels(self) -> list[str]:
        """The channels that it is on, in the order in which it came to them."""
        return list(self.channel_names)

    # Sending to this client

    def send(self, message: Any, event: str = "message") -> bool:
        """Send a message (any JSON value, or bytes) to this client; False if it has ended."""
        return self.emit(event, message)

    def emit(self, event: str, *args: Any, callback: Callback | None = None) -> bool:
        """Send an event with its arguments; False if the socket has ended.

        ``callback`` is called, in a worker, with the arguments of the client's answer.

        Raises:
            EventError: the name is none that clients can receive.
            TypeError, ValueError: an argument cannot be written as JSON.

        """
        check_event(event)
        if self.disconnect_reason is not None:
            return False
        id = None if callback is None else self.acks.expect(callback)
        return self.deliver(self._codec.event(self.namespace, event, args, id))

    def call(self, event: str, *args: Any, timeout: float | None = CALL_TIMEOUT) -> Any:
        """Send an event and wait for the client's answer, while other sockets go on.

        Returns its argument, a tuple where it has several, None where it has none. ``timeout`` is
        in seconds, None waits as long as the client is there.

        Raises:
            CallTimeout: no answer came in time, or the client left.
            EventError, TypeError, ValueError: as ``emit``.

        """
        check_event(event)
        if self.disconnect_reason is not None:
            raise CallTimeout(f"{event!r} cannot be answered: the client has left")
        answer: AsyncResult = AsyncResult()
        id = self.acks.expect(answer)
        self.deliver(self._codec.event(self.namespace, event, args, id))
        return self._wait(event, answer, timeout)

    def _wait(self, event: str, answer: AsyncResult, timeout: float | None) -> Any:
        try:
            args = answer.get(timeout=timeout)
        except Timeout:
            self.acks.forget(answer)
            raise CallTimeout(f"{event!r} was not answered within {timeout} s") from None
        return unpack(args)

    @property
    def acks(self) -> Acks:
        """The answers that this socket waits for."""
        if self._acks is None:
            self._acks = Acks()
        return self._acks

    def deliver(self, outgoing: Outgoing) -> bool:
        """Send what is encoded already; what comes before the CONNECT is answered is held back."""
        if self.disconnect_reason is not None:
            return False
        if self._held is not None:
            self._held.append(outgoing)
            return True
        return self._session.send(outgoing)

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
        self._publish(self._topics(channel), message, event, exclude=self.id)

    def send_and_broadcast(self, message: Any, event: str = "message") -> None:
        """Send a message to all sockets of the namespace, this one included.

        Raises:
            RelayError: the relay did not take it; nobody received it.

        """
        self._publish((everyone_topic(self.namespace),), message, event)
        if self._held is not None:
            self.send(message, event)

    def send_and_broadcast_channel(
        self, message: Any, channel: str | None = None, event: str = "message"
    ) -> None:
        """Send a message to all on a channel (or on this socket's channels), and to this socket.

        Raises:
            RelayError: the relay did not take it; nobody received it.

        """
        self._publish(self._topics(channel), message, event)
        if channel not in self.channel_names if channel is not None else not self.channel_names:
            self.send(message, event)

    def _topics(self, channel: str | None) -> tuple[str, ...]:
        names = self.channel_names if channel is None else (check_channel(channel),)
        return tuple(channel_topic(self.namespace, name) for name in names)

    def _publish(
        self, topics: tuple[str, ...], message: Any, event: str, exclude: str | None = None
    ) -> None:
        check_event(event)
        if topics:
            self._channels.publish(Envelope(topics, self.namespace, event, (message,), exclude))

    # Channels

    def subscribe(self, channel: str) -> bool:
        """Put this socket on a channel; False if it was on it. Runs no handlers.

        Raises:
            ChannelError: the name is not allowed, or the socket is on too many channels.

        """
        return self.join(channel, hold=False)

    def join(self, channel: str, hold: bool) -> bool:
        """Put this socket on a channel; ``hold`` its messages until ``admit``."""
        check_channel(channel)
        if channel in self.channel_names:
            return False
        if len(self.channel_names) >= self._max_channels:
            raise ChannelError(
                f"the socket is on {self._max_channels} channels, which is the most that "
                "SOCKETIO_MAX_CHANNELS allows"
            )
        self.channel_names += (channel,)
        self._channels.add(channel_topic(self.namespace, channel), self, hold)
        return True

    def admit(self, channel: str) -> None:
        """Deliver what was held back of a channel, and all that comes."""
        self._channels.accept(channel_topic(self.namespace, channel), self)

    def unsubscribe(self, channel: str) -> bool:
        """Take this socket off a channel; False if it was not on it. Runs no handlers."""
        if channel not in self.channel_names:
            return False
        self.channel_names = tuple(name for name in self.channel_names if name != channel)
        self._channels.remove(channel_topic(self.namespace, channel), self)
        return True

    # Life

    def disconnect(self) -> None:
        """End the connection to this namespace; the client is told, and does not come back."""
        if self.deliver(self._codec.packet(Packet(PacketType.DISCONNECT, self.namespace))):
            self._leave(self)

    def open(self) -> None:
        """Tell the client that it is connected, then what was held back; be reachable by all."""
        held, self._held = self._held or [], None
        packet = Packet(PacketType.CONNECT, self.namespace, {"sid": self.id})
        self._session.send(self._codec.packet(packet))
        for outgoing in held:
            self._session.send(outgoing)
        self._channels.add(socket_topic(self.namespace, self.id), self)
        self._channels.add(everyone_topic(self.namespace), self)

    def end(self, reason: str) -> None:
        """Send nothing from here on, and wait for no answers; channels are still set."""
        self.disconnect_reason = reason
        if self._acks is not None:
            self._acks.cancel()

    def close(self) -> None:
        """Leave all channels: the last thing that a socket does."""
        for channel in self.channel_names:
            self.unsubscribe(channel)
        self._channels.remove(socket_topic(self.namespace, self.id), self)
        self._channels.remove(everyone_topic(self.namespace), self)


def unpack(args: list[Any]) -> Any:
    """Return an answer's only argument, or a tuple of several, or None."""
    if len(args) == 1:
        return args[0]
    return tuple(args) or None


def check_event(event: str) -> None:
    """Check the name of an event that is to be sent.

    Raises:
        EventError: it is not a string, or reserved by Socket.IO.

    """
    if not isinstance(event, str) or event in RESERVED_EVENTS:
        raise EventError(f"expected an event's name that Socket.IO does not reserve; got {event!r}")


def check_channel(channel: str) -> str:
    """Return a channel's name.

    Raises:
        ChannelError: it is not a string of 1 to 200 characters without control characters.

    """
    if not isinstance(channel, str):
        raise ChannelError(f"a channel's name is a string; got {type(channel).__name__}")
    if not 0 < len(channel) <= MAX_CHANNEL_LENGTH:
        raise ChannelError(
            f"a channel's name has 1 to {MAX_CHANNEL_LENGTH} characters; got {len(channel)}"
        )
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in channel):
        raise ChannelError(f"a channel's name has no control characters; got {channel!r}")
    return channel
