"""The replies to packets of clients: ACKs, and refusals of events and of CONNECTs."""

from typing import Any

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.events.subscribing import PERMISSION_DENIED
from django_socketio.logs import get_logger
from django_socketio.protocol.socketio.packets import Packet, PacketType
from django_socketio.sockets.encoder import Encoder
from django_socketio.sockets.socket import Socket
from django_socketio.transports.session import Session

logger = ClientLog(get_logger("django_socketio.sockets"))

INTERNAL_ERROR = "Internal error"
"""The error that clients receive if a handler failed."""

WRONG_ARGUMENTS = "Wrong number of arguments"
"""The error that clients receive if they sent other arguments than the handler takes."""


def acknowledge(socket: Socket, encoder: Encoder, id: int, args: list[Any]) -> None:
    """Answer an event of the client with an ACK.

    Raises:
        TypeError, ValueError: an argument cannot be written as JSON.

    """
    socket.deliver(encoder.packet(Packet(PacketType.ACK, socket.namespace, args, id)))


def refuse_packet(socket: Socket, encoder: Encoder, packet: Packet, problem: str) -> None:
    """Log that an EVENT or an ACK of the client is refused, and send the ACK of an EVENT."""
    if packet.type is PacketType.ACK:
        return logger.info("%r: answer %s refused: %s", socket, packet.id, problem)
    logger.info("%r: %.100r refused: %s", socket, packet.data[0], problem)
    if packet.id is not None:
        acknowledge(socket, encoder, packet.id, [{"error": problem}])


def refuse_connect(session: Session, encoder: Encoder, namespace: str, message: str) -> None:
    """Answer a CONNECT with a CONNECT_ERROR."""
    packet = Packet(PacketType.CONNECT_ERROR, namespace, {"message": message})
    session.send(encoder.packet(packet))


def refusal_text(refusal: Exception) -> str:
    """Return the text for the client of an exception by which a handler refuses."""
    return str(refusal) or PERMISSION_DENIED
