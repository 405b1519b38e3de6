"""The life of sockets against a simple model: whatever happens, in whatever order.

Clients come and go over real connections; the model says who must have received what, and which
handlers must have run.
"""

import json
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import ClassVar

from django.core.exceptions import PermissionDenied
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

import django_socketio
from django_socketio import events
from django_socketio.exceptions import NoSocket
from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.waiting import wait_until

NAMESPACES = ["/", "/chat"]
MAX_TRANSPORTS = 4
CLIENT_LEFT, SERVER_LEFT = "client namespace disconnect", "server namespace disconnect"
TRANSPORT_CLOSE = "transport close"

channels = st.sampled_from(["a", "b"])
picks = st.integers(0, 1000)


class Diary:
    """What the handlers of each socket saw, by its id."""

    def __init__(self):
        self._changed = threading.Condition()
        self.entries = defaultdict(list)

    def write(self, socket, *entry):
        with self._changed:
            self.entries[socket.session.session_id].append(entry)
            self._changed.notify_all()

    def wait_for(self, id, entries):
        with self._changed:
            self._changed.wait_for(lambda: self.entries[id] == entries, 5)
        assert self.entries[id] == entries


def register(diary, namespace):
    """Register handlers that write down what happens, and do what they are told."""

    @events.on_connect(namespace=namespace)
    def connected(request, socket, context):
        diary.write(socket, "connect")
        if socket.auth.get("how") == "refused":
            raise PermissionDenied(socket.session.session_id)
        if socket.auth.get("how") == "sent away":
            socket.disconnect()

    @events.on_subscribe(namespace=namespace)
    def subscribed(request, socket, context, channel):
        diary.write(socket, "subscribe", channel)
        if channel == "forbidden":
            raise PermissionDenied("forbidden")
        if channel == "exit":
            socket.disconnect()

    @events.on_message(namespace=namespace)
    def told(request, socket, context, message):
        _DEEDS[message["do"]](socket, message)
        return message["number"]


def register_ends(diary, namespace):
    """Register handlers that write down how sockets end."""
    for event in (events.on_unsubscribe, events.on_finish):

        @event(namespace=namespace)
        def ended(request, socket, context, *args, name=event.name):
            diary.write(socket, name.removeprefix("on_"), *args)

    @events.on_disconnect(namespace=namespace)
    def disconnected(request, socket, context):
        diary.write(socket, "disconnect", socket.disconnect_reason)


def _fail(socket, message):
    raise ValueError("told to")


_DEEDS = {
    "reply": lambda socket, message: socket.send(message["number"]),
    "everyone": lambda socket, message: socket.broadcast(message["number"]),
    "channel": lambda socket, message: socket.broadcast_channel(
        message["number"], message["channel"]
    ),
    "channel and me": lambda socket, message: socket.send_and_broadcast_channel(
        message["number"], message["channel"]
    ),
    "own channels": lambda socket, message: socket.broadcast_channel(message["number"]),
    "leave": lambda socket, message: socket.disconnect(),
    "fail": _fail,
}


@dataclass(eq=False)
class Model:
    """One socket, as it ought to be."""

    namespace: str
    transport: "Transport"
    id: str
    channels: list[str] = field(default_factory=list)
    inbox: list = field(default_factory=list)
    diary: list = field(default_factory=lambda: [("connect",)])

    @property
    def prefix(self):
        return "" if self.namespace == "/" else f"{self.namespace},"

    def end(self, reason):
        """Note which handlers run at its end, in their order."""
        self.diary.append(("disconnect", reason))
        self.diary += [("unsubscribe", channel) for channel in self.channels]
        self.diary.append(("finish",))
        self.channels = []
        del self.transport.sockets[self.namespace]


@dataclass(eq=False)
class Transport:
    """One connection, with its sockets by their namespaces."""

    client: object
    sockets: dict[str, Model] = field(default_factory=dict)


