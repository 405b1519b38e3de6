"""One session's packets, taken to the clients of the namespaces that they name."""

from collections.abc import Callable
from typing import Any

from django_socketio import events
from django_socketio.exceptions import MisplacedAttachment, ProtocolError
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.socketio.packets import Decoder, Packet, PacketType
from django_socketio.sockets import acknowledging
from django_socketio.sockets.lifecycle import Client, Login
from django_socketio.sockets.services import Shared, refuse
from django_socketio.transports.session import Session

CONNECT, EVENT = PacketType.CONNECT, PacketType.EVENT

MAX_CLIENTS = 100
"""Of one session at the same time, in all its namespaces."""


class Connection:
    """One session: its packets, taken to the client of the namespace that they name.

    Attributes:
        when_over: called once the session is over and the last handler has run.

    """

    __slots__ = (
        "_clients",
        "_closed",
        "_decoder",
        "_left",
        "_namespaces",
        "_request",
        "_session",
        "_shared",
        "_size",
        "_stop_waiting",
        "login",
        "when_over",
    )

    def __init__(self, shared: Shared, session: Session, request: Any, login: Login) -> None:
        self._shared = shared
        self._session = session
        self._request = request
        self._decoder = Decoder(shared.limits.max_attachments)
        self._namespaces: dict[str, Client] = {}
        self._left: frozenset[str] = frozenset()
        self._clients = 0
        """Whose last handler has not run; a namespace may have been left and joined again."""
        self._size = 0
        """Bytes of the packet that is coming."""
        self._closed = False
        self.login = login
        self.when_over: Callable[[], object] | None = None
        self._stop_waiting: Callable[[], object] | None = None
        self._wait_for_connect()

    def _wait_for_connect(self) -> None:
        """Give the client, which is in no namespace, its time to send a CONNECT."""
        self._has_decided()
        self._stop_waiting = self._shared.connect_deadline(self._check_connected)

    def _check_connected(self, now: float) -> None:
        self._stop_waiting = None
        if not self._namespaces:
            self._session.close(Reason.NEVER_CONNECTED)

    def received(self, data: str | bytes) -> None:
        """Take a message of the client."""
        self._size += len(data)
        try:
            packet = self._decoder.feed(data)
        except MisplacedAttachment as error:
            return self._refuse(error)
        if packet is None:
            return
        size, self._size = self._size, 0
        client = self._namespaces.get(packet.namespace)
        if packet.type is CONNECT:
            self._connect(packet)
        elif client is not None:
            self._dispatch(client, packet, size)
        elif packet.namespace not in self._left:
            name = f"{packet.namespace!r:.100}"
            raise ProtocolError(f"{packet.type.name} for {name} before its CONNECT")

    def _refuse(self, error: MisplacedAttachment) -> None:
        """Refuse an event or an answer; the connection lives on."""
        self._size = 0
        client = self._namespaces.get(error.packet.namespace)
        if client is not None:
            acknowledging.refuse(client.socket, self._shared.codec, error.packet, str(error))
        elif error.packet.namespace not in self._left:
            raise error

    def _connect(self, packet: Packet) -> None:
        name = packet.namespace
        if self._clients >= MAX_CLIENTS:
            raise ProtocolError(f"more than {MAX_CLIENTS} sockets on one session")
        if not events.has_namespace(name):
            return refuse(self._session, self._shared.codec, name, "Invalid namespace")
        self._replace(name)
        client = Client(self._shared, self._session, self._request, packet, self)
        self._namespaces[name] = client
        self._clients += 1
        self._has_decided()
        client.connect()

    def _replace(self, name: str) -> None:
        """End the socket that is connected to a namespace, or about to be, if there is one.

        A client that leaves before its CONNECT was answered sends no DISCONNECT. Coming back at
        once, as React's StrictMode makes it, it sends another CONNECT.
        """
        replaced = self._namespaces.get(name)
        if replaced is not None:
            replaced.end(Reason.CLIENT_LEFT)

    def awaits(self, client: Client) -> bool:
        """Return whether the other side still waits for the answer to the CONNECT of a client.

        It may have left, or have sent another CONNECT, whose answer this one would pass for.
        """
        newest = self._namespaces.get(client.socket.namespace, client)
        return newest is client and client.socket.disconnect_reason != Reason.CLIENT_LEFT

    def _has_decided(self) -> None:
        stop_waiting, self._stop_waiting = self._stop_waiting, None
        if stop_waiting is not None:
            stop_waiting()

    def finished(self) -> None:
        """Take note that the last handler of a client has run."""
        self._clients -= 1
        self._check_over()

    def _check_over(self) -> None:
        if self._closed and not self._clients and self.when_over is not None:
            self.when_over()
            self.when_over = None

    def _dispatch(self, client: Client, packet: Packet, size: int) -> None:
        if packet.type is EVENT:
            client.event(packet, size)
        elif packet.type is PacketType.ACK:
            client.ack(packet)
        elif packet.type is PacketType.DISCONNECT:
            client.end(Reason.CLIENT_LEFT)
        else:
            raise ProtocolError(f"a {packet.type.name} packet from the client")

    def forget(self, client: Client) -> None:
        """Take no more packets to a client that has left its namespace."""
        if self._namespaces.get(client.socket.namespace) is client:
            del self._namespaces[client.socket.namespace]
            self._left |= {client.socket.namespace}
            if not self._namespaces and not self._closed:
                self._wait_for_connect()

    def moved(self) -> None:
        """Have the sockets send by the session's new transport."""
        for client in self._namespaces.values():
            client.socket.moved()

    def closed(self, reason: str, error: ProtocolError | None) -> None:
        """End the clients of all namespaces."""
        self._closed = True
        for client in list(self._namespaces.values()):
            client.end(reason, error)
        self._request = None
        self._has_decided()
        self._check_over()
