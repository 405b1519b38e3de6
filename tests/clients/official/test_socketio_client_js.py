"""Our server with the official JavaScript client, over each transport."""

import signal

import gevent.event
import pytest
from django.core.exceptions import PermissionDenied

import django_socketio
from django_socketio import NoSocket
from django_socketio.events import (
    on_connect,
    on_disconnect,
    on_error,
    on_event,
    on_finish,
    on_message,
    on_subscribe,
    on_unsubscribe,
)
from tests.kit.node import TIMEOUT

QUICK_PINGS = {"PING_INTERVAL": 0.2, "PING_TIMEOUT": 1}

VALUES = [
    "",
    "plain",
    "žluťoučký kůň 日本語 \u2028 \x00",
    "🦄 👩‍👩‍👧",
    "half of a pair: \ud800",
    'a \x1e that separates packets, 2-3["like one"]',
    0,
    -17,
    2**53 - 1,
    0.1,
    1e300,
    True,
    False,
    None,
    [],
    [1, "two", [3, None]],
    {},
    {"a": {"b": [{"ü": 1.5}]}, "_placeholder": False, "": 0},
]

BINARIES = [
    b"",
    bytes(range(256)),
    {"file": {"name": "ü.bin", "content": b"\xff\x00"}},
    [b"one", {"two": b"two"}, [[b"three"]], "text"],
]


def echo():
    """Have the server send back what it gets."""

    @on_message
    def send_back(request, socket, context, message):
        socket.send(message)


def rooms():
    """Have the server tell a channel what its members say."""

    @on_message(channel="^room-")
    def say(request, socket, context, message):
        socket.send_and_broadcast_channel(message)


def reached(message, channel):
    """Send to a channel; return how many received it, 0 where the package raises NoSocket."""
    try:
        return django_socketio.broadcast_channel(message, channel)
    except NoSocket:
        return 0


# Connecting


def test_id_is_the_session_id_that_handlers_see(connect, seen):
    @on_connect
    def connected(request, socket, context):
        seen(socket.session.session_id)

    client = connect()
    assert client.id == seen.next()


def test_auth_payload_reaches_on_connect(connect, seen):
    @on_connect
    def connected(request, socket, context):
        seen(socket.auth)

    connect(auth={"token": "ü", "numbers": [1, 2]})
    assert seen.next() == {"token": "ü", "numbers": [1, 2]}


def test_request_is_the_handshake_of_this_client(connect, seen, transport):
    @on_connect
    def connected(request, socket, context):
        seen(request.GET["transport"], request.GET["who"], request.META["HTTP_X_WHO"])

    connect(query={"who": "me & you"}, extraHeaders={"X-Who": "me"})
    first = "websocket" if transport == "websocket" else "polling"
    assert seen.next() == (first, "me & you", "me")


def test_client_that_offers_subprotocols_connects(node, server, transport):
    echo()
    protocols = ["my-protocol", "another"]
    client = node.connect(server, transport, protocols=protocols)
    client.emit("message", "hello")
    assert client.event() == ["message", "hello"]


def test_permission_denied_in_on_connect_is_the_connect_error(node, server, transport, seen):
    @on_connect
    def refuse(request, socket, context):
        raise PermissionDenied("Not today, žluťoučký kůň")

    @on_finish
    def finished(request, socket, context):
        seen("finish of a socket that never was")

    client = node.socket(server, transport)
    assert client.next("connect_error") == {"message": "Not today, žluťoučký kůň"}
    assert not client.has("connect")
    assert seen.empty


def test_what_on_connect_sends_comes_after_the_connect(connect):
    @on_connect
    def greet(request, socket, context):
        socket.send("welcome")
        socket.emit("news", 1, b"2")

    client = connect()
    assert client.event() == ["message", "welcome"]
    assert client.event() == ["news", 1, b"2"]


# Namespaces


def name_and_number(namespace):
    """Have a namespace answer "who" with its name and how often the client asked there."""

    @on_event("who", namespace=namespace)
    def who(request, socket, context):
        context["asked"] = context.get("asked", 0) + 1
        return socket.namespace, socket.session.session_id, context["asked"], socket.channels


