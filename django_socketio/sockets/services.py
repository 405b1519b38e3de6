"""What all clients of a process share, and how they are refused."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django_socketio.channels.registry import Channels
from django_socketio.concurrency.wait_set import WaitSet
from django_socketio.concurrency.workers import Workers
from django_socketio.events.pipeline import Pipeline
from django_socketio.protocol.socketio.packets import Packet, PacketType
from django_socketio.sockets.calls import Calls
from django_socketio.sockets.encoder import Encoder
from django_socketio.transports.limits import Limits
from django_socketio.transports.session import Session

INTERNAL_ERROR = "Internal error"
"""What clients learn of an exception in a handler."""

WRONG_ARGUMENTS = "Wrong number of arguments"
"""What clients learn if an event has other arguments than its handler takes."""


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
    pipeline: Pipeline
    refusals: type[Exception]
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
