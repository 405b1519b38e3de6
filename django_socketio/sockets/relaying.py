"""Clients whose client events are relayed in the event loop, without a worker."""

from typing import Any

from django_socketio.concurrency.failures import failures
from django_socketio.events.client_events import ClientEvents, Rule
from django_socketio.protocol.socketio.packets import Packet, PacketType
from django_socketio.relay.topics import channel_topic
from django_socketio.sockets.client import Client
from django_socketio.sockets.lifecycle import SocketLifecycle
from django_socketio.sockets.owner import LoginState
from django_socketio.sockets.replies import INTERNAL_ERROR, acknowledge
from django_socketio.sockets.server import SocketServer
from django_socketio.transports.session import Session

CHANNEL = "channel"
"""The event by which a client names the channel of another event."""

AT_ONCE = 100
"""Members of a channel up to which an event is relayed in the event loop. An event for more of them
waits in the mailbox, so that others have their turn between two of them."""


class RelayingClient(Client):
    """A client of a site with client events.

    A client event goes to the other members at once if nothing of the socket waits before it and
    the relay does not wait for a network. Otherwise it goes through the mailbox, as all events do.

    Args:
        server, session, request, login: as of ``Client``.
        client_events: the events that the site admits.

    """

    __slots__ = ("_client_events",)

    def __init__(
        self,
        server: SocketServer,
        session: Session,
        request: Any,
        login: LoginState,
        client_events: ClientEvents,
    ) -> None:
        super().__init__(server, session, request, login)
        self._client_events = client_events

    def _dispatch(self, lifecycle: SocketLifecycle, packet: Packet, size: int) -> None:
        data = packet.data
        if packet.type is PacketType.EVENT and data[0] == CHANNEL and len(data) > 2:
            rule = self._rule_of(lifecycle, data[1], data[2])
            if rule is not None:
                return self._relay(lifecycle, packet, rule)
        super()._dispatch(lifecycle, packet, size)

    def _rule_of(self, lifecycle: SocketLifecycle, channel: Any, name: Any) -> Rule | None:
        """Return the rule by which an event can be relayed now; None for all other events."""
        if not self._client_events.may_be_at_once(name) or not lifecycle.is_idle:
            return None
        is_valid = self.login.is_verified and not self.login.over
        if not is_valid or channel not in lifecycle.socket.subscriptions.names:
            return None
        topic, channels = channel_topic(lifecycle.namespace, channel), self._server.channels
        is_small = channels.publishes_at_once and channels.count(topic) <= AT_ONCE
        return self._client_events.find(name, channel) if is_small else None

    def _relay(self, lifecycle: SocketLifecycle, packet: Packet, rule: Rule) -> None:
        _, channel, name, *args = packet.data
        answer: Any = None
        try:
            lifecycle.relay(name, tuple(args), channel, rule.tells_sender)
        except failures() as error:
            lifecycle.fail(error)
            answer = {"error": INTERNAL_ERROR}
        if packet.id is not None:
            acknowledge(lifecycle.socket, self._server.encoder, packet.id, [answer])
