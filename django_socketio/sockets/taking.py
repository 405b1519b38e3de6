"""Taking a socket over from the process that has it: its client has come back to this one."""

from typing import Any

from django_socketio.channels import commands
from django_socketio.channels.claims import Claims
from django_socketio.channels.offsets import Sent
from django_socketio.channels.overlap import Overlap
from django_socketio.channels.recovery import Past, Wanted
from django_socketio.concurrency.client_log import ClientLog
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.protocol import json
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.relay.envelope import StreamPosition, new_id
from django_socketio.relay.topics import Topic, socket_topic
from django_socketio.sockets.away import SEARCH_TIMEOUT, TAKE_TIMEOUT, Ticket
from django_socketio.sockets.moving import Moved, unpack, unpack_events
from django_socketio.sockets.owner import Identity, LoginState
from django_socketio.sockets.recoverable import RecoverableSocket
from django_socketio.sockets.server import SocketServer

logger = ClientLog(get_logger("django_socketio.sockets"))

MALFORMED = (KeyError, TypeError, ValueError, IndexError)
"""Errors of values that another process has sent in no known form."""


class Taking:
    """The way of one socket from the process that has it; see ``sockets/handing.py``.

    All methods are called in a worker.

    Args:
        claims: asks other processes.
        ticket: what the client has presented.
        socket_id: the id of the socket.
        namespace: of the socket.
        login: of the client.
        server: the server of this process.

    """

    def __init__(
        self,
        claims: Claims,
        ticket: Ticket,
        socket_id: str,
        namespace: str,
        login: LoginState,
        server: SocketServer,
    ) -> None:
        self._claims = claims
        self._ticket = ticket
        self._topic = socket_topic(namespace, socket_id)
        self._login = login
        self._channels, self._clock = server.channels, server.timers.clock
        self._id = new_id()
        self._moved: Moved | None = None
        self._pasts: list[Past] = []
        self._socket: RecoverableSocket | None = None
        self._late: list[Sent] = []
        self._user: Any = None

    def ask(self) -> Moved | None:
        """Return the socket as its owner offers it; None if no process does."""
        digest, offset = self._ticket.digest.hex(), self._ticket.offset
        identity = self._login.identity()
        args = digest, offset, identity
        answer = self._claims.ask(
            self._topic, commands.CLAIM, self._id, *args, timeout=SEARCH_TIMEOUT
        )
        if answer:
            self._moved = self._read(answer)
        if self._moved is not None and not self._has_still(identity, self._moved):
            return None
        return self._moved

    def _has_still(self, identity: Identity, moved: Moved) -> bool:
        """Return whether the client has the login that the owner knows of, if that has not ended.

        Another socket of the client may have logged in a user meanwhile, which ends nothing.
        """
        is_valid, now = self._login.verify(), self._login.identity()
        if self._login.over or (identity[1] and not now[1]):
            self._end()
            return False
        # A user of socket.login is logged in again, whoever the client was.
        return is_valid and (now[:1] == identity[:1] if moved.proof else now == identity)

    def _end(self) -> None:
        """Have the owner end the socket: the login, which is the same one, has ended."""
        self.leave()
        self._claims.send(self._topic, commands.DISCONNECT, Reason.SESSION_ENDED)

    def _read(self, answer: list[Any]) -> Moved | None:
        try:
            moved = unpack((answer[0], answer[1]), self._topic.namespace, self._clock())
            self._user = self._login.user_of(moved.proof)
        except MALFORMED as error:
            logger.warning("Ignored a socket of another process, in no known form: %r", error)
            return None
        return moved

    def follow(self, socket: RecoverableSocket) -> bool:
        """Have the socket on its topics, and read what has come since it was offered.

        Returns whether everything is known that the client has to get.
        """
        moved, self._socket = self._moved, socket
        if moved is None or (moved.proof and self._user is None):
            return False
        socket.settle_in(moved.placed, moved.last_ack)
        begin = socket.subscriptions.take_over(moved.names, moved.audiences)
        try:
            for topic, reached in moved.reached.items():
                past = self._past_since(reached, topic, begin.get(topic), socket)
                self._pasts.append(past)
                if not past.is_whole or past.has_commands:
                    return False
        except RelayError as error:
            logger.info("%r was not taken from another process: %s", socket, error)
            return False
        return True

    def _past_since(
        self,
        reached: StreamPosition | None,
        topic: Topic,
        begin: StreamPosition | None,
        socket: RecoverableSocket,
    ) -> Past:
        """Return what has come of a topic since the other process has delivered up to a position.

        Args:
            reached: the position; None if no message had come there.
            begin: the position after which messages come to this process, if it is known.

        Raises:
            RelayError: the relay cannot be asked.

        """
        if reached is None:
            now = self._channels.position(topic)
            reached = now and now._replace(offset=0)
        if reached is None:
            return Past(topic, None, True)
        if reached == begin:  # all that comes to this process comes after it, or is on its way yet
            self._channels.skip(Overlap(topic, reached), socket)
            return Past(topic, reached, True)
        return socket.subscriptions.past_of(topic, Wanted(reached), is_counted=False)

    def take(self) -> bool:
        """Take the socket; return whether its owner confirms that, and so has it no longer."""
        answer = self._claims.ask(self._topic, commands.TAKE, self._id, timeout=TAKE_TIMEOUT)
        self._late = [] if not answer else self._read_late(answer)
        return bool(answer)

    def settle(self, moved: Moved, socket: RecoverableSocket) -> None:
        """Have the socket keep for the client what has come, and get all messages that follow."""
        socket.keep([*moved.events, *self._late])
        for past in self._pasts:
            socket.subscriptions.replay(past)
        socket.subscriptions.go_on_watching(moved.watched)
        if self._user is not None:
            self._login.log_in(self._user)

    def _read_late(self, answer: list[Any]) -> list[Sent]:
        try:
            packed, attachments = json.loads(answer[0]), answer[1]
            return unpack_events(packed, attachments, self._topic.namespace, self._clock())
        except MALFORMED as error:
            logger.warning("Ignored events of another process, in no known form: %r", error)
            return []

    def leave(self) -> None:
        """Leave the socket to its owner."""
        if self._socket is not None:
            self._socket.abandon()
        if self._moved is not None:
            self._moved = None
            self._claims.send(self._topic, commands.KEEP, self._id)
