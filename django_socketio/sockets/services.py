"""What all clients of a process share, and how they are refused."""

from asyncio import CancelledError
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django_socketio import events
from django_socketio.channels.registry import Channels
from django_socketio.concurrency import workers
from django_socketio.concurrency.repeated import RepeatedErrors
from django_socketio.concurrency.wait_set import WaitSet
from django_socketio.concurrency.workers import Workers
from django_socketio.events.unhandled import log_for_debugging
from django_socketio.protocol.socketio.packets import Packet, PacketType
from django_socketio.sockets.calls import Calls
from django_socketio.sockets.encoder import Encoder
from django_socketio.transports.limits import Limits
from django_socketio.transports.session import Session

LogMessage = Callable[[Any, str, Any], None]
"""Logs what a client sent: its request, the kind (message, subscribe, …), the content."""

FAILURES = (*workers.FAILURES, CancelledError)
"""Exceptions of handlers that harm no other one."""

INTERNAL_ERROR = "Internal error"
"""What clients learn of an exception in a handler."""

WRONG_ARGUMENTS = "Wrong number of arguments"
"""What clients learn if an event has other arguments than its handler takes."""


class Sends(Protocol):
    """What calls the handlers of an event."""

    def send(
        self,
        channels: tuple[str, ...],
        request: Any,
        socket: Any,
        context: dict[str, Any],
        args: tuple[Any, ...],
    ) -> Any:
        """Call those that an event on some channels concerns; return the first answer.

        Returns ``UNHANDLED`` if it concerns none.
        """


def _leave(request: Any, error: BaseException | None) -> None:
    """Do nothing after a handler."""


def _no_deadline(check: Callable[[float], None]) -> Callable[[], object]:
    """Never have it checked whether a client has sent a CONNECT."""
    return _nothing


def _nothing() -> None:
    """Have nothing to cancel."""


@dataclass(slots=True)
class Shared:
    """What all clients of a process share.

    ``refusals`` is the exception by which a handler says no; its text is for the client.
    """

    channels: Channels
    encoder: Encoder
    workers: Workers
    calls: Calls
    limits: Limits
    errors: RepeatedErrors
    refusals: type[Exception]
    log_message: LogMessage | None
    settle: Callable[[Any, BaseException | None], None] = _leave
    """Tidies up after a handler: gets its request, and what it raised."""

    touched: Mapping[Any, Any] = field(default_factory=dict)
    """Requests that must be settled after their handler; all others need not be."""

    on_subscribe: Sends = events.on_subscribe.handlers
    """Calls the handlers of ``on_subscribe``, or refuses before them."""

    unhandled: Callable[[Any, str], None] = log_for_debugging
    """Hears of an event that no handler takes: its socket and its name."""

    connect_deadline: Callable[[Callable[[float], None]], Callable[[], object]] = _no_deadline
    """Has its argument called once a client's time to CONNECT is over; returns what cancels it."""

    open_sockets: WaitSet[Any] = field(default_factory=WaitSet)
    """The clients whose last handler has not run yet."""


def refusal_text(refusal: Exception) -> str:
    """Return what the client is told when a handler says no."""
    return str(refusal) or "Permission denied"


def refuse(session: Session, encoder: Encoder, namespace: str, message: str) -> None:
    """Answer a CONNECT with a CONNECT_ERROR."""
    packet = Packet(PacketType.CONNECT_ERROR, namespace, {"message": message})
    session.send(encoder.packet(packet))