def test_namespaces_share_a_connection_and_nothing_else(node, server, transport, seen):
    for namespace in ("/", "/admin"):
        name_and_number(namespace)
        on_connect(lambda request, socket, context: seen(request), namespace=namespace)

    main = node.connect(server, transport)
    admin = node.join("/admin", beside=main)
    admin.wait_connected()

    first, second = seen.take(2)
    assert first is second
    assert main.id != admin.id
    assert main.ask("subscribe", "room-1") == [True]
    assert main.ask("who") == ["/", main.id, 1, ["room-1"]]
    assert main.ask("who") == ["/", main.id, 2, ["room-1"]]
    assert admin.ask("who") == ["/admin", admin.id, 1, []]


def test_channels_of_the_same_name_in_two_namespaces(node, server, transport):
    name_and_number("/")
    name_and_number("/admin")
    main = node.connect(server, transport)
    admin = node.join("/admin", beside=main)
    admin.wait_connected()
    for client in (main, admin):
        assert client.ask("subscribe", "room-1") == [True]

    server.call(django_socketio.broadcast_channel, "main", "room-1")
    server.call(django_socketio.broadcast_channel, "admin", "room-1", "message", "/admin")
    assert main.event() == ["message", "main"]
    assert admin.event() == ["message", "admin"]
    assert main.ask("who") and not main.has("event")
    assert admin.ask("who") and not admin.has("event")


def test_leaving_a_namespace_leaves_the_others(node, server, transport):
    name_and_number("/")
    name_and_number("/admin")
    main = node.connect(server, transport)
    admin = node.join("/admin", beside=main)
    admin.wait_connected()

    admin.disconnect()
    assert admin.next("disconnect")["reason"] == "io client disconnect"
    assert main.ask("who") == ["/", main.id, 1, []]
    assert not main.has("disconnect")


def test_unknown_namespace_is_invalid(node, server, transport):
    client = node.socket(server, transport, "/nowhere")
    assert client.next("connect_error") == {"message": "Invalid namespace"}


def test_unknown_namespace_does_not_harm_the_others(node, server, transport):
    name_and_number("/")
    main = node.connect(server, transport)
    nowhere = node.join("/nowhere", beside=main)
    assert nowhere.next("connect_error") == {"message": "Invalid namespace"}
    assert main.ask("who") == ["/", main.id, 1, []]


@pytest.fixture
def waiting(server):
    """An on_connect of "/admin" that waits; the first is released by what this returns."""
    began, release = gevent.event.Event(), gevent.event.Event()

    @on_connect(namespace="/admin")
    def wait(request, socket, context):
        if not began.is_set():
            began.set()
            release.wait(TIMEOUT)

    return lambda: server.call(began.wait, TIMEOUT), lambda: server.call(release.set)


def test_leaving_and_coming_back_at_once_while_on_connect_runs(node, server, transport, waiting):
    name_and_number("/")
    name_and_number("/admin")
    wait_until_it_runs, let_it_end = waiting
    main = node.connect(server, transport)
    admin = node.join("/admin", beside=main)
    wait_until_it_runs()
    admin.again()
    admin.wait_connected()
    second = admin.id
    let_it_end()
    assert admin.ask("who") == ["/admin", second, 1, []]
    assert main.ask("who") == ["/", main.id, 1, []]
    assert not any(client.has(what) for client in (main, admin) for what in ("connect", "event"))


def test_leaving_and_coming_back_at_once(node, server, transport, seen):
    name_and_number("/")
    name_and_number("/admin")
    on_disconnect(namespace="/admin")(lambda request, socket, context: seen(socket.id))
    main = node.connect(server, transport)
    admin = node.join("/admin", beside=main)
    admin.wait_connected()
    first = admin.id
    admin.again()
    admin.wait_connected()
    assert seen.next() == first != admin.id
    assert admin.ask("who") == ["/admin", admin.id, 1, []]
    assert main.ask("who") == ["/", main.id, 1, []]


# Values


def test_values_arrive_and_come_back_as_they_were(connect, seen):
    @on_message
    def send_back(request, socket, context, message):
        seen([message])
        socket.send(message)

    client = connect()
    client.emit_all([["message", value] for value in VALUES])
    assert seen.take(len(VALUES)) == [[value] for value in VALUES]
    assert [client.event() for _ in VALUES] == [["message", value] for value in VALUES]


def test_types_of_values(connect, seen):
    on_message(lambda request, socket, context, message: seen([message]))
    client = connect()
    client.emit_all([["message", value] for value in VALUES + BINARIES])
    received = [seen.next()[0] for _ in VALUES + BINARIES]
    assert list(map(type, received)) == list(map(type, VALUES + BINARIES))


def test_message_without_content_is_none(connect, seen):
    on_message(lambda request, socket, context, message: seen([message]))
    connect().emit("message")
    assert seen.next() == [None]


