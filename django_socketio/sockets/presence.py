"""The presence of people on channels: what sockets do becomes joins and leaves."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django_socketio import events
from django_socketio.channels.other_processes import grace_elsewhere
from django_socketio.channels.people import details_of, identity_of, person_of
from django_socketio.channels.presence import RETRY_AFTER, PresenceKeeper
from django_socketio.channels.watching import Watchers
from django_socketio.concurrency.failures import failures
from django_socketio.concurrency.mailbox import Mailbox, Pool
from django_socketio.events import noting
from django_socketio.events.handlers import Registration
from django_socketio.events.pipeline import UNHANDLED
from django_socketio.exceptions import ChannelError, RelayError
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.json import Default
from django_socketio.relay.roster import Change, Presence
from django_socketio.relay.topics import Topic, presence_topic
from django_socketio.sockets.server import SocketServer

logger = get_logger("django_socketio.relay")

MAY_BE_BACK = frozenset(
    {
        Reason.CLIENT_LEFT,
        Reason.TRANSPORT_CLOSE,
        Reason.TRANSPORT_ERROR,
        Reason.PING_TIMEOUT,
        Reason.PARSE_ERROR,
        Reason.SLOW_CLIENT,
        Reason.TOO_MANY_EVENTS,
        Reason.TOO_FAST,
    }
)
"""Reasons after which a client may be on its way back: a person leaves after a time of grace. After
all others, which a site may make up (``disconnect(reason=…)``), a person leaves at once."""


class PresenceService:
    """Notes who is on channels, by the sockets of a server (a ``Service``).

    Args:
        patterns: of the channels, in each namespace; those of handlers are added to them.
        grace: seconds after the end of a person's last socket for which the person is present.
        pool: runs what asks the relay.
        default: turns values of infos into ones that JSON knows.

    Attributes:
        keeper: has the people of this process.
        watchers: has the clients that are told.

    """

    keeper: PresenceKeeper
    watchers: Watchers

    def __init__(
        self,
        patterns: Sequence[re.Pattern[str]],
        grace: float,
        pool: Pool,
        default: Default | None = None,
    ) -> None:
        self._patterns = patterns
        self._grace = grace
        self._pool = pool
        self._default = default

    def start(self, server: SocketServer) -> None:
        """Begin to note people."""
        pool = self._pool
        rosters, timers, encode = server.relay.rosters, server.timers, server.encoder.event
        self._timers = timers
        self.keeper = PresenceKeeper(rosters, timers, pool, self._grace, self._announce)
        self.watchers = Watchers(server.relay, encode, timers)
        self._handlers = Mailbox(server.executor)
        self._losses = Mailbox(pool)
        self._pipeline = server.pipeline
        self._server = server
        server.channels.presence = self
        server.presence = self
        if self._patterns or any(noting.registrations()):
            self.keeper.begin()

    def stop(self) -> None:
        """Note nobody any more; who does not come back elsewhere is removed by others."""
        self.keeper.stop()

    def concerns(self, namespace: str, channel: str) -> bool:
        """Return whether people are noted on a channel."""
        return noting.is_noted(self._patterns, namespace, channel)

    # Sockets

    def admitted(self, socket: Any, channel: str) -> None:
        """Note that a socket is on a channel, or belongs to another person now."""
        if self.concerns(socket.namespace, channel):
            socket.lifecycle.obey(lambda lifecycle: self._join(channel, lifecycle))

    def moved_here(self, socket: Any, channels: Iterable[str]) -> None:
        """Note that a socket is on channels whose earlier process does not note it any more.

        At once, before any handler runs: its person would leave, and join again.
        """
        for channel in channels:
            if self.concerns(socket.namespace, channel):
                self._join(channel, socket.lifecycle)

    def _join(self, channel: str, lifecycle: Any) -> None:
        socket = lifecycle.socket
        if channel not in socket.subscriptions.names:
            return
        topic = presence_topic(socket.namespace, channel)
        identity = identity_of(socket.subscriptions.audiences, socket.id)
        details = ""
        if not self.keeper.has(topic, identity.id):
            details = self._details(identity.user_id, channel, lifecycle)
            if channel not in socket.subscriptions.names:
                return  # the socket has left meanwhile
        self.keeper.joined(topic, socket.id, identity.id, details, socket.is_away)

    def _details(self, user_id: str | None, channel: str, lifecycle: Any) -> str:
        info = None
        try:
            call, request = self._pipeline.presence_info, lifecycle.request
            info = call(request, lifecycle.socket, lifecycle.context, (channel,))
            return details_of(user_id, None if info is UNHANDLED else info, self._default)
        except failures() as error:
            errors = self._pipeline.failures
            errors.handler_failed(error, lifecycle.request, lifecycle.socket, lifecycle.context)
            return details_of(user_id, None, None)

    def left(self, socket: Any, channel: str) -> None:
        """Note that a living socket has left a channel: no grace, for it has not got lost."""
        topic = presence_topic(socket.namespace, channel)
        self.keeper.left(topic, socket.id, 0)
        self.watchers.remove(topic, socket)

    def ended(self, socket: Any, channels: Iterable[str]) -> None:
        """Note that a socket has ended, which was on channels."""
        grace = self._grace_after(socket.disconnect_reason)
        for channel in channels:
            topic = presence_topic(socket.namespace, channel)
            self.watchers.remove(topic, socket)
            self.keeper.left(topic, socket.id, grace)

    def _grace_after(self, reason: str) -> float:
        """Return for how long the person of a socket is present that has ended for a reason."""
        if reason == Reason.SHUTTING_DOWN and self._server.is_stopping:
            return grace_elsewhere(self._grace)  # the client comes back to another server
        return self._grace if reason in MAY_BE_BACK else 0

    def set_away(self, socket: Any, channels: Iterable[str], is_away: bool) -> None:
        """Note that a socket is away, and may come back; or that it is back."""
        for channel in channels:
            topic = presence_topic(socket.namespace, channel)
            self.keeper.set_away(topic, socket.id, is_away)

    def watched(self, socket: Any, channels: Iterable[str]) -> dict[str, str]:
        """Return the channels of which a socket is told who is there, and up to which positions."""
        topics = {channel: presence_topic(socket.namespace, channel) for channel in channels}
        told = {channel: self.watchers.told(topic, socket) for channel, topic in topics.items()}
        return {channel: position for channel, position in told.items() if position is not None}

    def watch(self, socket: Any, channel: str, since: Any) -> None:
        """Have a socket told who is on a channel; later, if the relay cannot be asked now.

        Raises:
            ChannelError: nobody is noted there.
            PositionError: the position has another form than positions have.

        """
        if not self.concerns(socket.namespace, channel):
            raise ChannelError(noting.NOT_NOTED.format(channel))
        topic = presence_topic(socket.namespace, channel)
        try:
            self.watchers.add(topic, socket, since)
        except RelayError as error:
            logger.warning("%r does not see who is on %s; trying again: %s", socket, channel, error)
            self._timers.after(RETRY_AFTER, lambda now: self.watch_soon(socket, channel, since))
        if channel not in socket.subscriptions.names:  # any more: people were read meanwhile
            self.watchers.remove(topic, socket)

    def watch_soon(self, socket: Any, channel: str, since: Any) -> None:
        """Have a socket told who is on a channel, once the relay can be asked."""
        self._losses.put(self._watch_again, socket, channel, since)

    def _watch_again(self, socket: Any, channel: str, since: Any) -> None:
        try:
            if channel in socket.subscriptions.names:
                self.watch(socket, channel, since)
        except ChannelError as error:
            logger.warning("%r does not see any more who is on %s: %s", socket, channel, error)

    def lost(self, topic: Topic) -> None:
        """Have the people on a channel read again: changes were lost."""
        self._losses.put(self._read_again, topic)

    def _read_again(self, topic: Topic) -> None:
        try:
            self.watchers.lost(topic)
        except RelayError as error:
            logger.warning("Who is on %s could not be read; trying again: %s", topic, error)
            self._timers.after(RETRY_AFTER, lambda now: self.lost(topic))

    # Handlers

    def _announce(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if change.before is Presence.GONE:
                self._handlers.put(self._tell, events.on_join.handlers, change)
            elif change.presence is Presence.GONE:
                self._handlers.put(self._tell, events.on_leave.handlers, change)

    def _tell(self, handlers: Iterable[Registration], change: Change) -> None:
        _, namespace, channel = change.topic
        for registration in handlers:
            if registration.concerns(namespace, (channel,)):
                try:
                    registration.call(channel, person_of(change))
                except failures() as error:
                    self._pipeline.failures.errors.log(
                        "A handler of the presence on %r failed", channel, error=error
                    )
