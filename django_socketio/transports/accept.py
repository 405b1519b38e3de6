"""Handshakes of WebSockets."""

from collections.abc import Callable, Sequence
from socket import socket
from typing import NamedTuple

from django_socketio.concurrency.timers import Timers
from django_socketio.concurrency.turns import turns_of_hub
from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.websocket import handshake as opening
from django_socketio.protocol.websocket.connection import WebSocketProtocol
from django_socketio.transports.deflating import DeflatingTransport
from django_socketio.transports.http import Answer, EngineRequest, ErrorCode, RequestError
from django_socketio.transports.limits import Limits
from django_socketio.transports.websocket import WebSocketTransport
from django_socketio.transports.write_batch import WriteBatch

Begin = Callable[[WebSocketTransport, bytes], None]
"""Called with an accepted connection, and the bytes that came after its handshake."""


class Kinds(NamedTuple):
    """The classes of a dialect's WebSockets."""

    plain: type[WebSocketTransport]
    deflating: type[DeflatingTransport] | None
    """Those with compressed messages; None where the dialect has none."""


KINDS = Kinds(WebSocketTransport, DeflatingTransport)


class Acceptor:
    """Accepts the WebSockets of an engine.

    Args:
        limits: the limits of clients.
        timers: calls connections at their deadlines.

    """

    def __init__(self, limits: Limits, timers: Timers) -> None:
        self._limits = limits
        self._timers = timers
        self.batch = WriteBatch()
        """Sends the bytes of its connections at the end of a turn."""
        self.turns = turns_of_hub()
        """Runs the later batches of connections that have received more than one."""

    def accept(
        self,
        engine_request: EngineRequest,
        begin: Begin,
        subprotocols: Sequence[str] | None = None,
        kinds: Kinds = KINDS,
    ) -> Answer:
        """Answer a WebSocket handshake; ``begin`` is called once the connection is ours.

        Args:
            engine_request: the handshake.
            begin: called with the connection.
            subprotocols: see ``protocol.websocket.handshake.accept``.
            kinds: the classes of the connection.

        Raises:
            RequestError: the request is not a handshake that can be accepted.

        """
        if engine_request.method != "GET":
            raise RequestError(ErrorCode.BAD_REQUEST, "Bad method: a WebSocket begins with GET")
        if engine_request.has_body:  # whose bytes would be taken for frames
            raise RequestError(ErrorCode.BAD_REQUEST, "a WebSocket begins without a body")
        request = engine_request.opening_request()
        try:
            headers = opening.accept(request, subprotocols)
            compression = self._agree_to_compression(request) if kinds.deflating else ()
        except ProtocolError as error:
            # Section 4.4: the answer names the supported version.
            spoken = ("Sec-WebSocket-Version", opening.VERSION)
            raise RequestError(ErrorCode.BAD_REQUEST, str(error), headers=(spoken,)) from None

        def hijack(sock: socket, head: bytes, received: bytes) -> None:
            begin(self._transport(kinds, sock, head, bool(compression)), received)

        return Answer(101, b"", (*headers, *compression), hijack)

    def _agree_to_compression(self, request: opening.Request) -> tuple[tuple[str, str], ...]:
        """Return the header field of an agreement, if the settings and the client want one.

        Raises:
            ProtocolError: the client's offer cannot be read.

        """
        if self._limits.compression_threshold is None:
            return ()
        agreed = opening.agree_to_compression(request.extensions)
        return () if agreed is None else (("Sec-WebSocket-Extensions", agreed),)

    def _transport(
        self, kinds: Kinds, sock: socket, head: bytes, compression: bool
    ) -> WebSocketTransport:
        limits, threshold = self._limits, self._limits.compression_threshold
        protocol = WebSocketProtocol(limits.max_message_size, compression)
        sending = limits.max_unsent_bytes, limits.send_timeout
        how = sock, head, protocol, self.batch, self.turns, self._timers, *sending
        if compression and threshold is not None and kinds.deflating is not None:
            return kinds.deflating(*how, threshold)
        return kinds.plain(*how)
