"""Our server with the python-socketio client, over each transport."""

import gevent
import pytest
import socketio
from django.core.exceptions import PermissionDenied
from websocket import ABNF

import django_socketio
from django_socketio.events import (
    on_connect,
    on_disconnect,
    on_error,
    on_event,
    on_finish,
    on_message,
    on_subscribe,
)
from django_socketio.protocol.engineio.heartbeat import Reason
from tests.kit.clients import WebSocketClient
from tests.kit.python_socketio import COMES_BACK, PythonClient
from tests.kit.recorder import Recorder

CLOSE_NORMALLY = (1000).to_bytes(2)


@pytest.fixture
def new(serve, transport):  # after the server, so that clients leave before it stops
    """Make a client that is not connected yet: ``new(namespaces)``."""
    made = []

    def make(*namespaces, **options):
        made.append(PythonClient(transport, namespaces or ("/",), **options))
        return made[-1]

    yield make
    for python in made:
        python.close()


@pytest.fixture
def connect(new, server, transport):
    """Return a client that is connected to ``server``, over the transport that is meant."""

    def start(*namespaces, **options):
        python = new(*namespaces)
        python.connect(server, **options)
        assert python.client.transport() == ("polling" if transport == "polling" else "websocket")
        return python

    return start


def refused(python, server):
    """Try to connect; return what the client is told."""
    with pytest.raises(socketio.exceptions.ConnectionError):
        python.connect(server)
    return python.errors.next()


def test_id_is_the_session_id_that_handlers_see(connect, seen):
    on_connect(lambda request, socket, context: seen(socket.session.session_id, socket.auth))
    python = connect(auth={"token": "ü"})
    assert seen.next() == (python.client.get_sid(), {"token": "ü"})


def test_permission_denied_in_on_connect_is_the_connect_error(new, server):
    @on_connect
    def refuse(request, socket, context):
        raise PermissionDenied("Not today")

    assert refused(new(), server) == {"message": "Not today"}


def test_namespaces(connect):
    for namespace in ("/", "/admin"):

        @on_event("where", namespace=namespace)
        def where(request, socket, context, *args):
            return socket.namespace, socket.session.session_id

    python = connect("/", "/admin")
    for namespace in ("/", "/admin"):
        answer = python.ask("where", namespace=namespace)
        assert tuple(answer) == (namespace, python.client.get_sid(namespace))
    assert python.client.get_sid("/") != python.client.get_sid("/admin")


def test_unknown_namespace_is_invalid(new, server):
    assert refused(new("/nowhere"), server) == {"message": "Invalid namespace"}


@pytest.mark.parametrize(
    "message",
    [
        "žluťoučký kůň 🦄",
        17,
        None,
        [1, [2, "three"]],
        {"a": {"ü": [None, 1.5]}},
        b"\x00\xff" * 50_000,
        "x" * 200_000,
        {"files": [{"name": "a", "content": b"1"}, {"name": "b", "content": b"22"}]},
    ],
    ids=["text", "number", "null", "array", "object", "bytes", "200 kB", "bytes in objects"],
)
def test_messages_come_back_as_they_were(connect, message):
    @on_message
    def send_back(request, socket, context, message):
        socket.send(message)

    python = connect()
    python.client.send([message] if isinstance(message, list) else message)
    expected = [message] if isinstance(message, list) else message
    assert python.events.next() == ["message", expected]


def test_several_arguments_both_ways(connect, seen):
    @on_event("typing")
    def typing(request, socket, context, *args):
        seen(list(args))
        socket.emit("typed", *reversed(args))

    python = connect()
    python.client.emit("typing", (1, b"two", {"three": 3}))
    assert seen.next() == [1, b"two", {"three": 3}]
    assert python.events.next() == ["typed", {"three": 3}, b"two", 1]


def test_call_returns_what_the_handler_returns(connect):
    @on_event("add")
    def add(request, socket, context, a, b):
        return a + b

    python = connect()
    assert python.ask("add", (1, 2)) == 3
    assert python.ask("add", (b"\x00", b"\xff")) == b"\x00\xff"


def test_emit_with_a_callback(connect):
    on_event("ask")(lambda request, socket, context: ("yes", {"b": b"2"}))
    python = connect()
    answers = Recorder()
    python.client.emit("ask", callback=lambda *args: answers(list(args)))
    assert answers.next() == ["yes", {"b": b"2"}]


def test_error_in_a_handler_is_the_answer(connect, seen):
    @on_event("ask")
    def fail(request, socket, context):
        raise ValueError("a secret")

    on_error(lambda request, socket, context, exception: seen(str(exception)))
    python = connect()
    assert python.ask("ask") == {"error": "Internal error"}
    assert seen.next() == "a secret"


@pytest.mark.parametrize("answer", ["yes", None, b"\x00", {"a": [b"1"]}], ids=repr)
def test_handler_calls_the_client(connect, answer):
    on_event("start")(lambda request, socket, context: [socket.call("question", 1, b"2")])
    python = connect()
    asked = Recorder()

    @python.client.on("question")
    def question(*args):
        asked(args)
        return answer

    assert python.ask("start") == [answer]
    assert asked.next() == (1, b"2")


def test_channel(connect, server):
    python, other = connect(), connect()
    assert python.ask("subscribe", "room-1") is True
    assert server.call(django_socketio.broadcast_channel, {"n": 1}, "room-1") == 1
    assert server.call(django_socketio.broadcast, b"\x00") == 2
    assert python.events.take(2) == [["message", {"n": 1}], ["message", b"\x00"]]
    assert other.events.next() == ["message", b"\x00"]


