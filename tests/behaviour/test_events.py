"""Handlers, as a developer writes them: each test runs over every transport."""

import decimal
import json
import uuid

import gevent
import pytest
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext_lazy

import django_socketio
from django_socketio import broadcast, broadcast_channel
from django_socketio.events import (
    EventError,
    on_connect,
    on_error,
    on_event,
    on_message,
    on_subscribe,
    on_unsubscribe,
)
from django_socketio.exceptions import CallTimeout

VALUES = [
    "text",
    "",
    "ü 😀",
    0,
    -1.5,
    True,
    None,
    [],
    [1, [2, {"a": None}]],
    {"__proto__": 1, "nested": {"list": [1, 2]}},
    {"_placeholder": True, "num": 0},
    "x" * 200_000,
    2**53,
    2**70,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_a_message_arrives_as_it_was_sent(server, connect, value):
    @on_message
    def send_back(request, socket, context, message):
        socket.send(message)

    client = connect(server)
    client.emit("message", value)
    assert client.event() == ["message", value]


def test_a_lone_surrogate_goes_both_ways(server, connect):
    @on_message
    def send_back(request, socket, context, message):
        assert message == "\ud800"
        socket.send(message)

    client = connect(server)
    client.send('42["message","\\ud800"]')
    assert client.event() == ["message", "\ud800"]


def test_binary_goes_both_ways(server, connect):
    @on_event("file")
    def send_back(request, socket, context, name, content):
        socket.emit("file", {"name": name, "content": content}, bytearray(b"end"))

    client = connect(server)
    client.send('451-["file","a",{"_placeholder":true,"num":0}]')
    client.send(b"\x00\xff" * 50_000)
    assert json.loads(client.receive()[4:]) == [
        "file",
        {"name": "a", "content": {"_placeholder": True, "num": 0}},
        {"_placeholder": True, "num": 1},
    ]
    assert [client.receive(), client.receive()] == [b"\x00\xff" * 50_000, b"end"]


def test_values_of_django_are_sent_as_django_writes_them(server, connect):
    @on_message
    def send(request, socket, context, message):
        socket.send([decimal.Decimal("1.10"), gettext_lazy("Yes"), uuid.UUID(int=1)])

    client = connect(server)
    client.emit("message")
    assert client.event()[1] == ["1.10", "Yes", "00000000-0000-0000-0000-000000000001"]


def test_what_is_not_json_is_an_error_of_the_handler_that_sends_it(server, connect):
    errors = []

    @on_message
    def send(request, socket, context, message):
        socket.send(object())

    @on_error
    def note(request, socket, context, exception):
        errors.append(str(exception))

    client = connect(server)
    assert client.ask("message", 1) == [{"error": "Internal error"}]
    assert "object" in errors[0]


def test_handlers_run_in_the_order_of_their_registration(server, connect):
    calls = []
    for name in "abc":
        decorator = on_event("message") if name == "b" else on_message

        @decorator
        def note(request, socket, context, *args, name=name):
            calls.append((name, args))

    client = connect(server)
    client.emit("message", 1, 2)
    client.sync()
    assert calls == [("a", (1,)), ("b", (1, 2)), ("c", (1,))]


def test_messages_of_a_socket_are_handled_one_after_the_other(server, connect):
    seen = []

    @on_message
    def slowly(request, socket, context, message):
        seen.append(("begin", message))
        gevent.sleep(0.005 if message % 2 else 0)
        seen.append(("end", message))

    client = connect(server)
    for number in range(20):
        client.emit("message", number)
    client.sync()
    assert seen == [(step, n) for n in range(20) for step in ("begin", "end")]


def test_sockets_are_handled_side_by_side(server, connect):
    both = gevent.event.Event()

    @on_message
    def meet(request, socket, context, message):
        if message == "wait":
            return both.wait(5)
        both.set()

    first, second = connect(server), connect(server)
    first.emit("message", "wait", id=1)
    second.emit("message", "come")
    assert first.receive() == "431[true]"


def test_a_handler_without_pattern_always_runs_and_one_with_a_pattern_once(server, connect):
    calls = []

    @on_message
    def always(request, socket, context, message):
        calls.append("always")

    @on_message(channel="^room-")
    def in_rooms(request, socket, context, message):
        calls.append("rooms")

    @on_message(channel="oom-1")
    def anchored(request, socket, context, message):
        calls.append("never: re.match is anchored")

    client = connect(server)
    client.emit("message", 1)
    client.sync()
    assert calls == ["always"]
    assert client.subscribe("room-1") is client.subscribe("room-2") is True
    client.emit("message", 2)
    client.sync()
    assert calls == ["always", "always", "rooms"]


def test_subscribe_handlers_match_the_channel_in_question(server, connect):
    calls = []

    @on_subscribe(channel="^a")
    def came(request, socket, context, channel):
        calls.append(("came", channel, list(socket.channels)))

    @on_unsubscribe(channel="^a")
    def left(request, socket, context, channel):
        calls.append(("left", channel, list(socket.channels)))

    client = connect(server)
    for channel in ("a1", "b1"):
        client.subscribe(channel)
    assert client.ask("unsubscribe", "b1") == client.ask("unsubscribe", "a1") == [True]
    assert calls == [("came", "a1", ["a1"]), ("left", "a1", [])]


def test_subscribing_twice_runs_the_handlers_once(server, connect):
    calls = []

    @on_subscribe
    def came(request, socket, context, channel):
        calls.append(channel)

    client = connect(server)
    assert client.subscribe("a") is client.subscribe("a") is True
    assert calls == ["a"]


def test_the_context_lasts_as_long_as_the_connection(server, connect):
    @on_connect
    def begin(request, socket, context):
        context["count"] = 0

    @on_event("count")
    def count(request, socket, context):
        context["count"] += 1
        return context["count"]

    first, second = connect(server), connect(server)
    assert [first.ask("count"), first.ask("count"), second.ask("count")] == [[1], [2], [1]]


@pytest.mark.parametrize(
    ("answer", "args"),
    [(None, [None]), (0, [0]), ((1, "b"), [1, "b"]), ((), []), ([1], [[1]]), ("", [""])],
)
def test_the_return_value_is_the_clients_ack(server, connect, answer, args):
    # A client with `retries` and without `ackTimeout` sends an event again until null comes first.
    @on_event("ask")
    def reply(request, socket, context):
        return answer

    assert connect(server).ask("ask") == args


def test_of_several_handlers_the_first_answer_that_is_not_none_counts(server, connect):
    for value in (None, "first", "second"):

        @on_event("ask")
        def reply(request, socket, context, value=value):
            return value

    assert connect(server).ask("ask") == ["first"]


def test_binary_can_be_an_answer(server, connect):
    @on_event("ask")
    def reply(request, socket, context):
        return b"\x01"

    client = connect(server)
    client.emit("ask", id=3)
    assert [client.receive(), client.receive()] == [
        '461-3[{"_placeholder":true,"num":0}]',
        b"\x01",
    ]


def test_an_event_that_no_handler_takes_is_not_answered(server, connect):
    on_event("elsewhere", namespace="/other")(lambda request, socket, context: "answer")
    on_event("in room", channel="^room-")(lambda request, socket, context: "answer")
    on_message(channel="^room-")(lambda request, socket, context, message: "answer")
    client = connect(server)
    client.subscribe("lobby")
    for id, name in enumerate(["nothing", "elsewhere", "in room", "message", "sync"]):
        client.emit(name, id=id)
    assert client.sync() == []
    client.subscribe("room-1")
    assert client.ask("in room") == client.ask("message") == ["answer"]


UNHANDLED = "No handler takes the event"


def warnings_of(caplog):
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith(UNHANDLED)]


