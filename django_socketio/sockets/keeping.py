"""The sockets of clients that keep positions, and present them when they come back."""

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

from django_socketio.channels.encoded_event import EncodedEvent
from django_socketio.channels.positions import Kept, name_of, place, position_text, take_kept
from django_socketio.channels.recovery import Past, Wanted
from django_socketio.concurrency.threads import forbid, running
from django_socketio.protocol.socketio.names import MISSED, POSITIONS
from django_socketio.protocol.socketio.packets import Packet
from django_socketio.relay.envelope import Delivery, StreamPosition
from django_socketio.relay.topics import Topic, TopicKind, channel_topic, everyone_topic
from django_socketio.sockets.copies import Copies
from django_socketio.sockets.life import Lifecycle
from django_socketio.sockets.server import SocketServer
from django_socketio.sockets.socket import Socket
from django_socketio.sockets.subscriptions import Ask
from django_socketio.transports.encoded import EncodedPacket
from django_socketio.transports.session import Session

AUDIENCES = 100
"""Positions that a client may bring besides those of its channels: of audiences, with groups."""


class KeepingSocket(Socket):
    """A socket whose client keeps the position of each topic. The arguments are as of ``Socket``.

    Args:
        kept: the positions that the client has brought with its CONNECT.

    """

    __slots__ = ("_kept",)

    def __init__(
        self,
        id: str,
        namespace: str,
        auth: dict[str, Any],
        *,
        server: SocketServer,
        session: Session,
        lifecycle: Lifecycle,
        kept: Kept,
    ) -> None:
        super().__init__(id, namespace, auth, server=server, session=session, lifecycle=lifecycle)
        self._kept = kept
        server.part(Copies)

    keeps_positions = tells_positions = True

    def wants(self, delivery: Delivery) -> bool:
        """Return whether a message of a log is for the client, which may be its sender."""
        return self._kept.wants(delivery) and super().wants(delivery)

    def began(self, positions: Mapping[Topic, StreamPosition | None]) -> None:
        """Tell the client after which positions the messages of topics come."""
        self._tell(POSITIONS, _texts(positions))

    def _tell(self, event: str, value: Any) -> None:
        self.deliver(self._encoder.event(self.namespace, event, (value,)))

    def deliver(self, encoded: EncodedPacket) -> bool:
        """Send a packet, an event with its place; see ``Socket.deliver``."""
        if encoded.__class__ is EncodedEvent:
            encoded = encoded.placed or place(encoded)
        if self._backlog is None and self.disconnect_reason is None:  # as for most
            return self._session.transport.send(encoded)
        return super().deliver(encoded)

    def open(self, audiences: tuple[Topic, ...] = (), ask: Ask | None = None) -> None:
        """Tell the client that it is connected, with the positions of its topics; send the missed.

        See ``Subscriptions.join_own`` for the arguments.
        """
        topics = (everyone_topic(self.namespace), *audiences)
        since = {topic: at for topic in topics if (at := self._kept.take(topic)) is not None}
        wanted = self.subscriptions.unasked(topic for topic in audiences if topic not in since)
        wanted.update((topic, Wanted(since[topic])) for topic in since)
        begin = self.subscriptions.join_own(audiences, ask, wanted)
        pasts = [self.subscriptions.past_of(*one) for one in wanted.items()]
        for past in pasts:
            # The places of the messages that follow lead on to the position of the topic.
            at = past.begin or since.get(past.topic) or begin.get(past.topic)
            begin[past.topic] = at if past.is_whole or past.topic not in since else past.position
        missed = [one.topic for one in pasts if one.topic in since and not one.is_whole]
        positions = _texts({topic: begin.get(topic) for topic in topics})
        self._answer_connect(
            {
                "sid": self.id,
                "positions": positions,
                "missed": [*map(name_of, missed)],
                "limit": _most_positions(self.subscriptions.max_channels),
            }
        )
        for past in pasts:
            self.subscriptions.replay(past, ask)

    def subscribe(self, channel: str) -> bool:
        """Put this socket on a channel, and send what the client has missed of it."""
        if running:
            forbid("socket.subscribe")
        if not self.subscriptions.join(channel, pending=True):
            return False
        topic = channel_topic(self.namespace, channel)
        since = self._kept.take(topic)
        if since is not None:
            self.subscriptions.begun(channel, self._kept.begun(topic) or since)
            self._catch_up(self.subscriptions.past_of(topic, Wanted(since)), since)
            return True
        begin, replay = self.subscriptions.begin, self.subscriptions.read_replay(channel)
        begin = (replay and replay.begin) or begin
        self.subscriptions.begun(channel, begin)
        self.began({topic: begin})
        self.subscriptions.admit(channel)
        return True

    def _catch_up(self, past: Past, since: StreamPosition) -> None:
        if not past.is_whole:  # first: a client that is cut off goes on from its new position
            self._tell(MISSED, name_of(past.topic))
        self.began({past.topic: past.begin or since if past.is_whole else past.position})
        self.subscriptions.replay(past)
        self.subscriptions.admitted(past.topic.name)

    def unsubscribe(self, channel: str) -> bool:
        """Take this socket off a channel; the client forgets its position."""
        if not super().unsubscribe(channel):
            return False
        self._tell(POSITIONS, {name_of(channel_topic(self.namespace, channel)): None})
        return True

    def left(self, channel: str) -> None:
        """Begin anew if the socket joins the channel again."""
        self._kept.take(channel_topic(self.namespace, channel))

    def missed(self, topic: Topic) -> None:
        """Tell the client that messages of a topic were lost; of those for this socket, nothing."""
        if topic.kind is not TopicKind.SOCKET:
            self._tell(MISSED, name_of(topic))


def make_socket(
    packet: Packet, server: SocketServer, session: Session, lifecycle: Lifecycle
) -> Socket:
    """Return the socket of a CONNECT.

    Raises:
        PositionError: the client brings positions in no form that a client may send.

    """
    auth, kept = take_kept(packet.data or {}, _most_positions(server.limits.max_channels))
    make = Socket if kept is None else partial(KeepingSocket, kept=kept)
    id = secrets.token_urlsafe(15)
    return make(id, packet.namespace, auth, server=server, session=session, lifecycle=lifecycle)


def _most_positions(max_channels: int) -> int:
    return max_channels + AUDIENCES


def _texts(positions: Mapping[Topic, StreamPosition | None]) -> dict[str, str]:
    return {name_of(topic): position_text(position) for topic, position in positions.items()}
