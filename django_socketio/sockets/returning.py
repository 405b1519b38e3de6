"""The lifecycle of a socket whose client may come back, or has come back.

A client that comes back sends a new CONNECT, and so begins a new lifecycle. The new one takes the
socket and the context over from the old one, after the jobs that wait in the old mailbox.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django_socketio.channels.positions import KEY
from django_socketio.concurrency.failures import failures
from django_socketio.concurrency.mailbox import Pool
from django_socketio.concurrency.tallies import RECOVERIES
from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.socketio.packets import Packet
from django_socketio.relay.topics import Topic, channel_topic
from django_socketio.sockets.away import RECOVERABLE, Away, Ticket
from django_socketio.sockets.handing import HandingLifecycle
from django_socketio.sockets.leaving import CLAIM_TIMEOUT, LeavingLifecycle
from django_socketio.sockets.life import ENDED
from django_socketio.sockets.lifecycle import SocketLifecycle
from django_socketio.sockets.moving import Moved
from django_socketio.sockets.owner import LoginState, SocketOwner
from django_socketio.sockets.recoverable import RecoverableSocket
from django_socketio.sockets.replies import INTERNAL_ERROR, refusal_text
from django_socketio.sockets.server import SocketServer
from django_socketio.sockets.taking import Taking
from django_socketio.transports.engineio3 import OldSession
from django_socketio.transports.session import Session


class RecoverableLifecycle(HandingLifecycle):
    """The lifecycle of a recoverable socket. The arguments are as of ``LeavingLifecycle``."""

    __slots__ = ("_is_taking", "_noted", "_refused", "_user")

    def __init__(
        self,
        server: SocketServer,
        session: Session,
        request: Any,
        packet: Packet,
        client: SocketOwner,
        executor: Pool,
        away: Away,
    ) -> None:
        super().__init__(server, session, request, packet, client, executor, away)
        self._is_taking = False
        self._outside = None
        self._noted: tuple[str, ProtocolError | None] | None = None
        self._refused: frozenset[Topic] = frozenset()
        self._user: Any = None

    # In the event loop

    def end(self, reason: str, error: ProtocolError | None = None) -> None:
        """End the socket, or have it be away if its client may come back."""
        if not self._is_taking:
            super().end(reason, error)
        elif not self._is_given:
            self._note_end(reason, error)

    def _note_end(self, reason: str, error: ProtocolError | None) -> None:
        """Note an end that comes before the socket of an earlier connection is this one's."""
        if self._noted is None or self._noted[0] in RECOVERABLE:
            self._noted = reason, error
        if reason not in RECOVERABLE:
            self._client.forget(self)

    # In a worker

    def _connect(self) -> None:
        is_over = self._client.login.over or self.socket.disconnect_reason is not None
        if is_over or self._ticket is None or not self._recover(self._ticket):
            super()._connect()

    def _recover(self, ticket: Ticket) -> bool:
        """Take the socket of an earlier connection over; return whether that is done."""
        giver = self._away.find(ticket.digest)
        if giver is None:
            return self._find_elsewhere(ticket)
        if giver.socket.namespace != self.socket.namespace:
            return False
        if not self._continues(giver.login):
            return False
        if self._away.find(ticket.digest) is not giver:
            return False  # another connection has claimed it meanwhile
        if not giver.can_resume(ticket.offset):
            giver.socket.cut_off(Reason.CLIENT_LEFT)  # the client is back, as another
            return False
        return self._take(ticket, partial(self._take_from, giver))

    def _continues(self, earlier: LoginState) -> bool:
        """Return whether the client has the login of before; not where that cannot be read."""
        login, proof = self._client.login, earlier.proof()
        try:
            self._user = login.user_of(proof)
            return (self._user is not None or not proof) and login.continues(earlier)
        except self._server.refusals:
            return False
        except failures() as error:
            self._failed(error)
            return False

    def _find_elsewhere(self, ticket: Ticket) -> bool:
        """Take the socket over from another process; return whether that is done."""
        claims, id = self._away.claims, ticket.socket_id
        if claims is None or id is None:
            return False
        namespace, login = self.socket.namespace, self._client.login
        taking = Taking(claims, ticket, id, namespace, login, self._server)
        return self._take(ticket, partial(self._fetch, taking))

    def _take(self, ticket: Ticket, get: Callable[[bytes], object]) -> bool:
        """Go on with the socket that a function gets; return whether that is done.

        Args:
            get: called with the digest of the secret.

        """
        self._is_taking = True
        fresh = self._own
        get(ticket.digest)
        is_mine = self.socket is not fresh
        if is_mine and self._own.is_cut_off and self._noted is None:
            self._is_taking = False
            return self._drop(fresh)
        is_told = is_mine and self._noted is None and self._welcome(ticket)
        self._is_taking = False
        if self._noted is not None:
            self._end_as_noted(is_told, *self._noted)
            return True
        return is_mine and (self._resume(ticket) or self._drop(fresh))

    def _resume(self, ticket: Ticket) -> bool:
        return self._own.resume(ticket.pid, ticket.offset, self._refused)

    def _take_from(self, giver: LeavingLifecycle, digest: bytes) -> None:
        if self._wait_for(giver, digest):
            self._take_over(giver)

    def _fetch(self, taking: Taking, digest: bytes) -> None:
        """Have the socket and the context that another process has had."""
        self._be_found_by(digest)
        try:
            moved = taking.ask()
            if moved is not None and self._moves_in(taking, moved):
                return
        except failures() as error:
            self._failed(error)
        taking.leave()
        self._away.forget(digest, self)

    def _moves_in(self, taking: Taking, moved: Moved) -> bool:
        """Go on with a socket that another process offers; return whether that is done."""
        socket = self._new_socket(moved.id, self._own.auth)
        socket.lifecycle = ENDED  # its owner is told to end it, for example
        if not taking.follow(socket) or self._noted is not None or not taking.take():
            return False
        socket.lifecycle = self
        taking.settle(moved, socket)
        self.socket, self.context = socket, moved.context
        self._own.recovered = self._accepted = True
        socket.subscriptions.moved_here()
        RECOVERIES.add("socket")
        return True

    def _wait_for(self, giver: LeavingLifecycle, digest: bytes) -> bool:
        """Return whether the earlier lifecycle gives its socket, after its handlers."""
        self._be_found_by(digest)
        claim = giver.give(digest)
        self._server.executor.step_out(partial(claim.result.wait, CLAIM_TIMEOUT))
        if claim.is_over and claim.result.get(block=False):
            return True
        claim.is_over = True
        self._away.forget(digest, self)
        giver.be_found_again(digest)
        return False

    def _take_over(self, giver: LeavingLifecycle) -> None:
        """Have the socket and the context of an earlier lifecycle."""
        auth = self._own.auth
        self.socket, self.context = giver.socket, giver.context
        self._own.belong_to(self, self._session, auth)
        self._own.recovered = self._accepted = True
        RECOVERIES.add("socket")
        user, self._user = self._user, None
        if user is not None:  # not before: the client may get another socket instead
            self._client.login.log_in(user)
        for duty in giver.take_duties():
            self.owe(duty)
        giver.release()

    def _welcome(self, ticket: Ticket) -> bool:
        """Examine the rights of the client, and have ``on_return`` accept or refuse it.

        Returns whether ``on_return`` has run; not where it is unknown what the client has missed.
        """
        try:
            self._client.follow_user()  # who may be back for the sockets of other namespaces, too
            self._own.subscriptions.admit_audiences()
            self._refused = frozenset(self._take_off_refused())
            if not self._own.can_resume(ticket.offset):
                return False
            self._run(self._server.pipeline.comes_back)
        except self._server.refusals as refusal:
            self._refuse(refusal_text(refusal))
        except failures() as error:
            self._failed(error)
            self._refuse(INTERNAL_ERROR)
        return True

    def _take_off_refused(self) -> Iterator[Topic]:
        """Take the socket off the channels that its client may not have any more."""
        for channel in self._own.subscriptions.names:
            is_placed = channel in self._own.placed
            pipeline = self._server.pipeline
            if not self._admits(pipeline.stays if is_placed else pipeline.readmit, channel):
                self._take_off(channel)
                yield channel_topic(self.socket.namespace, channel)

    def _end_as_noted(self, is_told: bool, reason: str, error: ProtocolError | None) -> None:
        """End as a connection whose end has come while it took the socket over.

        Args:
            is_told: whether ``on_return`` has run, so that ``on_away`` has to run again.

        """
        if self._own.is_away and self._may_be_away(reason, error):
            self._leave(reason, is_told)
        else:
            self._end_now(reason, error)

    def _drop(self, fresh: RecoverableSocket) -> bool:
        """End the socket: what the client has missed is not known any more. Return False.

        The last handlers may wait: if the new connection ends meanwhile, the fresh socket does.
        """
        self._is_taking = True
        self.socket.end(Reason.TRANSPORT_CLOSE)
        self._run_last_handlers(None)
        self.socket.finish()
        self._away.forget(self._digest, self)
        self.socket, self.context, self._accepted = fresh, {}, False
        self._is_taking = False
        if self._noted is not None:
            self._end_now(*self._noted)
        return False


def make_lifecycle(
    server: SocketServer,
    session: Session,
    request: Any,
    packet: Packet,
    client: SocketOwner,
    executor: Pool,
) -> SocketLifecycle:
    """Return the lifecycle of a CONNECT. The arguments are as of ``SocketLifecycle``.

    A client that keeps positions needs no other recovery, and one of an older protocol knows none.

    Raises:
        PositionError: the client brings positions in no form that a client may send.

    """
    away = server.away
    if (
        away is None
        or not away.is_for(request.META.get("QUERY_STRING", ""))
        or (packet.data and KEY in packet.data)
        or isinstance(session, OldSession)
    ):
        return SocketLifecycle(server, session, request, packet, client, executor)
    return RecoverableLifecycle(server, session, request, packet, client, executor, away)