def test_under_debug_the_log_says_once_which_handlers_and_patterns_there_are(
    serve, connect, caplog
):
    @on_event("typing", channel="^room-")
    def typing(request, socket, context):
        """Take the event of sockets in rooms."""

    @on_message(channel="^chat-")
    def say(request, socket, context, message):
        """Take messages of sockets in chats."""

    on_event("elsewhere", namespace="/other")(typing)
    client = connect(serve(django={"DEBUG": True}))
    for _ in range(2):
        client.emit("message")
    client.subscribe("room-1")
    for name in ("Typing", "message", "typing", "Typing", "message"):
        client.emit(name)
    client.sync()
    here = f"{__name__}.test_under_debug_the_log_says_once_which_handlers_and_patterns_there_are"
    chat = f"'message', channel='^chat-' ({here}.<locals>.say)"
    room = f"'typing', channel='^room-' ({here}.<locals>.typing)"
    of_room = "of the namespace / from a socket on ['room-1']: it is not answered."
    of_none = "of the namespace / from a socket on no channel: it is not answered."
    assert warnings_of(caplog) == [
        f"{UNHANDLED} 'message' {of_none} The patterns are {chat}",
        f"{UNHANDLED} 'Typing' {of_room} Handlers there take {chat}, {room}",
        f"{UNHANDLED} 'message' {of_room} The patterns are {chat}",
    ]


