"""The object that handlers get: one client's connection to one namespace."""

from collections.abc import Mapping
from typing import Any

from gevent.event import AsyncResult

from django_socketio.channels.backlogs import Backlog
from django_socketio.concurrency.coroutines import refuse_coroutine
from django_socketio.concurrency.owned import end_of
from django_socketio.concurrency.threads import forbid, running
from django_socketio.events.interfaces import PublicSession
from django_socketio.exceptions import CallTimeout, RelayGap
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.socketio.names import check_event_name
from django_socketio.protocol.socketio.packets import Packet, PacketType
from django_socketio.relay.envelope import Delivery, StreamPosition
from django_socketio.relay.topics import Topic
from django_socketio.sockets.acks import Acks, Callback
from django_socketio.sockets.broadcasting import Broadcasting
from django_socketio.sockets.calls import CALL_TIMEOUT
from django_socketio.sockets.life import ENDED, Lifecycle
from django_socketio.sockets.server import SocketServer
from django_socketio.sockets.subscriptions import Ask, Subscriptions
from django_socketio.transports.encoded import EncodedPacket
from django_socketio.transports.session import Session


class Socket(Broadcasting):
    """One client's connection to one namespace.

    Args:
        id: its public id, the one that the client sees as ``socket.id``.
        namespace: the Socket.IO namespace that it is connected to.
        auth: what the client sent with its CONNECT.
        server: the server that it belongs to.
        session: what carries its packets.
        lifecycle: ends the socket and calls its handlers.

    """

    __slots__ = (
        "__weakref__",
        "_acks",
        "_backlog",
        "_encoder",
        "_server",
        "_session",
        "auth",
        "disconnect_reason",
        "event_channel",
        "id",
        "lifecycle",
        "namespace",
        "subscriptions",
    )

    is_away: bool = False
    recovered: bool = False  # see RecoverableSocket
    keeps_positions: bool = False
    """Whether the client may come back, to any process."""
    tells_positions: bool = False
    """Whether the client keeps positions of its topics: see ``KeepingSocket``."""

    def __init__(
        self,
        id: str,
        namespace: str,
        auth: dict[str, Any],
        *,
        server: SocketServer,
        session: Session,
        lifecycle: Lifecycle,
    ) -> None:
        self.id = id
        self.namespace = namespace
        limit = server.limits.max_channels
        self.subscriptions = Subscriptions(self, server.channels, limit, server.pasts)
        self.auth = auth
        self.disconnect_reason: str | None = None
        """Why it ended, in Socket.IO's words; None while it lives."""
        self.event_channel: str | None = None
        """The channel for which the client sent the event that is handled; None without one."""
        self._server = server
        self._session = session
        self._encoder = server.encoder
        self.lifecycle = lifecycle
        self._acks: Acks | None = None
        self._backlog: Backlog[EncodedPacket] | None = Backlog(server.limits.max_unsent_bytes)

    def __repr__(self) -> str:
        return f"<Socket {self.id} {self.namespace}>"

    @property
    def session(self) -> PublicSession:
        """Has the ``session_id``: what ``django_socketio.send`` takes, and the client's id."""
        return PublicSession(self.id)

    def wants(self, delivery: Delivery) -> bool:
        """Return whether a message of a log is for the client, which may be its sender."""
        return delivery.envelope.exclude != self.id

    def began(self, positions: Mapping[Topic, StreamPosition | None]) -> None:
        """Note nothing: the client keeps no positions."""

    def left(self, channel: str) -> None:
        """Note nothing: it is known of no channel how the socket has joined it."""

    @property
    def connected(self) -> bool:
        """Whether it lives."""
        return self.disconnect_reason is None

    @property
    def is_open(self) -> bool:
        """Whether the client was told that it is connected."""
        return self._backlog is None

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
        if running:
            forbid("socket.emit")
        check_event_name(event)
        if self.disconnect_reason is not None:
            return False
        if callback is None:
            return self.deliver(self._encoder.event(self.namespace, event, args))
        return self._ask(event, args, callback)

    def call(self, event: str, *args: Any, timeout: float | None = CALL_TIMEOUT) -> Any:
        """Send an event and wait for the client's answer, while other sockets go on.

        Returns its argument, a tuple where it has several, None where it has none. ``timeout`` is
        in seconds, None waits as long as the client is there.

        Raises:
            CallTimeout: no answer came in time, the client left, or more handlers wait for answers
                than ``SOCKETIO_MAX_WAITING_CALLS`` allows.
            EventError, TypeError, ValueError: as ``emit``.
            RuntimeError: a coroutine calls it.

        """
        if running:
            forbid("socket.call")
        check_event_name(event)
        refuse_coroutine("socket.call")
        if self.disconnect_reason is not None:
            raise CallTimeout(f"{event!r} cannot be answered: the client has left")
        if self._backlog is not None:
            raise CallTimeout(f"{event!r} cannot be answered before on_connect has returned")
        self._server.calls.check_number(event)
        answer: AsyncResult = AsyncResult()
        self._ask(event, args, answer)
        self.lifecycle.resume()
        try:
            return self._server.calls.wait(event, answer, timeout)
        finally:
            self.acks.forget(answer)

    def _ask(self, event: str, args: tuple[Any, ...], answer: Callback | AsyncResult) -> bool:
        id = self.acks.expect(answer)
        try:
            return self.deliver(self._encoder.event(self.namespace, event, args, id))
        except (TypeError, ValueError):
            self.acks.forget(answer)
            raise

    @property
    def acks(self) -> Acks:
        """The answers that this socket waits for."""
        if self._acks is None:
            self._acks = Acks()
        return self._acks

    def deliver(self, encoded: EncodedPacket) -> bool:
        """Send a packet, or queue it until the CONNECT is answered; False if that is impossible."""
        if self.disconnect_reason is not None:
            return False
        if self._backlog is None:
            return self._session.transport.send(encoded)
        if self._backlog.add(encoded):
            return True
        self.overflow()
        return False

    # Channels

    @property
    def channels(self) -> list[str]:
        """The channels that the socket is on, in the order in which it joined them."""
        return list(self.subscriptions.names)

    def subscribe(self, channel: str) -> bool:
        """Put this socket on a channel; return False if it was on it. Runs no handlers.

        Raises:
            ChannelError: the name is not allowed, or the socket is on too many channels.

        """
        if running:
            forbid("socket.subscribe")
        return self.subscriptions.join_at_once(channel)

    def unsubscribe(self, channel: str) -> bool:
        """Take this socket off a channel; return False if it was not on it. Runs no handlers."""
        if running:
            forbid("socket.unsubscribe")
        return self.subscriptions.leave(channel)

    # Life

    def login(self, user: Any) -> None:
        """Have ``request.user`` be this user from now on, in all namespaces of the client.

        The sockets of the client belong to the user's audiences, and end when the user is
        deactivated or deleted, or has another password. No Django session is begun.

        Raises:
            TypeError: the argument is not a saved user of ``AUTH_USER_MODEL``.
            PermissionDenied: the user may not log in.

        """
        if running:
            forbid("socket.login")
        self.lifecycle.log_in(user)

    def disconnect(self) -> None:
        """End the connection to this namespace; the client is told, and does not come back."""
        if running:
            forbid("socket.disconnect")
        self.cut_off(Reason.SERVER_LEFT)

    def cut_off(self, reason: str) -> None:
        """End the connection to this namespace for a reason; the client is told of the end."""
        if self.deliver(self._encoder.packet(Packet(PacketType.DISCONNECT, self.namespace))):
            self.lifecycle.end(reason)

    def open(self, audiences: tuple[Topic, ...] = (), ask: Ask | None = None) -> None:
        """Tell the client that it is connected, then send what was queued; be reachable by all.

        See ``Subscriptions.join_own`` for the arguments.
        """
        wanted = self.subscriptions.unasked(audiences)
        self.subscriptions.join_own(audiences, ask, wanted)
        pasts = [self.subscriptions.past_of(*one) for one in wanted.items()]
        self._answer_connect({"sid": self.id})
        for past in pasts:
            self.subscriptions.replay(past, ask)

    def _answer_connect(self, data: dict[str, Any]) -> None:
        if not self.lifecycle.is_answer_awaited:
            return  # the client has left, or connected again, while the relay was asked
        queued = [] if self._backlog is None else self._backlog.packets
        self._backlog = self.subscriptions.room = None
        packet = Packet(PacketType.CONNECT, self.namespace, data)
        self._session.send(self._encoder.packet(packet))
        for encoded in queued:
            self._session.send(encoded)

    def missed(self, topic: Topic) -> None:
        """Do nothing: the client keeps no positions."""

    def lost(self, channel: str) -> None:
        """Have ``on_error`` told that messages of a channel were lost."""
        self.lifecycle.report(RelayGap(channel))

    def overflow(self) -> None:
        """Cut the client off: too much waits for the end of ``on_connect`` or ``on_subscribe``."""
        self._session.close(Reason.SLOW_CLIENT)

    def end(self, reason: str) -> None:
        """Send nothing from here on, and wait for no answers; channels are still set."""
        self.disconnect_reason = reason
        if self._acks is not None:
            self._acks.cancel()

    def finish(self) -> None:
        """Leave all channels and release the lifecycle: the last thing that a socket does."""
        end_of(self)
        self.subscriptions.leave_all()
        self.lifecycle = ENDED
