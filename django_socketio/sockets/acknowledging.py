"""The answers to packets of clients: ACKs, and refusals of events and of CONNECTs."""

from typing import Any

from django_socketio.concurrency import hub_log
from django_socketio.logs import get_logger
from django_socketio.protocol.socketio.packets import Packet, PacketType
from django_socketio.sockets.encoder import Encoder
from django_socketio.sockets.socket import Socket
from django_socketio.transports.session import Session

logger = get_logger("django_socketio.sockets")

INTERNAL_ERROR = "Internal error"
"""The error that clients are told where a handler has failed."""

WRONG_ARGUMENTS = "Wrong number of arguments"
"""The error that clients are told where a handler takes other arguments than they sent."""


def acknowledge(socket: Socket, encoder: Encoder, id: int, args: list[Any]) -> None:
    """Answer an event of the client with an ACK.

    Raises:
        TypeError, ValueError: an argument cannot be written as JSON.

    """
    socket.deliver(encoder.packet(Packet(PacketType.ACK, socket.namespace, args, id)))


def refuse(socket: Socket, encoder: Encoder, packet: Packet, problem: str) -> None:
    """Refuse an event, and say so in its ACK, or an answer of the client, which then is none."""
    if packet.type is PacketType.ACK:
        return hub_log.info("%r: answer %s refused: %s", socket, packet.id, problem, to=logger)
    hub_log.info("%r: %.100r refused: %s", socket, packet.data[0], problem, to=logger)
    if packet.id is not None:
        acknowledge(socket, encoder, packet.id, [{"error": problem}])


def refuse_connect(session: Session, encoder: Encoder, namespace: str, message: str) -> None:
    """Answer a CONNECT with a CONNECT_ERROR."""
    packet = Packet(PacketType.CONNECT_ERROR, namespace, {"message": message})
    session.send(encoder.packet(packet))


def refusal_text(refusal: Exception) -> str:
    """Return the text that a client is told where a handler refuses."""
    return str(refusal) or "Permission denied"
