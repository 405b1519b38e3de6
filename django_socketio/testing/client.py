"""The client of a test: a socket without a server, in the thread and transaction of the test."""

from collections.abc import Mapping
from copy import deepcopy
from itertools import count
from typing import Any, Self

from django.test import Client

from django_socketio.channels.people import Person
from django_socketio.events.interfaces import Socket
from django_socketio.events.unhandled import explanation
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.socketio.names import PRESENCE, check_event_name, check_namespace
from django_socketio.protocol.socketio.packets import Packet, PacketType
from django_socketio.sockets.acks import pack, unpack
from django_socketio.testing import browser
from django_socketio.testing.connection import Connection
from django_socketio.testing.errors import Refused, Unanswered
from django_socketio.testing.manager import Manager
from django_socketio.testing.page import Page
from django_socketio.testing.received import Inbox, Received
from django_socketio.testing.sender import ChannelSender
from django_socketio.testing.server import InlineServer

NO_ANSWER: Any = object()
"""For ``SocketClient.answer``: the client leaves the event unanswered."""


NEVER_CONNECTED = "not connected yet"


class SocketClient(Inbox):
    """A client's socket, connected to a server in the thread of the test.

    The handshake is a request to the site: middleware, sessions and the rule for origins apply.
    Handlers run in the test's thread, with its database connection and within its transaction.

    Args:
        user: the user who is logged in; None for an anonymous visitor.
        session: values to put into the Django session of the browser.
        headers: header fields of the handshake.
        namespace: the Socket.IO namespace of the socket.
        http: a test client of Django's whose cookies the socket uses, as two tabs of a browser
            share them; by default the socket has a browser of its own.
        secure: whether the request comes by HTTPS.
        raise_exceptions: whether an exception of a handler is raised in the test. The log, the
            client and ``on_error`` are told in any case.

    Attributes:
        http: the test client of Django's that has made the handshake.
        namespace: the namespace of the socket.
        received: the events that the socket has received, oldest first.
        id: the public id of the socket; None before it has connected.
        auth: the data of the last CONNECT.

    """

    def __init__(
        self,
        user: Any = None,
        session: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        namespace: str = "/",
        http: Client | None = None,
        secure: bool = False,
        raise_exceptions: bool = True,
    ) -> None:
        super().__init__()
        self.http = Client() if http is None else http
        self.namespace = check_namespace(namespace)
        self.id: str | None = None
        self.auth: Mapping[str, Any] | None = None
        self._manager = Manager(self.http, headers, secure)
        self._raises = raise_exceptions
        self._connection: Connection | None = None
        self._end: str | None = NEVER_CONNECTED
        self._refusal: Any = None
        self._ids = count()
        self._acks: dict[int, list[Any]] = {}
        self._answers: dict[str, Any] = {}
        self._page = Page()
        browser.prepare(self.http, user, session)

    def __repr__(self) -> str:
        return f"<SocketClient {self.namespace} {self.disconnect_reason or self.id}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Return a text for another process: a parallel test runner sends test cases that fail."""
        return str, (repr(self),)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy: each test gets one of a client that ``setUpTestData`` has made."""
        memo[id(self)] = copied = object.__new__(type(self))
        copied.__dict__.update(deepcopy(self.__dict__, memo))
        return copied

    def of(self, namespace: str) -> "SocketClient":
        """Return another socket, for another namespace on the same connection."""
        other = SocketClient(namespace=namespace, http=self.http, raise_exceptions=self._raises)
        other._manager = self._manager
        return other

    # The connection

    @property
    def connected(self) -> bool:
        """Whether the socket is connected."""
        return self.disconnect_reason is None

    @property
    def disconnect_reason(self) -> str | None:
        """Why the socket is not connected; None while it is."""
        if self._end is None and self._connection is not None:
            return self._connection.reason
        return self._end

    def connect(self, auth: Mapping[str, Any] | None = None) -> Self:
        """Connect, and return this client.

        Args:
            auth: what handlers get as ``socket.auth``.

        Raises:
            Refused: a middleware, the server or ``on_connect`` has refused the client.

        """
        if self.connected:
            raise RuntimeError(f"{self!r} is connected already")
        self._end, self._refusal = NEVER_CONNECTED, None
        self.auth, self._page = auth, Page()
        connection = self._connection = self._manager.open()
        connection.receivers[self.namespace] = self
        try:
            connection.write(Packet(PacketType.CONNECT, self.namespace, auth and dict(auth)))
            self._settle(connection.server)
        finally:
            if not self.connected:
                self._refusal = self._refusal or {"message": connection.reason or self._end}
                self._forget(connection)
        if not self.connected:
            raise Refused(self._refusal["message"], self._refusal)
        return self

    def _forget(self, connection: Connection) -> None:
        """Close the session, unless sockets of other namespaces are on it."""
        connection.receivers.pop(self.namespace, None)
        if not connection.receivers:
            connection.leave()

    def disconnect(self) -> None:
        """Leave the namespace, as a page does."""
        connection = self._connected()
        connection.write(Packet(PacketType.DISCONNECT, self.namespace))
        self._end = Reason.CLIENT_LEFT
        self._forget(connection)
        self._settle(connection.server)

    def drop(self) -> None:
        """Break the connection without a goodbye: the sockets of all its namespaces end."""
        connection = self._connected()
        connection.drop()
        self._settle(connection.server)

    def freeze(self) -> None:
        """Answer no pings from now on, as a sleeping laptop; ``advance`` lets the time pass."""
        self._connected().is_frozen = True

    def reconnect(self) -> Self:
        """Connect again with the same data, and subscribe again to the channels of this client.

        Raises:
            Refused: the server refuses the client, or a subscription.

        """
        page = self._page
        self.connect(self.auth)
        for asked in page.asked.values():
            self.subscribe(asked)
        return self

    # Sending

    def emit(self, event: str, *args: Any) -> Any:
        """Send an event; return the handler's answer as the client reads it.

        An answer of several arguments is a tuple. A handler that refuses answers ``{"error":
        "…"}``. The result is None if the socket has ended meanwhile.

        Raises:
            EventError: no client can send an event of this name.
            Unanswered: no handler takes the event.
            Exception: a handler has raised it.

        """
        if event != PRESENCE:
            check_event_name(event)
        connection, id = self._connected(), next(self._ids)
        connection.write(Packet(PacketType.EVENT, self.namespace, [event, *args], id))
        self._settle(connection.server)
        if id in self._acks:
            return unpack(self._acks.pop(id))
        if self.connected:
            raise Unanswered(self._unhandled(event, args))
        return None

    def _unhandled(self, event: str, args: tuple[Any, ...]) -> str:
        if event == "channel" and len(args) > 1:
            event = args[1]
        return (
            f"No handler has answered {event!r} of a socket on the channels {self.channels}. "
            f"{explanation(self.namespace, event)}"
        )

    def send(self, message: Any) -> Any:
        """Send a message, for the handlers of ``on_message``; otherwise as ``emit``."""
        return self.emit("message", message)

    def channel(self, name: str) -> ChannelSender:
        """Return a sender of events for one channel: ``client.channel("room-1").send("hi")``."""
        return ChannelSender(self.emit, name)

    def subscribe(self, channel: str) -> Any:
        """Subscribe to a channel, by its name or its token; return the answer, which is True.

        The messages that the page of a token has missed are in ``received`` then.

        Raises:
            Refused: a setting or a handler of ``on_subscribe`` refuses it, or the token is wrong.

        """
        answer = self._ask("subscribe", channel)
        accepted, told = answer if isinstance(answer, tuple) else (answer, {})
        missed = self._page.subscribed(channel, told)
        self.received += [Received(event, tuple(args)) for event, *args in missed]
        return accepted

    def unsubscribe(self, channel: str) -> Any:
        """Leave a channel, by its name or its token; return the server's answer, which is True."""
        self._page.left(channel)
        return self._ask("unsubscribe", channel)

    def presence(self, channel: str) -> list[Person]:
        """Return who is on a channel, as the page is told; raise ``Refused`` if it is not."""
        if self._page.has_seen(channel, self.channels):
            self._connected().server.tell_presence(self._lifecycle().socket, channel)
        else:
            self._ask(PRESENCE, channel)
        return self._page.seen(channel)

    def _ask(self, request: str, channel: str) -> Any:
        answer = self.emit(request, channel)
        if isinstance(answer, dict) and "error" in answer:
            raise Refused(answer["error"], answer)
        if answer is None:
            raise Refused(f"The socket has ended: {self.disconnect_reason}")
        return answer

    def answer(self, event: str, answer: Any) -> None:
        """Register the answer of this client to an event of the server (``socket.call``).

        Args:
            event: the name of the event.
            answer: the value; a tuple for several arguments; a function of the event's arguments
                that returns either; or ``NO_ANSWER``, with which ``socket.call`` raises
                CallTimeout.

        """
        self._answers[event] = answer

    # The server's side

    @property
    def socket(self) -> Socket:
        """The socket as handlers get it."""
        socket: Socket = self._lifecycle().socket
        return socket

    @property
    def context(self) -> dict[str, Any]:
        """The context that handlers get."""
        context: dict[str, Any] = self._lifecycle().context
        return context

    @property
    def channels(self) -> list[str]:
        """The channels that the socket is on, also those that a handler has put it on."""
        return self.socket.channels if self.connected else []

    def _lifecycle(self) -> Any:
        lifecycles = self._connected().server.sockets.lifecycles()
        return next(one for one in lifecycles if one.socket.id == self.id)

    # Time

    def advance(self, seconds: float) -> None:
        """Let time pass for the server of the test: pings, login checks, limits of rates.

        Meanwhile, Django's ``timezone.now`` tells the moved time, so that sessions expire.
        """
        server = InlineServer.of_test()
        server.advance(seconds)
        self._settle(server)

    # Packets

    def packet_received(self, packet: Packet) -> None:
        """Take a packet of the server."""
        if packet.type is PacketType.EVENT:
            self._event_received(packet)
        elif packet.type is PacketType.ACK and packet.id is not None:
            self._acks[packet.id] = packet.data
        elif packet.type is PacketType.CONNECT:
            self.id, self._end = packet.data["sid"], None
        elif packet.type is PacketType.CONNECT_ERROR:
            self._refusal = packet.data
        elif packet.type is PacketType.DISCONNECT:
            self._end = Reason.SERVER_LEFT

    def _event_received(self, packet: Packet) -> None:
        event, *args = packet.data
        if event == PRESENCE:
            return self._page.people.take(*args)
        self.received.append(Received(event, tuple(args)))
        if packet.id is not None and event in self._answers:
            self._give_answer(packet.id, event, args)

    def _give_answer(self, id: int, event: str, args: list[Any]) -> None:
        connection, answer = self._connected(), self._answers[event]
        if answer is NO_ANSWER:
            connection.server.calls.timing_out.add(event)
            return
        if callable(answer):
            answer = answer(*args)
        connection.write(Packet(PacketType.ACK, self.namespace, pack(answer), id))

    def _connected(self) -> Connection:
        if self._connection is None or not self.connected:
            raise RuntimeError(f"{self!r} is not connected: {self.disconnect_reason}")
        return self._connection

    def _settle(self, server: InlineServer) -> None:
        if self._raises:
            server.raise_failure()
        else:
            server.forget_failures()
