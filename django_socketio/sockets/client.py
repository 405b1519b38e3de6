"""The client of one session: decodes its packets and dispatches them by namespace."""

from collections.abc import Sequence
from typing import Any

from django_socketio import events
from django_socketio.concurrency.mailbox import Pool
from django_socketio.concurrency.share import Share
from django_socketio.concurrency.tallies import REFUSALS
from django_socketio.concurrency.timers import Timer
from django_socketio.exceptions import MisplacedAttachment, PositionError, ProtocolError
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.socketio.packets import Decoder, Packet, PacketType
from django_socketio.sockets import replies
from django_socketio.sockets.lifecycle import SocketLifecycle
from django_socketio.sockets.owner import LoginState
from django_socketio.sockets.recoverable import RecoverableSocket
from django_socketio.sockets.returning import make_lifecycle
from django_socketio.sockets.server import SocketServer
from django_socketio.transports.session import Session

CONNECT, EVENT = PacketType.CONNECT, PacketType.EVENT

MAX_SOCKETS = 100
"""Sockets of one client at the same time, those included whose last handler still runs."""


class Client:
    """One Engine.IO connection: decodes packets and dispatches them to the sockets by namespace.

    Attributes:
        login: the login that the client connected with.

    """

    __slots__ = (
        "_closed",
        "_connect_timer",
        "_decoder",
        "_displaced",
        "_left",
        "_lifecycles",
        "_request",
        "_server",
        "_session",
        "_share",
        "_size",
        "_unfinished",
        "login",
    )

    def __init__(
        self, server: SocketServer, session: Session, request: Any, login: LoginState
    ) -> None:
        self._server = server
        self._session = session
        self._request = request
        self._decoder = Decoder(server.limits.max_attachments)
        self._lifecycles: dict[str, SocketLifecycle] = {}
        self._displaced: frozenset[SocketLifecycle] = frozenset()
        """Those of sockets whose client has come back by a newer connection, until they end."""
        self._left: frozenset[str] = frozenset()
        self._unfinished = 1
        """The session, until it is closed, and the sockets whose last handler has not run."""
        self._size = 0
        """Bytes received of a packet that is not complete yet."""
        self._share: Share | None = None
        """Runs the handlers of sockets beyond the first ones; made when there are that many."""
        self._closed = False
        self.login = login
        login.client = self
        self._connect_timer: Timer | None = None
        self._wait_for_connect()

    def _wait_for_connect(self) -> None:
        """Start the connect timeout: the client has no socket in any namespace."""
        self._has_decided()
        timeout = self._server.limits.connect_timeout
        self._connect_timer = self._server.timers.after(timeout, self._check_connected)

    def _check_connected(self, now: float) -> None:
        self._connect_timer = None
        if not self._lifecycles:
            self._session.close(Reason.NEVER_CONNECTED)

    def received(self, data: str | bytes) -> None:
        """Take one message of the session.

        Raises:
            ProtocolError: the client must not send this packet, or not yet.

        """
        self._size += len(data)
        try:
            packet = self._decoder.feed(data)
        except MisplacedAttachment as error:
            return self._refuse(error)
        if packet is None:
            return
        size, self._size = self._size, 0
        lifecycle = self._lifecycles.get(packet.namespace)
        if packet.type is CONNECT:
            self._connect(packet)
        elif lifecycle is not None:
            self._dispatch(lifecycle, packet, size)
        elif packet.namespace not in self._left:
            name = f"{packet.namespace!r:.100}"
            raise ProtocolError(f"{packet.type.name} for {name} before its CONNECT")

    def _refuse(self, error: MisplacedAttachment) -> None:
        """Refuse an event or an ACK; the session stays open."""
        self._size = 0
        lifecycle = self._lifecycles.get(error.packet.namespace)
        if lifecycle is not None:
            replies.refuse_packet(lifecycle.socket, self._server.encoder, error.packet, str(error))
        elif error.packet.namespace not in self._left:
            raise error

    def _connect(self, packet: Packet) -> None:
        name = packet.namespace
        if self._unfinished > MAX_SOCKETS:
            raise ProtocolError(f"more than {MAX_SOCKETS} sockets on one session")
        if not events.has_namespace(name):
            REFUSALS.add("namespace")
            return self._refuse_connect(name, "Invalid namespace")
        try:
            lifecycle = make_lifecycle(
                self._server, self._session, self._request, packet, self, self._executor()
            )
        except PositionError as error:
            return self._refuse_connect(name, str(error))
        self._replace(name)
        self._lifecycles[name] = lifecycle
        self._unfinished += 1
        self._has_decided()
        lifecycle.connect()

    def _executor(self) -> Pool:
        """Return the executor for one more socket of this client.

        One client occupies at most half of all workers: a quarter by its first sockets, which have
        no limit of their own, and another quarter by all further sockets together. A quarter is at
        least one worker, so that of two or three workers, one client can occupy two.
        """
        executor, quarter = self._server.executor, max(1, self._server.limits.workers // 4)
        if self._unfinished <= quarter:
            return executor
        if self._share is None:
            self._share = Share(executor, quarter)
        return self._share

    def _refuse_connect(self, namespace: str, message: str) -> None:
        replies.refuse_connect(self._session, self._server.encoder, namespace, message)

    def _replace(self, name: str) -> None:
        """End the socket that is connected to a namespace, or about to be, if there is one.

        An official client that leaves before its CONNECT was answered sends no DISCONNECT, and
        another CONNECT when it comes back (React's StrictMode does both in one turn).
        """
        replaced = self._lifecycles.get(name)
        if replaced is not None:
            replaced.end(Reason.CLIENT_LEFT)

    def log_in(self, user: Any) -> None:
        """Have this user be logged in for all sockets of the client."""
        self.login.log_in(user)
        self.follow_user()

    def follow_user(self) -> None:
        """Have all sockets in the audiences of the user who is logged in now."""
        for lifecycle in [*self._lifecycles.values(), *self._displaced]:
            lifecycle.follow_user()

    def awaits(self, lifecycle: SocketLifecycle) -> bool:
        """Return whether the other side still waits for the answer to this CONNECT.

        A client that has left does not. A client that has sent another CONNECT would take this
        answer for the answer to the newer one.
        """
        newest = self._lifecycles.get(lifecycle.socket.namespace, lifecycle)
        return newest is lifecycle and lifecycle.socket.disconnect_reason != Reason.CLIENT_LEFT

    @property
    def is_asked(self) -> bool:
        """Whether anybody waits for an answer of the client, in any namespace."""
        return any(lifecycle.is_asked for lifecycle in self._lifecycles.values())

    def resume(self) -> None:
        """Resume the session, whichever socket has paused it."""
        for lifecycle in self._lifecycles.values():
            lifecycle.unpause()

    def _has_decided(self) -> None:
        timer, self._connect_timer = self._connect_timer, None
        if timer is not None:
            self._server.timers.cancel(timer)

    def finished(self) -> None:
        """Count the session, or a socket whose last handler has run, as finished."""
        self._unfinished -= 1
        if not self._unfinished:
            self.login.release()

    def _dispatch(self, lifecycle: SocketLifecycle, packet: Packet, size: int) -> None:
        if packet.type is EVENT:
            lifecycle.event(packet, size)
        elif packet.type is PacketType.ACK:
            lifecycle.ack(packet)
        elif packet.type is PacketType.DISCONNECT:
            lifecycle.end(Reason.CLIENT_LEFT)
        else:
            raise ProtocolError(f"a {packet.type.name} packet from the client")

    def displace(self, lifecycle: SocketLifecycle) -> None:
        """Dispatch no more packets to a socket: its client has come back by a newer connection.

        The socket may outlast this connection, but not the login.
        """
        self.forget(lifecycle)
        self._displaced |= {lifecycle}

    def forget(self, lifecycle: SocketLifecycle) -> None:
        """Dispatch no more packets to a socket that has left its namespace."""
        if self._displaced:
            self._displaced -= {lifecycle}
        if self._lifecycles.get(lifecycle.socket.namespace) is lifecycle:
            del self._lifecycles[lifecycle.socket.namespace]
            self._left |= {lifecycle.socket.namespace}
            if not self._lifecycles and not self._closed:
                self._wait_for_connect()

    def extra_received(self, count: int, size: int) -> None:
        """Ignore frames and packets that hold no message."""

    def upgraded(self, unfetched: Sequence[str | bytes]) -> None:
        """Note that the other side has all packets but these."""
        for lifecycle in self._lifecycles.values():
            if isinstance(lifecycle.socket, RecoverableSocket):
                lifecycle.socket.upgraded(unfetched)

    def closed(self, reason: str, error: ProtocolError | None) -> None:
        """End the sockets of all namespaces."""
        self._closed = True
        for lifecycle in list(self._lifecycles.values()):
            lifecycle.end(reason, error)
        if self.login.over or self._server.is_stopping:
            self._end_displaced(reason)
        if self._lifecycles or self._displaced:  # sockets that are away: they end with the login
            self.login.session = self
        self._request = None
        self._has_decided()
        self.finished()

    # The connection of the login of sockets that are away

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended."""
        return self._closed

    def close(self, reason: str) -> None:
        """End the sockets that are away, because the login has ended."""
        for lifecycle in list(self._lifecycles.values()):
            lifecycle.end(reason)
        self._end_displaced(reason)

    def _end_displaced(self, reason: str) -> None:
        for lifecycle in self._displaced:
            lifecycle.end(reason)