def test_integers_beyond_64_bits_become_floats_of_javascript(connect):
    @on_event("big")
    def big(request, socket, context):
        return 2**70, -(2**64)

    assert list(map(float, connect().ask("big"))) == [float(2**70), float(-(2**64))]


def test_binaries_arrive_and_come_back_as_they_were(connect, seen):
    @on_message
    def send_back(request, socket, context, message):
        seen([message])
        socket.send(message)

    client = connect()
    client.emit_all([["message", value] for value in BINARIES])
    assert seen.take(len(BINARIES)) == [[value] for value in BINARIES]
    assert [client.event() for _ in BINARIES] == [["message", value] for value in BINARIES]


@pytest.mark.parametrize(
    "value",
    ["x" * 200_000, "ž🦄" * 33_000, bytes(range(250)) * 400, {"a": b"1" * 100_000, "b": b"2" * 9}],
    ids=["200 kB of text", "200 kB of unicode", "100 kB of bytes", "bytes in an object"],
)
def test_large_messages(connect, value):
    echo()
    client = connect()
    client.emit("message", value)
    assert client.event() == ["message", value]


def test_events_have_several_arguments(connect, seen):
    @on_event("typing")
    def typing(request, socket, context, *args):
        seen(list(args))
        socket.emit("typed", *reversed(args))

    client = connect()
    client.emit("typing", 1, b"two", {"three": b"3"}, None)
    assert seen.next() == [1, b"two", {"three": b"3"}, None]
    assert client.event() == ["typed", None, {"three": b"3"}, b"two", 1]


def test_client_that_forces_base64(node, server, transport):
    echo()
    client = node.connect(server, transport, forceBase64=True)
    message = {"picture": bytes(range(256)), "name": "ü"}
    client.emit("message", message)
    assert client.event() == ["message", message]


def test_data_that_looks_like_a_placeholder_beside_bytes_is_refused(connect):
    on_event("x")(lambda request, socket, context, *args: [len(args)])
    client = connect()
    # This client writes such data as it writes its own placeholder for the bytes.
    (answer,) = client.ask("x", {"_placeholder": True, "num": 0}, b"bytes")
    assert answer == {"error": "attachment 0 has 2 places, one is expected"}
    assert client.ask("x", {"_placeholder": True, "num": 1}, b"bytes") == [[2]]
    assert client.ask("x", {"_placeholder": True, "num": 0}) == [[1]]
    assert not client.has("disconnect")


def test_data_that_looks_like_a_placeholder_ends_no_receiver(connect, seen):
    on_error(lambda request, socket, context, error: seen(str(error)))

    @on_message
    def send_on(request, socket, context, message):
        socket.send_and_broadcast({"from": message, "picture": b"bytes"})

    receiver, client = connect(), connect()
    client.emit("message", {"_placeholder": True, "num": 99})
    assert '"_placeholder" cannot be sent beside bytes' in seen.next()
    client.emit("message", "plain")
    for socket in (receiver, client):
        assert socket.event() == ["message", {"from": "plain", "picture": b"bytes"}]
        assert not socket.has("disconnect")


# Acknowledgments


@pytest.mark.parametrize(
    ("returned", "answer"),
    [
        ("ok", ["ok"]),
        (None, [None]),
        (0, [0]),
        ([1, 2], [[1, 2]]),
        ((1, "two", None), [1, "two", None]),
        (b"\x00\xff", [b"\x00\xff"]),
        (({"a": b"1"}, b"2"), [{"a": b"1"}, b"2"]),
    ],
    ids=repr,
)
def test_answer_is_what_the_handler_returns(connect, returned, answer):
    on_event("ask")(lambda request, socket, context: returned)
    assert connect().ask("ask") == answer


def test_event_with_binary_and_ack(connect):
    @on_event("upload")
    def upload(request, socket, context, name, content):
        return name, len(content), content

    assert connect().ask("upload", "a.bin", b"\x01" * 500) == ["a.bin", 500, b"\x01" * 500]


def test_error_in_a_handler_is_the_answer_and_tells_no_internals(connect, seen):
    @on_event("ask")
    def fail(request, socket, context):
        raise ValueError("a secret")

    on_error(lambda request, socket, context, exception: seen(exception))
    client = connect()
    assert client.ask("ask") == [{"error": "Internal error"}]
    assert str(seen.next()) == "a secret"
    assert client.ask("ask") == [{"error": "Internal error"}]


