"""The client's side of one Engine.IO session: a long-polling client whose poll always waits."""

from collections.abc import Mapping
from typing import Any, Protocol, cast

from django.http import HttpResponse
from django.test import Client

from django_socketio.protocol import json
from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.socketio import packets as socketio
from django_socketio.protocol.socketio.packets import Decoder, Packet
from django_socketio.protocol.websocket.deflate import too_big
from django_socketio.server.endpoints import path_of_clients
from django_socketio.server.handshake import Handshake
from django_socketio.server.hijack import KEY
from django_socketio.server.opaque import Opaque
from django_socketio.testing.errors import Refused
from django_socketio.testing.server import InlineServer
from django_socketio.transports.engine import Engine
from django_socketio.transports.polling import PollingTransport
from django_socketio.transports.session import Session

PING, PONG, CLOSE = "2", "3", "1"

HINTS = {
    301: "Was the site redirected to HTTPS? SocketClient(secure=True) asks by HTTPS",
    302: "A middleware redirects anonymous visitors; SocketClient(user=…) logs in",
    403: "See SOCKETIO_ALLOWED_ORIGINS and SOCKETIO_LOGIN_REQUIRED; SocketClient(user=…) logs in",
    404: 'The URLconf needs path("", include("django_socketio.urls"))',
    429: "See SOCKETIO_ADDRESS_CONNECT_RATE",
}
"""Reasons for the statuses that refuse a handshake."""


class Receiver(Protocol):
    """The client's side of one socket."""

    @property
    def connected(self) -> bool:
        """Whether the socket is connected."""

    def packet_received(self, packet: Packet) -> None:
        """Take a packet of the server."""


class _Exchange:
    """Stands for the HTTP server's handler, in which the view finds its handshake."""

    def __init__(self, pending: Handshake) -> None:
        self.pending = pending


class Connection:
    """A session of a test's server, with the sockets of all namespaces on it.

    Args:
        server: the server of the test.
        http: sends the request of the handshake, with its cookies.
        headers: the header fields of the request.
        secure: whether the request comes by HTTPS.

    Attributes:
        receivers: the client's sockets, by namespace.
        is_frozen: whether pings are left unanswered.

    Raises:
        Refused: a middleware or the server has refused the handshake.

    """

    def __init__(
        self,
        server: InlineServer,
        http: Client,
        headers: Mapping[str, str] | None = None,
        secure: bool = False,
    ) -> None:
        self.server = server
        self.receivers: dict[str, Receiver] = {}
        self.is_frozen = False
        self._decoder = Decoder(server.sockets.limits.max_attachments)
        self._session = self._begin(http, headers, secure)
        self._polling = cast(PollingTransport, self._session.transport)
        self._polling.wake(self)

    def _begin(self, http: Client, headers: Mapping[str, str] | None, secure: bool) -> Session:
        engine = self.server.sockets.engine
        handshake = Handshake(self.server.sockets, None)
        environ: dict[str, Any] = {KEY: Opaque(_Exchange(handshake))}
        query = {"EIO": engineio.VERSION, "transport": "polling", "recovery": "0"}
        response: Any = http.get(
            path_of_clients(), query, secure=secure, headers=headers, **environ
        )
        answer = handshake.take(response.status_code)
        if answer is None or answer.on_send is None:
            raise _refusal(response)
        answer.on_send()
        return _session_of(engine, answer.body)

    @property
    def reason(self) -> str | None:
        """Why the session has ended; None while it lives."""
        return self._session.protocol.reason

    @property
    def is_used(self) -> bool:
        """Whether a socket is connected: a page closes a session on which none is."""
        return any(one.connected for one in self.receivers.values())

    # To the server

    def write(self, packet: Packet) -> None:
        """Send a packet to the server, which handles it at once or, if it is too large, hangs up.

        Raises:
            TypeError, ValueError: the data cannot be written as JSON.

        """
        contents = socketio.encode(packet)
        contents[0] = engineio.encode_message(contents[0])
        for content in contents:
            self._send(content)

    def _send(self, content: str | bytes) -> None:
        limit = self.server.sockets.limits.max_message_size
        if len(content.encode() if isinstance(content, str) else content) > limit:
            self._session.transport_closed(Reason.TRANSPORT_ERROR, too_big(limit))
        else:
            self._session.data_received(content)

    def leave(self) -> None:
        """Close the session, as a page does that leaves."""
        self._session.data_received(CLOSE)

    def drop(self) -> None:
        """Break the connection: the server is not told."""
        self._session.transport_closed(Reason.TRANSPORT_CLOSE, None)

    # From the server

    def set(self) -> None:
        """Take the packets that the server has for the client."""
        for content in self._polling.drain().contents:
            self._receive(content)

    def _receive(self, content: str | bytes) -> None:
        message = engineio.message_in(content)
        if message is not None:
            packet = self._decoder.feed(message)
            if packet is not None and packet.namespace in self.receivers:
                self.receivers[packet.namespace].packet_received(packet)
        elif content == PING and not self.is_frozen:
            self._session.data_received(PONG)


def _session_of(engine: Engine, body: bytes) -> Session:
    """Return the session that a handshake has begun, by the answer to the client."""
    sid: str = json.loads(body.decode()[1:])["sid"]
    return engine.sessions[sid]


def _refusal(response: HttpResponse) -> Refused:
    status = response.status_code
    body = response.content.decode(errors="replace")[:300]
    text = f"The handshake was answered with status {status}: {body or response.reason_phrase}"
    if status in HINTS:
        text = f"{text}. {HINTS[status]}"
    return Refused(text, status=status)