def test_refused_channel(connect):
    @on_subscribe
    def refuse(request, socket, context, channel):
        raise PermissionDenied("Members only")

    assert connect().ask("subscribe", "room-1") == {"error": "Members only"}


def test_a_hundred_messages_pushed_at_once(connect):
    # Through polling, this client takes at most 16 packets in an answer.
    @on_event("start")
    def start(request, socket, context):
        for n in range(100):
            socket.send(n)
        return "sent"

    python = connect()
    assert python.ask("start") == "sent"
    assert python.events.take(100) == [["message", n] for n in range(100)]
    assert python.ended.empty


def test_a_hundred_binary_messages_pushed_at_once(connect):
    # Two packets for each message: an answer may end between a message and its attachment.
    @on_event("start")
    def start(request, socket, context):
        for n in range(100):
            socket.send({"bytes": bytes([n])})

    python = connect()
    python.client.emit("start")
    messages = [["message", {"bytes": bytes([n])}] for n in range(100)]
    assert python.events.take(100) == messages


def test_order_of_a_hundred_messages_to_the_server(connect, seen):
    on_message(lambda request, socket, context, message: seen(message))
    python = connect()
    for n in range(100):
        python.client.send(n)
    assert seen.take(100) == list(range(100))


def note_the_end(seen):
    on_disconnect(lambda request, socket, context: seen("disconnect", socket.disconnect_reason))
    on_finish(lambda request, socket, context: seen("finish"))


def test_client_leaves(new, serve, seen, transport):
    note_the_end(seen)
    python = new()
    # While it polls, this client may forget its DISCONNECT and its CLOSE; it then ends after the
    # next ping, which it does not answer.
    python.connect(serve(PING_INTERVAL=1, PING_TIMEOUT=2))
    python.client.disconnect()
    assert python.ended.next() == python.client.reason.CLIENT_DISCONNECT
    # Over WebSocket this client closes without waiting for its own queue: its DISCONNECT, which
    # is in there, may never leave.
    forgotten = "ping timeout" if transport == "polling" else "transport close"
    event, reason = seen.next()
    assert event == "disconnect"
    assert reason in ("client namespace disconnect", forgotten)
    assert seen.next() == "finish"


def test_close_packet_and_close_frame_in_one_segment(server):
    # As this client sends them when it leaves. It then waits for the server to close TCP.
    client = WebSocketClient(server.port)
    client.connect()
    close_packet = ABNF.create_frame("1", ABNF.OPCODE_TEXT)
    close_frame = ABNF.create_frame(CLOSE_NORMALLY, ABNF.OPCODE_CLOSE)
    connection = client.ws.sock
    connection.sendall(close_packet.format() + close_frame.format())
    assert connection.recv(100) == b"\x88\x02" + CLOSE_NORMALLY
    try:
        assert connection.recv(100) == b""
    finally:
        connection.close()


def test_server_disconnects_a_client(connect, seen):
    note_the_end(seen)
    on_message(lambda request, socket, context, message: socket.disconnect())
    python = connect()
    python.client.send("rude")
    assert python.ended.next() == python.client.reason.SERVER_DISCONNECT
    assert seen.take(2) == [("disconnect", "server namespace disconnect"), "finish"]


ENDS = [
    *[Reason.SHUTTING_DOWN, Reason.SESSION_ENDED, Reason.PING_TIMEOUT, Reason.SLOW_CLIENT],
    *[Reason.TOO_FAST, Reason.TOO_MANY_EVENTS, Reason.PARSE_ERROR],
]


def test_client_comes_back_after_the_server_has_ended_its_session(new, server, seen):
    on_connect(lambda request, socket, context: seen(socket.id))
    on_event("who")(lambda request, socket, context: socket.id)
    python = new(**COMES_BACK)
    python.connect(server)
    python.wait_until_connected()
    known = {seen.next()}
    for reason in ENDS:
        server.call(wait_until_all_listen, server)
        server.call(end_sessions, server, reason)
        assert python.ended.next() == python.client.reason.TRANSPORT_ERROR
        python.wait_until_connected()
        assert seen.next() == python.ask("who") not in known
        known.add(python.client.get_sid())


def wait_until_all_listen(server):
    while not all(s.transport.name == "websocket" or s.transport.polled for s in sessions(server)):
        gevent.sleep(0.001)
    return True


def sessions(server):
    return list(server.socket_server.engine.sessions.values())


def end_sessions(server, reason):
    for session in sessions(server):
        session.close(reason)


def test_messages_before_the_end_of_a_session_are_fetched(new, server, seen):
    @on_message
    def say_and_end(request, socket, context, message):
        socket.send("last words")
        end_sessions(server, Reason.SESSION_ENDED)

    python = new(**COMES_BACK)
    python.connect(server)
    python.wait_until_connected()
    server.call(wait_until_all_listen, server)
    python.client.send("end it")
    assert python.events.next() == ["message", "last words"]
    assert python.ended.next() == python.client.reason.TRANSPORT_ERROR


def test_pings_keep_a_silent_client(new, serve):
    on_event("ask")(lambda request, socket, context: "answer")
    python = new()
    python.connect(serve(PING_INTERVAL=0.1, PING_TIMEOUT=20))
    pings = Recorder()
    answer = python.client.eio._send_packet

    def note(packet):
        pings(packet.packet_type)
        answer(packet)

    python.client.eio._send_packet = note
    pings.take(10)
    assert python.ended.empty
    assert python.ask("ask") == "answer"