def test_permission_denied_in_a_handler_is_the_answer(connect):
    @on_event("ask")
    def refuse(request, socket, context):
        raise PermissionDenied("Only for members")

    assert connect().ask("ask") == [{"error": "Only for members"}]


# Acknowledgments that do not come, or come empty: timeout(), ackTimeout and retries

SOON, LONG = 50, 60_000  # milliseconds
TIMED_OUT = {"error": "operation has timed out"}


def test_event_that_no_handler_takes_times_out(connect):
    on_event("ask")(lambda request, socket, context, value: value)
    client = connect()
    assert client.ask_within(SOON, "unheard") == (TIMED_OUT, [])
    assert client.ask_within(LONG, "ask", 42) == (None, [42])


def test_a_handler_without_a_result_acknowledges_with_null(connect):
    on_event("note")(lambda request, socket, context: None)
    client = connect()
    assert client.ask("note") == [None]
    assert client.ask_within(LONG, "note") == (None, [None])


def test_default_timeout_of_the_client_reports_events_that_no_handler_takes(connect):
    client = connect(ackTimeout=SOON)
    assert client.ask("unheard") == [TIMED_OUT]


def test_client_that_retries_sends_an_event_once(connect, seen):
    on_event("note")(lambda request, socket, context, value: seen(value))
    client = connect(retries=3)  # without ackTimeout, the first argument is an error unless null
    client.emit_all([["note", n] for n in range(5)])
    assert client.ask("note", "last") == [None]
    assert seen.take(6) == [0, 1, 2, 3, 4, "last"]
    assert seen.empty


def test_client_that_retries_sends_an_event_that_is_not_acknowledged_again(connect, seen):
    on_event("note", channel="^room-")(lambda request, socket, context, value: seen(value))
    client = connect(retries=2, ackTimeout=SOON)
    assert client.ask("note", "not yet heard") == [TIMED_OUT]
    assert client.ask_within(LONG, "subscribe", "room-1") == (None, [True])
    assert client.ask_within(LONG, "note", "heard") == (None, [None])
    assert seen.next() == "heard"


# Calls


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        ((), None),
        (("yes",), "yes"),
        ((1, [2], None), (1, [2], None)),
        ((b"\x00\x01",), b"\x00\x01"),
        (({"a": b"1"}, b"2"), ({"a": b"1"}, b"2")),
    ],
    ids=repr,
)
def test_call_returns_what_the_client_answers(connect, seen, reply, result):
    @on_event("start")
    def start(request, socket, context):
        return [socket.call("question", 1, b"2")]

    client = connect()
    client.reply("question", *reply)
    expected = list(result) if isinstance(result, tuple) else result
    assert client.ask("start") == [[expected]]
    assert client.event() == ["question", 1, b"2"]


def test_callback_gets_what_the_client_answers(connect, seen):
    @on_event("start")
    def start(request, socket, context):
        socket.emit("question", callback=lambda *args: seen(list(args)))

    client = connect()
    client.reply("question", "yes", b"2")
    client.emit("start")
    assert seen.next() == ["yes", b"2"]


# Channels


def test_subscribed_client_gets_what_is_sent_to_the_channel(connect, server):
    client = connect()
    assert client.ask("subscribe", "room-1") == [True]
    assert server.call(django_socketio.broadcast_channel, {"n": 1}, "room-1") == 1
    assert server.call(django_socketio.broadcast_channel, b"\x00", "room-1", "picture") == 1
    assert client.event() == ["message", {"n": 1}]
    assert client.event() == ["picture", b"\x00"]


def test_subscription_without_an_ack(connect, server, seen):
    on_subscribe(lambda request, socket, context, channel: seen(channel))
    client = connect()
    client.emit("subscribe", "room-1")
    assert seen.next() == "room-1"
    assert client.ask("subscribe", "room-2") == [True]
    server.call(django_socketio.broadcast_channel, "hi", "room-1")
    assert client.event() == ["message", "hi"]


def test_unsubscribed_client_gets_no_more(connect, server, seen):
    on_unsubscribe(lambda request, socket, context, channel: seen(channel))
    client = connect()
    client.ask("subscribe", "room-1")
    assert client.ask("unsubscribe", "room-1") == [True]
    assert seen.next() == "room-1"
    server.call(django_socketio.send, client.id, "to this client")
    assert server.call(reached, "hi", "room-1") == 0
    assert client.event() == ["message", "to this client"]


