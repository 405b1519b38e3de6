"""The POSTs of clients on long-polling: each carries packets of the client.

https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md
(section "HTTP long-polling")
"""

from collections.abc import Callable, Iterator

from django_socketio.concurrency.timers import clock
from django_socketio.concurrency.turns import Turns
from django_socketio.exceptions import MessageTooBig, ProtocolError
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.engineio.packets import Packet
from django_socketio.transports.http import ErrorCode, RequestError, session_over
from django_socketio.transports.polling import PollingTransport
from django_socketio.transports.session import Session

LONG = 0.001
"""Seconds after which a POST that is being handled lets the event loop turn."""


def receive_post(
    session: Session, polling: PollingTransport, read: Callable[[], Iterator[Packet]], turns: Turns
) -> None:
    """Read the packets of a POST, and take them. A POST that fails ends its session.

    Raises:
        RequestError: the POST is refused.
        OSError: its body has not come completely, or is badly chunked.

    """
    try:
        with polling.posting():
            _feed(session, read(), turns)
    except MessageTooBig as error:
        session.close(Reason.TRANSPORT_ERROR, error)
        raise RequestError(ErrorCode.BAD_REQUEST, str(error), 413) from None
    except ProtocolError as error:
        session.close(Reason.PARSE_ERROR, error)
        raise RequestError(ErrorCode.BAD_REQUEST, str(error)) from None
    except OSError:  # or packets would be missing in the middle of a stream
        session.close(Reason.TRANSPORT_ERROR)
        raise


def _feed(session: Session, packets: Iterator[Packet], turns: Turns) -> None:
    if session.is_over:  # while the body came
        raise session_over(session.protocol.reason)
    end = clock() + LONG
    for packet in packets:
        session.packet_received(packet)
        session.wait_until_read()
        if session.is_over:
            return
        if clock() >= end:
            turns.wait()
            end = clock() + LONG
