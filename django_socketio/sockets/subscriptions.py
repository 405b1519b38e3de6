"""The channels that one socket is on, and the topics that every socket is on."""

from collections.abc import Callable, Collection, Iterable

from django_socketio.channels.backlogs import Arrival, Gate, Pending
from django_socketio.channels.names import check_channel
from django_socketio.channels.recovery import Past, Wanted
from django_socketio.channels.registry import Channels
from django_socketio.exceptions import ChannelError
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.topics import (
    Topic,
    TopicKind,
    channel_topic,
    everyone_topic,
    socket_topic,
)
from django_socketio.sockets.noted_subscriptions import NotedSubscriptions
from django_socketio.sockets.pasts import Pasts, Room
from django_socketio.sockets.subscriber import Subscriber

_NO_REPLAYS: dict[str, Past] = {}
_NONE_BEGUN: dict[str, StreamPosition | None] = {}

_GROUP = TopicKind.GROUP
_OF_LOGINS = (TopicKind.USER, _GROUP)
"""Topics whose messages are for those only who are still logged in."""

Ask = Callable[[Gate], object]
"""Has the login of a socket examined, for a gate that has got a message."""


class Subscriptions(NotedSubscriptions):
    """The channels of one socket.

    Args:
        socket: receives the messages.
        channels: the channels of this process.
        max_channels: how many channels the socket may be on.
        pasts: reads the past of topics.

    Attributes:
        names: the channels, in the order in which the socket joined them.
        audiences: the topics of the socket's user, Django session and groups.
        begin: the position after which the messages of the channel come that the socket has just
            joined; None if it is not known.
        asked: the channels that the client has asked for, until ``admit_asked``.
        max_channels: how many channels the socket may be on.
        room: bounds what the client gets of the past of several topics; None for one by itself.

    """

    __slots__ = (
        "_begun",
        "_channels",
        "_pasts",
        "_replays",
        "_socket",
        "asked",
        "audiences",
        "begin",
        "max_channels",
        "names",
        "room",
    )

    def __init__(
        self, socket: Subscriber, channels: Channels, max_channels: int, pasts: Pasts
    ) -> None:
        # The socket refers to its subscriptions: leave_all() breaks the cycle.
        self._socket: Subscriber | None = socket
        self._channels = channels
        self.max_channels = max_channels
        self._pasts = pasts
        self.names: tuple[str, ...] = ()
        self.audiences: tuple[Topic, ...] = ()
        self._replays: dict[str, Past] = _NO_REPLAYS
        self._begun = _NONE_BEGUN
        self.begin: StreamPosition | None = None
        self.asked: tuple[str, ...] = ()
        self.room: Room | None = None

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
            self.begin = self._channels.add(topic, self._socket, pending)
        except BaseException:
            self.leave(channel)
            raise
        if not pending:
            self.admitted(channel)
        return True

    def _check_number(self) -> None:
        if len(self.names) >= self.max_channels:
            raise ChannelError(
                f"the socket is on {self.max_channels} channels, which is the most that "
                "SOCKETIO_MAX_CHANNELS allows"
            )

    def admit(self, channel: str) -> None:
        """Deliver the buffered messages of a pending channel, and all later ones."""
        if self._socket is None:
            return
        if channel in self._replays:
            self.replay(self._replays.pop(channel))
        else:
            self._channels.admit(channel_topic(self._socket.namespace, channel), self._socket)
        self.admitted(channel)

    def admit_asked(self) -> None:
        """Admit the channels that the client has asked for, as far as it is on them now."""
        asked, self.asked, self.room = self.asked, (), None
        for channel in asked:
            if channel in self.names:  # it may be of any type
                self._begun.pop(channel, None)
                self.admit(channel)

    def read_replay(self, channel: str) -> Past | None:
        """Read what a new subscriber of a pending channel gets unasked, before it is admitted."""
        namespace = "/" if self._socket is None else self._socket.namespace
        for topic, wanted in self._pasts.unasked([channel_topic(namespace, channel)]).items():
            past = self.past_of(topic, wanted)
            if channel in self.names:  # it may have been left meanwhile
                self._replays = {**self._replays, channel: past}
        return self._replays.get(channel)

    def join_at_once(self, channel: str) -> bool:
        """Put the socket on a channel, after the messages that it gets unasked; see ``join``."""
        if not self._pasts.has_replays:
            return self.join(channel)
        if not self.join(channel, pending=True):
            return False
        self.read_replay(channel)
        self.admit(channel)
        return True

    def unasked(self, audiences: Iterable[Topic]) -> dict[Topic, Wanted]:
        """Return those audiences of which the socket gets messages without asking."""
        return self._pasts.unasked(audiences)

    def past(self, channel: str, wanted: Wanted) -> Past:
        """Return what the client wants of the past of a channel that it is on."""
        namespace = "/" if self._socket is None else self._socket.namespace
        topic = channel_topic(namespace, channel)
        begin = self._begun.get(channel)
        if begin is None:
            return self.past_of(topic, wanted)
        if wanted.since == begin:  # the handler's subscription has brought all that it lacks
            return Past(topic, None, True, tells_position=False)
        return self.past_of(topic, wanted).before(begin)

    def begun(self, channel: str, position: StreamPosition | None) -> None:
        """Note after which position a channel's messages come, which a handler has joined.

        A client that asks for the channel as well lacks those before only.
        """
        self._begun = {**self._begun, channel: position}

    def past_of(self, topic: Topic, wanted: Wanted, is_counted: bool = True) -> Past:
        """Return a part of the past of a topic, which the pending socket does not get again.

        For ``is_counted`` see ``Pasts.read``. The channels that an event of the client asks for
        share the room of one, and so do all topics until the CONNECT is answered.
        """
        socket = self._socket
        if socket is None:
            return Past(topic, None, False)
        if self.room is None and (self.asked or not socket.is_open):
            self.room = self._pasts.room()
        past = self._pasts.read(topic, wanted, socket.wants, is_counted, self.room)
        if past.overlap is not None:
            self._channels.skip(past.overlap, socket)
        return past

    def leave(self, channel: str) -> bool:
        """Take the socket off a channel; return False if it was not on the channel."""
        socket = self._socket
        if channel not in self.names or socket is None:
            return False
        self.names = tuple(name for name in self.names if name != channel)
        self._begun.pop(channel, None)
        self._replays.pop(channel, None)
        try:
            self._channels.remove(channel_topic(socket.namespace, channel), socket)
        finally:  # also after a timeout of the handler
            socket.left(channel)
            if self._channels.presence is not None:
                self._channels.presence.left(socket, channel)
        return True

    def join_own(
        self,
        audiences: tuple[Topic, ...] = (),
        ask: Ask | None = None,
        pending: Collection[Topic] = (),
    ) -> dict[Topic, StreamPosition | None]:
        """Receive messages for the socket's id, for its audiences and for all of its namespace.

        Returns the positions after which messages come, as far as they are known.

        Args:
            audiences: the topics of the socket's user, Django session and groups.
            ask: called when the first message for the user or a group comes, which is buffered
                until ``admit_audiences``; None where the user is known to be logged in.
            pending: those of all these topics whose messages are buffered until ``replay``.

        """
        if self._socket is None:
            return {}
        self.audiences = audiences
        topics: dict[Topic, Pending | None] = dict.fromkeys(_own_topics(self._socket))
        if audiences:
            topics.update(self._gated(audiences, ask))
        if pending:
            limit = self._channels.max_buffered_bytes
            topics.update((topic, Pending(limit)) for topic in pending)
        return self._channels.add_all(topics, self._socket)

    def replay(self, past: Past, ask: Ask | None = None) -> None:
        """Send what the socket has missed of a pending topic, then what is buffered, and go on.

        With ``ask``, for the user or a group, that waits until the login has been examined.
        """
        if self._socket is not None:
            gate = self._gated((past.topic,), ask)[past.topic]
            self._channels.replay(past.topic, self._socket, past.deliveries, gate)

    def _gated(self, topics: Iterable[Topic], ask: Ask | None) -> dict[Topic, Gate | None]:
        limit = self._channels.max_buffered_bytes
        return {
            topic: Gate(limit, ask) if ask is not None and topic.kind in _OF_LOGINS else None
            for topic in topics
        }

    # From one process to another

    @property
    def topics(self) -> tuple[Topic, ...]:
        """All topics that the socket is on; none once it has ended."""
        if self._socket is None:
            return ()
        namespace = self._socket.namespace
        channels = (channel_topic(namespace, name) for name in self.names)
        return (*_own_topics(self._socket), *self.audiences, *channels)

    def take_over(
        self, names: tuple[str, ...], audiences: tuple[Topic, ...]
    ) -> dict[Topic, StreamPosition | None]:
        """Be on the topics of a socket that another process has had; deliver nothing yet.

        Commands and calls that come wait as well. Returns the positions after which messages come,
        as far as they are known.
        """
        if self._socket is None:
            return {}
        self.names, self.audiences = names, audiences
        limit = self._channels.max_buffered_bytes
        gates: dict[Topic, Pending | None] = {one: Arrival(limit) for one in self.topics}
        return self._channels.add_all(gates, self._socket, is_known=True)

    def admit_audiences(self) -> None:
        """Deliver what was buffered for the socket's user and groups, and all later messages."""
        if self._socket is not None:
            for topic in self.audiences:
                self._channels.open_gate(topic, self._socket)

    def follow_groups(self, groups: Iterable[Topic], ask: Ask | None) -> None:
        """Have the socket on the topics of these groups, and of no others."""
        others = [one for one in self.audiences if one.kind is not _GROUP]
        self.follow((*others, *groups), ask)

    def follow(self, audiences: tuple[Topic, ...], ask: Ask | None) -> None:
        """Have the socket on the topics of these audiences, and of no others; see ``join_own``."""
        if self._socket is None:
            return
        left = [topic for topic in self.audiences if topic not in audiences]
        self.audiences = audiences
        self._channels.remove_from_all(left, self._socket)
        if (socket := self._socket) is None:
            return  # it has ended while the relay left the topics
        wanted = [topic for topic in audiences if topic in self.audiences]  # still
        joined = [topic for topic in wanted if not self._channels.has(topic, socket)]
        if joined:
            socket.began(self._channels.add_all(self._gated(joined, ask), socket))
        for channel in self.names:
            self.admitted(channel)  # as another person, maybe

    def leave_all(self) -> None:
        """Receive no more messages: the last thing that a socket does."""
        socket, self._socket = self._socket, None
        names, self.names = self.names, ()
        if socket is not None:
            topics = [channel_topic(socket.namespace, name) for name in names]
            own = (*_own_topics(socket), *self.audiences)
            self._channels.remove_from_all([*topics, *own], socket)
            if names and self._channels.presence is not None:
                self._channels.presence.ended(socket, names)


def _own_topics(socket: Subscriber) -> tuple[Topic, Topic]:
    return socket_topic(socket.namespace, socket.id), everyone_topic(socket.namespace)
