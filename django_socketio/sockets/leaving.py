"""The end of a connection whose client may come back, and what becomes of its socket meanwhile."""

import math
import secrets
from collections.abc import Callable
from typing import Any, cast

from gevent.event import AsyncResult

from django_socketio.concurrency.mailbox import Pool
from django_socketio.concurrency.timers import Timer
from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.http.addresses import network
from django_socketio.protocol.socketio.packets import Packet, PacketType
from django_socketio.sockets.away import (
    RECOVERABLE,
    Away,
    Ticket,
    digest_of,
    new_secret,
    take_ticket,
)
from django_socketio.sockets.lifecycle import SocketLifecycle
from django_socketio.sockets.owner import LoginState, SocketOwner
from django_socketio.sockets.recoverable import RecoverableSocket
from django_socketio.sockets.server import SocketServer
from django_socketio.sockets.socket import Socket
from django_socketio.transports.session import Session

CLAIM_TIMEOUT = 5.0
"""Seconds that a client waits for the handlers that still run for its earlier connection."""

PAGE_LEFT = 1001
"""The code of the close frame of a browser whose page is left (RFC 6455, 7.4.1)."""


Duty = tuple[Callable[[SocketLifecycle, Any], None], Any]
"""A method of a lifecycle, and its argument: a command of the site, or a loss to be told."""

NO_DUTIES: list[Duty] = []
"""Shared by all sockets with which nothing is to be done: a list of their own would cost memory."""


class Claim:
    """The wish of a new lifecycle for the socket of an old one.

    Args:
        digest: of the secret of the socket.

    Attributes:
        result: whether the socket was given, once that is known.
        is_over: whether nothing is to be given any more.

    """

    __slots__ = ("digest", "is_over", "result")

    def __init__(self, digest: bytes) -> None:
        self.digest = digest
        self.result: Any = AsyncResult()
        self.is_over = False

    def end(self, is_given: bool) -> None:
        """Tell whether the socket was given."""
        self.is_over = True
        self.result.set(is_given)


