"""Handing a socket over to another process, to which its client has come back.

The other process, the claimant, sends a claim to the topic of the socket. This process, the owner,
offers the socket after the jobs that wait in its mailbox, and goes on to keep all events meanwhile.
The claimant subscribes, reads what has come since the offer, and takes the socket, or leaves it.
Only one process has it at any time: before the owner has confirmed that it is taken, the claimant
runs no handlers; afterwards, the owner runs none.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from gevent.event import AsyncResult

from django_socketio.channels import commands
from django_socketio.channels.claims import answer_to
from django_socketio.concurrency import hub_log
from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.mailbox import Mailbox
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.protocol import json
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.relay.base import Reached
from django_socketio.sockets.away import SEARCH_TIMEOUT, TAKE_TIMEOUT
from django_socketio.sockets.leaving import Claim, LeavingLifecycle
from django_socketio.sockets.moving import Moved, as_json, pack_events

logger = ClientLog(get_logger("django_socketio.sockets"))


class OutsideClaim(Claim):
    """The claim of another process. The arguments travel in this order.

    Args:
        id: names the claim.
        reply_to: names the process.
        digest: of the secret that the client has presented, in hexadecimal.
        offset: of the last event that the client has had.
        identity: see ``LoginState.identity``.

    Attributes:
        until: when the claimant waits no longer for an offer.
        offer: the socket as it was offered; None before that.
        late: the events that the socket itself was sent after that.

    """

    __slots__ = ("id", "identity", "late", "offer", "offset", "reply_to", "until")

    def __init__(
        self, id: str, reply_to: str, digest: str, offset: str | None, identity: list[Any]
    ) -> None:
        super().__init__(bytes.fromhex(digest))
        self.id = id
        self.reply_to = reply_to
        self.offset = offset
        self.identity = identity
        self.until = 0.0
        self.offer: Moved | None = None
        self.late: tuple[str, list[bytes]] = "[]", []


_TYPES: tuple[Any, ...] = str, str, str, (str, type(None)), list
"""The types of the arguments of a claim; newer processes may add some."""


def _check_types(args: tuple[Any, ...]) -> None:
    """Raise TypeError unless these can be the arguments of a claim."""
    fits = [isinstance(arg, kind) for arg, kind in zip(args, _TYPES, strict=False)]
    if len(fits) < len(_TYPES) or not all(fits):
        raise TypeError(f"no arguments of a claim: {args!r:.100}")


class HandingLifecycle(LeavingLifecycle):
    """The lifecycle of a socket that other processes may take.

    The arguments are as of ``LeavingLifecycle``.
    """

    __slots__ = ("_outside",)

    _outside: OutsideClaim | None

    # In the event loop

    def claimed(self, command: str, args: tuple[Any, ...]) -> None:
        """Handle a command of a process to which the client has come back."""
        if command == commands.CLAIM:
            return self._claimed(args)
        claim = self._outside
        if claim is None or claim.offer is None or claim.is_over or claim.id != args[0]:
            return
        if command == commands.TAKE and self._is_as_offered(claim, claim.offer):
            self._be_taken(claim, claim.offer)
        else:
            claim.end(False)

    def _claimed(self, args: tuple[Any, ...]) -> None:
        try:
            _check_types(args)
            claim = OutsideClaim(*args[:5])
        except (TypeError, ValueError):
            return hub_log.say(logger.warning, "Ignored a claim of no known form: %.200r", args)
        if claim.digest != self._digest:  # it must not be in the way of the client's own
            Mailbox(self._server.executor).put(self._refuse_claim, claim)
            return
        claim.until = self._server.timers.clock() + SEARCH_TIMEOUT
        self._claim = claim
        self._mailbox.put(self._offer, claim)

    def _is_as_offered(self, claim: OutsideClaim, offer: Moved) -> bool:
        """Return whether nothing has happened to the socket that the claimant does not know of."""
        own = self._own
        return (
            self._can_be_given
            and not own.is_cut_off
            and not self._mailbox.waiting
            and own.can_resume(claim.offset)
            and own.subscriptions.names == offer.names
            and own.placed == {*offer.placed}
        )

    def _be_taken(self, claim: OutsideClaim, offer: Moved) -> None:
        """Run no handlers any more, and send nothing."""
        offered = {sent.offset for sent in offer.events}
        late = [sent for sent in self._own.kept if sent.offset not in offered]
        direct = [sent for sent in late if sent.source.delivery is None]
        events, attachments = pack_events(direct, self._server.timers.clock())
        claim.late = json.dumps(events), attachments
        self._settle_absence()
        self._accepted, self._is_given = False, True
        self.socket.end(Reason.TRANSPORT_CLOSE)
        self._client.forget(self)
        claim.end(True)

    # In a worker

    def _offer(self, claim: OutsideClaim) -> None:
        """Offer the socket, and wait until it is taken or left."""
        self._outside = claim
        try:
            offer = self._offer_to(claim)
            values = () if offer is None else self._pack(claim, offer)
            if self._answer(claim, *values) and values:
                self._server.executor.step_out(partial(claim.result.wait, TAKE_TIMEOUT))
        finally:
            is_taken = claim.result.ready() and claim.result.get()
            claim.is_over = True
            self._stay()
        if is_taken:
            self._answer(claim, *claim.late)
            self._let_go()
        elif claim.result.ready():
            self._answer(claim)

    def _refuse_claim(self, claim: OutsideClaim) -> None:
        self._answer(claim)

    def _pack(self, claim: OutsideClaim, offer: Moved) -> Sequence[Any]:
        claim.offer = offer
        return offer.pack(self._server.timers.clock())

    def _answer(self, claim: OutsideClaim, *values: Any) -> bool:
        """Answer a claimant; nothing for a refusal."""
        try:
            answer = answer_to(claim.reply_to, claim.id, *values)
            return int(self._server.channels.publish(answer)) > 0
        except RelayError as error:
            logger.info("%r was not offered to another process: %s", self.socket, error)
            return False

    def _offer_to(self, claim: OutsideClaim) -> Moved | None:
        """Return the socket as it is offered; None if the claimant does not get it."""
        if not self._may_have(claim):
            return None
        if not self._own.can_resume(claim.offset):
            self._own.cut_off(Reason.CLIENT_LEFT)  # the client is back, as another
            return None
        context = self._plain_context()
        if context is not None and not self._own.is_away:
            self._displace()
            context = self._plain_context()  # on_away may have changed it
        if context is None:
            return None
        reached = self._wait_for_reached()
        topics = self._own.subscriptions.topics
        is_known = all(topic in reached for topic in topics)
        return self._as_moved(context, reached) if topics and is_known else None

    def _plain_context(self) -> dict[str, Any] | None:
        """Return the context as JSON has it; None if the socket has to stay because of it."""
        context = as_json(self.context)
        if context is None:
            logger.warning(
                "%r cannot go to the process to which its client has come back: its context has "
                "values that are not plain JSON",
                self.socket,
            )
        return context

    def _may_have(self, claim: OutsideClaim) -> bool:
        return (
            self._is_good(claim)
            and self._server.timers.clock() < claim.until
            and self._client.login.allows(claim.identity)
        )

    def _wait_for_reached(self) -> Reached:
        """Return the positions of the socket's topics, once all up to them was delivered."""
        told: Any = AsyncResult()
        self._server.channels.tell_reached(self._own.subscriptions.topics, told.set)
        self._server.executor.step_out(partial(told.wait, TAKE_TIMEOUT))
        return told.get(block=False) if told.ready() else {}

    def _as_moved(self, context: dict[str, Any], reached: Reached) -> Moved:
        own = self._own
        return Moved(
            id=own.id,
            context=context,
            placed=tuple(own.placed),
            names=own.subscriptions.names,
            audiences=own.subscriptions.audiences,
            reached={topic: reached[topic] for topic in own.subscriptions.topics},
            watched=own.subscriptions.watched,
            last_ack=own.last_ack,
            proof=self._client.login.proof(),
            events=own.kept,
        )

    def _let_go(self) -> None:
        """Leave all topics: another process has the socket."""
        try:
            self.socket.finish()
        finally:
            self._server.open_sockets.discard(self)
            self._client.finished()