def test_under_debug_the_log_tells_of_a_namespace_without_handlers(serve, connect, caplog):
    client = connect(serve(django={"DEBUG": True}))
    client.emit("message")
    client.sync()
    (warning,) = warnings_of(caplog)
    assert "The namespace has no handlers (a new events.py is read at the next start" in warning


def test_under_debug_the_log_names_the_channel_of_the_event(serve, connect, caplog):
    on_message(channel="^chat-")(lambda request, socket, context, message: None)
    client = connect(serve(django={"DEBUG": True}))
    client.subscribe("chat-1")
    client.subscribe("lobby", id=1)
    client.emit("channel", "lobby", "message", "hi")
    client.sync()
    (warning,) = warnings_of(caplog)
    assert warning.startswith(
        f"{UNHANDLED} 'message' of the namespace / for the channel 'lobby': it is not"
    )


def test_clients_cannot_fill_the_log_with_events_that_no_handler_takes(serve, connect, caplog):
    client = connect(serve(django={"DEBUG": True}))
    for number in range(20):
        client.subscribe(f"\x1b{number}" + "c" * 150)
    for number in range(110):
        client.emit(f"{number}\n" + "x" * 1000)
    client.sync()
    logged = warnings_of(caplog)
    assert len(logged) == 100
    assert logged[-1].endswith("More such events are not logged")
    assert all(len(line) < 900 and line.isprintable() for line in logged)


def test_without_debug_events_that_no_handler_takes_are_no_warning(server, connect, caplog):
    client = connect(server)
    client.emit("nothing")
    client.sync()
    assert warnings_of(caplog) == []


def test_a_failing_handler_is_told_and_the_connection_lives_on(server, connect, caplog):
    errors = []

    @on_message
    def fail(request, socket, context, message):
        raise ValueError("secret detail")

    @on_error
    def note(request, socket, context, exception):
        errors.append(exception)

    client = connect(server)
    assert client.ask("message", 1) == client.ask("message", 1) == [{"error": "Internal error"}]
    assert [str(error) for error in errors] == ["secret detail"] * 2
    assert "Traceback" in caplog.text


def test_a_failing_error_handler_is_only_logged(server, connect, caplog):
    @on_error
    @on_message
    def fail(request, socket, context, message):
        raise ValueError("again")

    client = connect(server)
    assert client.ask("message", 1) == client.ask("message", 2) == [{"error": "Internal error"}]
    assert "on_error failed" in caplog.text


def test_permission_denied_in_a_message_handler_tells_the_client_why(server, connect):
    @on_message
    def refuse(request, socket, context, message):
        raise PermissionDenied("Only for members")

    assert connect(server).ask("message", 1) == [{"error": "Only for members"}]


def test_the_client_answers_a_call_while_other_sockets_go_on(server, connect):
    @on_event("start")
    def start(request, socket, context):
        return socket.call("question", 1, timeout=5)

    @on_event("ping-me")
    def other(request, socket, context):
        return "other"

    client, bystander = connect(server), connect(server)
    client.emit("start", id=5)
    assert client.receive() == '420["question",1]'
    assert bystander.ask("ping-me") == ["other"]
    client.send('430["answer"]')
    assert client.receive() == '435["answer"]'