class LeavingLifecycle(SocketLifecycle):
    """The lifecycle of a recoverable socket, which outlasts its connection.

    The arguments are as of ``SocketLifecycle``.

    Args:
        away: the recoverable sockets of the process.

    """

    __slots__ = (
        "_away",
        "_claim",
        "_digest",
        "_duties",
        "_is_given",
        "_namespace",
        "_reason",
        "_ticket",
        "_timer",
    )

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
        self._away = away
        super().__init__(server, session, request, packet, client, executor)
        self._digest = b""
        self._duties = NO_DUTIES
        self._reason = ""
        self._timer: Timer | None = None
        self._claim: Claim | None = None
        self._is_given = False

    def _make_socket(self, packet: Packet) -> Socket:
        self._ticket: Ticket | None
        auth, self._ticket = take_ticket(packet.data or {})
        self._namespace = packet.namespace
        return self._new_socket(secrets.token_urlsafe(15), auth)

    def _new_socket(self, id: str, auth: dict[str, Any]) -> RecoverableSocket:
        return RecoverableSocket(
            id,
            self._namespace,
            auth,
            server=self._server,
            session=self._session,
            lifecycle=self,
            away=self._away,
        )

    @property
    def _own(self) -> RecoverableSocket:
        return cast(RecoverableSocket, self.socket)

    @property
    def holder(self) -> str:
        """The user that the socket is of, or the address (IPv6: network) of an anonymous one."""
        user = self._client.login.user_id
        if user is not None:
            return f"user {user}"
        return network(str(self.request.META.get("REMOTE_ADDR")))

    def _open(self) -> None:
        self._own.pid = new_secret(self.socket.id)
        if self.socket.connected:  # its end, which may have come meanwhile, forgets the secret
            self._be_found_by(digest_of(self._own.pid))
        super()._open()

    def _be_found_by(self, digest: bytes) -> None:
        self._digest = digest
        self._away.register(digest, self)

    # In the event loop

    def end(self, reason: str, error: ProtocolError | None = None) -> None:
        """End the socket, or have it be away if its client may come back."""
        if self._is_given:
            return
        if self._own.is_open and not self._own.is_away and self._may_be_away(reason, error):
            return self._leave(reason)
        self._end_now(reason, error)

    def _end_now(self, reason: str, error: ProtocolError | None) -> None:
        self._settle_absence()
        super().end(reason, error)

    def _may_be_away(self, reason: str, error: ProtocolError | None) -> bool:
        return (
            error is None
            and self._may_outlast(reason)
            and self.socket.disconnect_reason is None
            and not self._client.login.over
            and not self._own.is_cut_off
            and not self._has_left_page
            and self._away.admit(self)
        )

    def _may_outlast(self, reason: str) -> bool:
        """Return whether the client may come back after the end of its connection."""
        is_moving = reason == Reason.SHUTTING_DOWN and self._away.outlasts
        return is_moving or reason in RECOVERABLE

    @property
    def _has_left_page(self) -> bool:
        close = getattr(self._session.transport, "close_received", None)
        return close is not None and close[0] == PAGE_LEFT

    def _leave(self, reason: str, is_told: bool = True) -> None:
        self._own.leave()
        self._await_return(reason)
        if is_told:
            self._mailbox.put(self._run_away)

    def _await_return(self, reason: str) -> None:
        """Have the socket end for a reason, unless the client comes back in time."""
        self._reason = reason
        self._timer = self._server.timers.after(self._away.seconds, self._expire)

    def _expire(self, now: float) -> float | None:
        if self._claim is not None and not self._claim.is_over and now != math.inf:
            return now + CLAIM_TIMEOUT
        self._timer = None
        self.end(self._reason)
        return None

    def obey(self, command: Callable[[Any], object]) -> None:
        """Have a command called with this lifecycle, or with the one that has the socket then."""
        self.owe((SocketLifecycle._obey, command))

    def report(self, error: Exception) -> None:
        """Have the handlers of ``on_error`` called by the lifecycle that has the socket then."""
        self.owe((SocketLifecycle._report_loss, error))

    def owe(self, duty: Duty) -> None:
        """Do what the socket itself is owed, after the events that wait."""
        if self._duties is NO_DUTIES:
            self._duties = []
        self._duties.append(duty)
        self._mailbox.put(self._do_next_duty)

    def take_duties(self) -> list[Duty]:
        """Return what was not done before the socket was given, for the lifecycle that has it."""
        duties, self._duties = self._duties, NO_DUTIES
        return duties

    def _settle_absence(self) -> None:
        """Note that the socket is not away any more: it has ended, or is another lifecycle's."""
        timer, self._timer = self._timer, None
        if timer is not None:
            self._server.timers.cancel(timer)
        self._away.discard(self)
        self._away.forget(self._digest, self)

    # In a worker

    def _do_next_duty(self) -> None:
        if self._duties and not self._is_given:
            do, about = self._duties.pop(0)
            self._duties = self._duties or NO_DUTIES
            do(self, about)

    def _run_away(self) -> None:
        if self._accepted:
            self._guarded(self._server.pipeline.away)

    def give(self, digest: bytes) -> Claim:
        """Give the socket away after all jobs that wait in the mailbox.

        Args:
            digest: of the secret that the claimant has presented.

        """
        self._claim = Claim(digest)
        self._mailbox.put(self._give, self._claim)
        return self._claim

    def _give(self, claim: Claim) -> None:
        if self._is_good(claim) and not self._own.is_away:
            self._displace()
        if not self._is_good(claim):  # any more: on_away may have waited
            self._stay()
            return claim.end(False)
        self._settle_absence()
        self._accepted, self._is_given = False, True
        self._client.forget(self)
        self._server.open_sockets.discard(self)
        claim.end(True)

    def _is_good(self, claim: Claim) -> bool:
        return not claim.is_over and claim.digest == self._digest and self._can_be_given

    @property
    def _can_be_given(self) -> bool:
        is_alive = self._accepted and self.socket.disconnect_reason is None
        return is_alive and not self._is_given and not self._client.login.over

    def _displace(self) -> None:
        """End an older connection: its client has a newer one already.

        Until the socket is given, or ``_stay`` is called, nothing limits how long it is away.
        """
        goodbye = Packet(PacketType.DISCONNECT, self.socket.namespace)
        self._session.send(self._server.encoder.packet(goodbye))
        self._client.displace(self)
        self._own.leave()
        self._run_away()

    def _stay(self) -> None:
        """Stay away for the time after a broken connection, if ``_displace`` was in vain."""
        is_settled = self._is_given or self._timer is not None or not self.socket.connected
        if is_settled or not self._own.is_away:
            return
        if self._server.is_stopping:
            self._end_now(Reason.SHUTTING_DOWN, None)
        elif self._away.admit(self):
            self._await_return(Reason.TRANSPORT_CLOSE)
        else:
            self._end_now(Reason.TRANSPORT_CLOSE, None)

    def release(self) -> None:
        """Count the socket as finished for the earlier connection: another lifecycle has it."""
        self._client.finished()

    def be_found_again(self, digest: bytes) -> None:
        """Be found by a secret: the socket was not given to a claimant."""
        is_alive = self.socket.disconnect_reason is None and not self._is_given
        if is_alive and self._digest == digest and self._away.find(digest) is None:
            self._away.register(digest, self)

    def can_resume(self, offset: str | None) -> bool:
        """Return whether it is known what a client has missed, as far as the socket is open."""
        return not self._own.is_open or self._own.can_resume(offset)

    @property
    def login(self) -> LoginState:
        """The login of its client."""
        return self._client.login