def test_refusal_in_on_subscribe_is_the_answer(connect, server):
    @on_subscribe(channel="^room-")
    def refuse(request, socket, context, channel):
        raise PermissionDenied("Members only")

    on_event("channels")(lambda request, socket, context: socket.channels)
    client = connect()
    assert client.ask("subscribe", "room-1") == [{"error": "Members only"}]
    assert client.ask("subscribe", "lobby") == [True]
    assert client.ask("channels") == [["lobby"]]


def test_an_event_for_one_channel(connect):
    @on_event("where", channel="^room-")
    def where(request, socket, context, *args):
        return (socket.event_channel, *args)

    client = connect()
    for channel in ("room-1", "room-2"):
        client.ask("subscribe", channel)
    assert client.ask("channel", "room-2", "where", 1) == ["room-2", 1]
    (answer,) = client.ask("channel", "room-3", "where", 1)
    assert "room-3" in answer["error"]


def test_channel_name_that_is_not_allowed_is_answered_with_an_error(connect):
    (answer,) = connect().ask("subscribe", "")
    assert "channel" in answer["error"]


def test_client_is_reached_by_its_id(connect, server):
    client, other = connect(), connect()
    server.call(django_socketio.send, client.id, {"for": "you"})
    server.call(django_socketio.broadcast, "for all")
    assert client.event() == ["message", {"for": "you"}]
    assert client.event() == ["message", "for all"]
    assert other.event() == ["message", "for all"]


def on_each_transport(node, server):
    """Connect three clients, one for each transport, all on a channel."""
    clients = [node.connect(server, name) for name in ("websocket", "polling", "upgraded")]
    for client in clients:
        assert client.ask("subscribe", "room-1") == [True]
    return clients


@pytest.mark.parametrize("first", [0, 1, 2], ids=["websocket", "polling", "upgraded"])
def test_message_of_one_reaches_all_transports(node, server, first):
    rooms()
    clients = on_each_transport(node, server)
    messages = ["text", b"\x00\xff" * 50, {"picture": b"\x01", "name": "ü"}, "text after it"]
    clients[first].emit_all([["message", message] for message in messages])
    for client in clients:
        assert [client.event() for _ in messages] == [["message", m] for m in messages]


def test_broadcast_goes_to_the_others_only(node, server):
    @on_message
    def tell(request, socket, context, message):
        socket.broadcast(message)
        return "told"

    clients = on_each_transport(node, server)
    assert clients[0].ask("message", b"\x01\x02") == ["told"]
    for client in clients[1:]:
        assert client.event() == ["message", b"\x01\x02"]
    server.call(django_socketio.broadcast, "for all")
    assert clients[0].event() == ["message", "for all"]


# Order


def test_order_of_a_thousand_messages_to_the_server(connect, seen):
    on_message(lambda request, socket, context, message: seen(message))
    client = connect()
    client.emit_all([["message", n] for n in range(1000)])
    assert seen.take(1000) == list(range(1000))
    assert not client.has("disconnect")


def test_many_messages_in_one_go_are_all_handled(server, node, seen):
    on_message(lambda request, socket, context, message: seen(message))
    client = node.connect(server, "polling")
    client.emit_all([["message", n] for n in range(3000)])
    assert seen.take(3000) == list(range(3000))
    assert not client.has("disconnect")


def test_order_of_a_thousand_messages_to_the_client(connect):
    @on_message
    def count(request, socket, context, message):
        for n in range(message):
            socket.send(n)

    client = connect()
    client.emit("message", 1000)
    assert [client.event()[1] for _ in range(1000)] == list(range(1000))
    assert not client.has("disconnect")


def test_order_of_text_and_binary_both_ways(connect):
    echo()
    client = connect()
    messages = [bytes([n]) if n % 3 == 0 else {"n": n, "b": [b"x"] * (n % 3)} for n in range(200)]
    client.emit_all([["message", message] for message in messages])
    assert [client.event()[1] for _ in messages] == messages


def test_messages_sent_while_the_client_upgrades_keep_their_order(node, server):
    @on_connect
    def push(request, socket, context):
        for n in range(300):
            socket.send(n)

    client = node.socket(server, "upgraded")
    assert client.next("upgrade") == {"transport": "websocket"}
    assert [client.event()[1] for _ in range(300)] == list(range(300))


# Leaving


def note_the_end(seen):
    """Note the handlers that run when a socket ends, and the reason that they see."""
    on_disconnect(lambda request, socket, context: seen("disconnect", socket.disconnect_reason))
    on_unsubscribe(lambda request, socket, context, channel: seen("unsubscribe", channel))
    on_finish(lambda request, socket, context: seen("finish", socket.channels))