@pytest.mark.parametrize(("sent", "returned"), [("[]", None), ("[1]", 1), ("[1,2]", [1, 2])])
def test_a_call_returns_what_the_client_answered(server, connect, sent, returned):
    results = []

    @on_event("start")
    def start(request, socket, context):
        results.append(socket.call("question"))

    client = connect(server)
    client.emit("start")
    client.receive()
    client.send(f"430{sent}")
    client.sync()
    assert results == [tuple(returned) if isinstance(returned, list) else returned]


def test_a_call_that_is_not_answered_times_out(server, connect):
    @on_event("start")
    def start(request, socket, context):
        try:
            socket.call("question", timeout=0.05)
        except CallTimeout as error:
            return str(error)

    client = connect(server)
    client.emit("start", id=1)
    assert client.receive() == '420["question"]'
    assert client.receive() == "431[\"'question' was not answered within 0.05 s\"]"


def test_a_call_ends_when_the_client_leaves(server, connect):
    ended = gevent.event.Event()

    @on_event("start")
    def start(request, socket, context):
        with pytest.raises(CallTimeout, match="left"):
            socket.call("question", timeout=None)
        ended.set()

    client = connect(server)
    client.emit("start")
    client.receive()
    client.close()
    assert server.call(ended.wait, 5)


def test_a_callback_gets_the_clients_answer(server, connect):
    answers = []

    @on_event("start")
    def start(request, socket, context):
        socket.emit("question", callback=lambda *args: answers.append(args))

    client = connect(server)
    client.emit("start")
    assert client.receive() == '420["question"]'
    client.send("430[1,2]")
    client.sync()
    assert answers == [(1, 2)]


def test_each_namespace_has_its_own_socket_context_and_channels(server, connect):
    for namespace in ("/", "/admin"):

        @on_event("who", namespace=namespace)
        def who(request, socket, context):
            context["n"] = context.get("n", 0) + 1
            socket.subscribe(f"only-{socket.namespace}")
            return [socket.namespace, context["n"], socket.channels, socket.session.session_id]

    client = connect(server)
    root_id = client.id
    client.connect("/admin")
    assert client.id != root_id
    assert client.ask("who", namespace="/admin") == [["/admin", 1, ["only-/admin"], client.id]]
    assert client.ask("who") == [["/", 1, ["only-/"], root_id]]


def test_auth_is_what_the_client_sent_with_its_connect(server, connect):
    @on_event("who")
    def who(request, socket, context):
        return socket.auth

    assert connect(server, auth={"token": "t"}).ask("who") == [{"token": "t"}]
    assert connect(server).ask("who") == [{}]


def test_packets_sent_in_on_connect_follow_the_connect(server, connect):
    @on_connect
    def greet(request, socket, context):
        socket.send("welcome")

    assert connect(server).event() == ["message", "welcome"]


RESERVED = ["connect", "connect_error", "disconnect", "disconnecting"]
RESERVED += ["newListener", "removeListener"]


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_cannot_be_sent(server, connect, name):
    errors = []

    def refused(send, *args, **options):
        with pytest.raises(EventError) as error:
            send(*args, **options)
        errors.append(str(error.value))

    @on_message
    def send(request, socket, context, message):
        refused(socket.emit, name)
        refused(socket.call, name)
        for method in (socket.send, socket.broadcast, socket.send_and_broadcast):
            refused(method, "text", event=name)
        for method in (socket.broadcast_channel, socket.send_and_broadcast_channel):
            refused(method, "text", channel="a", event=name)
        refused(broadcast, "text", event=name)
        refused(broadcast_channel, "text", "a", event=name)
        refused(django_socketio.send, socket.session.session_id, "text", event=name)

    client = connect(server)
    client.emit("message")
    assert client.sync() == []
    assert len(errors) == 10
    assert set(errors) == {
        f"the event name {name!r} is reserved: official clients give it a meaning of their own"
    }


@pytest.mark.parametrize("name", [1, None, b"x"])
def test_an_event_that_has_no_string_for_a_name_cannot_be_sent(server, connect, name):
    errors = []

    @on_message
    def send(request, socket, context, message):
        with pytest.raises(EventError) as error:
            socket.emit(name)
        errors.append(str(error.value))

    client = connect(server)
    client.emit("message")
    assert client.sync() == []
    assert errors == [f"an event's name is a string, not {name!r}"]