class Life(RuleBasedStateMachine):
    """Does what clients and servers may do; compares after each step."""

    server: ClassVar = None
    diary: ClassVar = None

    def __init__(self):
        super().__init__()
        self.transports = []
        self.number = 0

    @property
    def sockets(self):
        return [socket for transport in self.transports for socket in transport.sockets.values()]

    def pick(self, number):
        return self.sockets[number % len(self.sockets)]

    # What a client sends, and what comes back

    def ask(self, socket, *args):
        """Send an event; return its acknowledgment, or None where the socket was ended instead."""
        socket.transport.client.send(f"42{socket.prefix}7{json.dumps(args)}")
        return self.read(socket.transport, socket, "7")

    def read(self, transport, socket, id):
        """Read up to an acknowledgment; what comes before it must be what was sent to sockets."""
        while True:
            packet = transport.client.receive()
            if packet.startswith(f"43{socket.prefix}{id}["):
                return json.loads(packet.removeprefix(f"43{socket.prefix}{id}"))
            if packet == f"41{socket.prefix}":
                return None
            assert packet.startswith("42"), packet
            name = "/chat" if packet.startswith("42/chat,") else "/"
            event, message = json.loads(packet.removeprefix("42").removeprefix("/chat,"))
            assert event == "message"
            assert transport.sockets[name].inbox.pop(0) == message

    def settle(self):
        """See that everybody has received all that they ought to, and nothing else."""
        for transport in self.transports:
            for socket in transport.sockets.values():
                assert self.ask(socket, "unsubscribe", "no channel of it") == [True]
        for socket in self.sockets:
            assert socket.inbox == []
            self.diary.wait_for(socket.id, socket.diary)

    # Coming

    @precondition(lambda self: len(self.transports) < MAX_TRANSPORTS)
    @rule(kind=st.sampled_from(["websocket", "websocket", "polling", "upgraded"]))
    def open(self, kind):
        client = (WebSocketClient if kind == "websocket" else PollingClient)(self.server.port)
        self.transports.append(Transport(client.upgrade() if kind == "upgraded" else client))

    @precondition(lambda self: self.transports)
    @rule(
        number=picks,
        namespace=st.sampled_from(NAMESPACES),
        how=st.sampled_from(["", "", "", "refused", "sent away"]),
    )
    def connect(self, number, namespace, how):
        transport = self.transports[number % len(self.transports)]
        if namespace in transport.sockets:
            return
        socket = Model(namespace, transport, "")
        transport.client.send(f"40{socket.prefix}" + json.dumps({"how": how}))
        answer = transport.client.receive()
        if how == "refused":
            id = json.loads(answer.removeprefix(f"44{socket.prefix}"))["message"]
            return self.diary.wait_for(id, [("connect",)])
        socket.id = json.loads(answer.removeprefix(f"40{socket.prefix}"))["sid"]
        transport.sockets[namespace] = socket
        if how == "sent away":
            assert transport.client.receive() == f"41{socket.prefix}"
            self.ended(socket, SERVER_LEFT)
        self.settle()

    # Being there

    @precondition(lambda self: self.sockets)
    @rule(number=picks, channel=st.sampled_from(["a", "b", "a", "b", "forbidden", "exit"]))
    def subscribe(self, number, channel):
        socket = self.pick(number)
        answer = self.ask(socket, "subscribe", channel)
        if channel not in socket.channels:
            socket.diary.append(("subscribe", channel))
        if channel == "forbidden":
            assert answer == [{"error": "forbidden"}]
        elif channel == "exit":
            assert answer is None
            socket.channels.append(channel)
            self.ended(socket, SERVER_LEFT)
        else:
            assert answer == [True]
            socket.channels += [channel] if channel not in socket.channels else []
        self.settle()

    @precondition(lambda self: self.sockets)
    @rule(number=picks, channel=channels)
    def unsubscribe(self, number, channel):
        socket = self.pick(number)
        assert self.ask(socket, "unsubscribe", channel) == [True]
        if channel in socket.channels:
            socket.channels.remove(channel)
            socket.diary.append(("unsubscribe", channel))
        self.settle()

    @precondition(lambda self: self.sockets)
    @rule(number=picks, do=st.sampled_from(list(_DEEDS)), channel=channels)
    def tell(self, number, do, channel):
        sender = self.pick(number)
        self.number += 1
        for socket in self.receivers(sender, do, channel):
            socket.inbox.append(self.number)
        answer = self.ask(sender, "message", {"do": do, "number": self.number, "channel": channel})
        if do == "leave":
            assert answer is None
            self.ended(sender, SERVER_LEFT)
        else:
            assert answer == [{"error": "Internal error"} if do == "fail" else self.number]
        self.settle()

    def receivers(self, sender, do, channel):
        """Return who gets what a handler of the sender sends."""
        others = [s for s in self.sockets if s.namespace == sender.namespace and s is not sender]
        if do in ("reply", "channel and me"):
            yield sender
        for other in others:
            wanted = {
                "everyone": True,
                "channel": channel in other.channels,
                "channel and me": channel in other.channels,
                "own channels": bool(set(sender.channels) & set(other.channels)),
            }
            if wanted.get(do, False):
                yield other

    @rule(channel=channels, namespace=st.sampled_from(NAMESPACES))
    def broadcast_from_outside(self, channel, namespace):
        self.number += 1
        receivers = [
            socket
            for socket in self.sockets
            if socket.namespace == namespace and channel in socket.channels
        ]
        for socket in receivers:
            socket.inbox.append(self.number)
        received = self.from_outside(
            django_socketio.broadcast_channel, self.number, channel, namespace
        )
        assert received is bool(receivers)
        self.settle()

    @precondition(lambda self: self.sockets)
    @rule(number=picks)
    def send_from_outside(self, number):
        socket = self.pick(number)
        self.number += 1
        socket.inbox.append(self.number)
        assert self.from_outside(django_socketio.send, socket.id, self.number, socket.namespace)
        self.settle()

    def from_outside(self, call, first, second, namespace):
        """Call one of the out-of-band functions; return whether there was somebody."""

        def run():
            try:
                call(first, second, namespace=namespace)
            except NoSocket:
                return False
            return True

        return self.server.call(run)

    # Going

    def ended(self, socket, reason):
        socket.end(reason)
        self.diary.wait_for(socket.id, socket.diary)
        assert not self.from_outside(django_socketio.send, socket.id, "late", socket.namespace)

    @precondition(lambda self: self.sockets)
    @rule(number=picks)
    def leave(self, number):
        socket = self.pick(number)
        socket.transport.client.send(f"41{socket.prefix}")
        self.ended(socket, CLIENT_LEFT)
        self.settle()

    @precondition(lambda self: self.transports)
    @rule(number=picks, break_off=st.booleans())
    def close(self, number, break_off):
        transport = self.transports.pop(number % len(self.transports))
        if break_off and isinstance(transport.client, WebSocketClient):
            transport.client.abandon()
        else:
            transport.client.close()
        for socket in list(transport.sockets.values()):
            self.ended(socket, TRANSPORT_CLOSE)
        self.settle()

    @precondition(lambda self: self.sockets)
    @rule(number=picks, count=st.integers(1, 5))
    def speak_and_close(self, number, count):
        """Send messages, and be gone before they are answered: each is handled all the same."""
        socket = self.pick(number)
        transport = socket.transport
        if not isinstance(transport.client, WebSocketClient):
            return
        self.transports.remove(transport)
        others = [s for s in self.sockets if s.namespace == socket.namespace]
        for _ in range(count):
            self.number += 1
            for other in others:
                other.inbox.append(self.number)
            message = {"do": "everyone", "number": self.number}
            transport.client.send(f"42{socket.prefix}{json.dumps(['message', message])}")
        transport.client.close()
        for gone in list(transport.sockets.values()):
            self.ended(gone, TRANSPORT_CLOSE)
        self.settle()

    def teardown(self):
        while self.transports:
            self.close(0, break_off=False)
        server = self.server.socket_server
        assert self.server.call(server.open_sockets.wait_until_empty, 5)
        assert len(server.channels) == 0
        # A client that had no socket may still be closing.
        wait_until(lambda: server.engine.sessions == {})


def test_sockets_live_as_the_model_says(server):
    Life.server, Life.diary = server, Diary()
    for namespace in NAMESPACES:
        register(Life.diary, namespace)
        register_ends(Life.diary, namespace)
    run_state_machine_as_test(
        Life,
        settings=settings(
            derandomize=True,
            max_examples=50,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Life.diary.entries
    for entries in Life.diary.entries.values():
        names = [name for name, *_ in entries]
        refused = names == ["connect"]
        assert (names.count("disconnect"), names.count("finish")) == ((0, 0) if refused else (1, 1))