def test_client_leaves(connect, seen):
    note_the_end(seen)
    client = connect()
    client.ask("subscribe", "room-1")
    client.disconnect()
    assert client.next("disconnect")["reason"] == "io client disconnect"
    assert seen.take(3) == [
        ("disconnect", "client namespace disconnect"),
        ("unsubscribe", "room-1"),
        ("finish", ["room-1"]),
    ]


def test_what_the_client_said_before_it_left_is_handled(connect, seen):
    note_the_end(seen)
    on_message(lambda request, socket, context, message: seen(message))
    client = connect()
    client.emit("message", "last words")
    client.disconnect()
    assert seen.next() == "last words"
    assert seen.take(2) == [("disconnect", "client namespace disconnect"), ("finish", [])]


def test_server_disconnects_a_client(connect, seen):
    note_the_end(seen)
    late = []

    @on_message
    def show_the_door(request, socket, context, message):
        socket.send("goodbye")
        socket.disconnect()
        late.append(socket.send("too late"))

    client = connect()
    client.emit("message", "rude")
    assert client.event() == ["message", "goodbye"]
    ended = client.next("disconnect")
    assert (ended["reason"], ended["comesBack"]) == ("io server disconnect", False)
    assert seen.take(2) == [("disconnect", "server namespace disconnect"), ("finish", [])]
    assert late == [False]
    assert not client.has("event")


def test_stop_tells_handlers_why(connect, server, seen):
    note_the_end(seen)
    on_event("ask")(lambda request, socket, context: "answer")
    assert connect().ask("ask") == ["answer"]
    server.stop()
    assert seen.take(2) == [("disconnect", "server shutting down"), ("finish", [])]


def test_client_comes_back_after_the_server_stopped(node, program, transport):
    client = node.connect(program, transport)
    assert client.ask("message-with-ack", 1) == [1]
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    ended = client.next("disconnect")
    # A poll that comes while the server ends may find nobody: that is an error to this client.
    reasons = ["transport close"] + ["transport error"] * (transport == "polling")
    assert ended["reason"] in reasons
    assert ended["comesBack"] is True


@pytest.mark.parametrize("transport", ["websocket", "upgraded"])
def test_stop_closes_the_connection_of_a_client_that_answers_late(own_node, server, transport):
    on_event("ask")(lambda request, socket, context: "answer")
    client = own_node.connect(server, transport)
    assert client.ask("ask") == ["answer"]
    own_node.pause()  # as a network that takes longer than the server to stop
    server.stop()
    own_node.resume()
    assert client.next("disconnect")["reason"] == "transport close"


def test_killed_client_ends(serve, own_node, transport, seen):
    note_the_end(seen)
    polls = transport == "polling"  # whose end is noticed by its silence only
    own_node.connect(serve(**(QUICK_PINGS if polls else {})), transport)
    own_node.kill()
    event, reason = seen.next()
    assert event == "disconnect"
    assert reason in (["ping timeout"] if polls else ["transport close", "transport error"])
    assert seen.next() == ("finish", [])


# Staying


def test_pings_keep_a_silent_client(serve, node, transport):
    echo()
    client = node.connect(serve(PING_INTERVAL=0.1, PING_TIMEOUT=20), transport)
    for _ in range(10):
        client.next("ping")
    assert not client.has("disconnect")
    client.emit("message", "still here")
    assert client.event() == ["message", "still here"]


# Node's ways to speak HTTP


def test_polling_with_keep_alive_uses_two_connections(node, server):
    echo()
    client = node.connect(server, "polling", agent="keep")
    for n in range(20):
        client.emit("message", n)
        assert client.event() == ["message", n]
    client.disconnect()
    assert client.next("disconnect")["connections"] <= 2


def test_polling_without_keep_alive_uses_a_connection_for_each_request(node, server):
    echo()
    client = node.connect(server, "polling", agent="close")
    for n in range(20):
        client.emit("message", n)
        assert client.event() == ["message", n]
    client.disconnect()
    assert client.next("disconnect")["connections"] > 40


def test_polling_with_fetch(node, server):
    echo()
    client = node.socket(server, "polling", transports=["fetch"])
    client.wait_connected()
    for message in ("ü", b"\x00\xff", {"a": [b"1"]}):
        client.emit("message", message)
        assert client.event() == ["message", message]
