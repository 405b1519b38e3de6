"""``call``: what browsers answer, and what is left of a call."""

import asyncio
import threading
from functools import partial

import gevent
import gevent.event
import pytest

from django_socketio import (
    Answer,
    CallTimeout,
    NoSocket,
    call,
    disconnect,
    subscribe,
    unsubscribe,
)
from django_socketio.channels import publish
from django_socketio.channels.calls import Call, Report
from django_socketio.events import on_event, on_message
from tests.kit.clients import join
from tests.kit.waiting import wait_until


def asking(server, *args, **options):
    """Call from a greenlet of a server, as a view does; return a function for the outcome."""
    outcome = []

    def run():
        try:
            outcome.append(call(*args, **options))
        except Exception as error:
            outcome.append(error)

    server.call(gevent.spawn, run)

    def result():
        wait_until(lambda: outcome)
        return outcome[0]

    return result


def left(server):
    """Return what a server keeps of calls: those that wait, their timers, the answers awaited."""

    def count():
        sockets = [one.socket for one in server.socket_server.open_sockets]
        pending = sum(len(socket.acks._pending) for socket in sockets)
        return len(server.socket_server.callers), pending

    return server.call(count)


@pytest.fixture
def client(server):
    with_channel = join(server, "a")
    yield with_channel
    with_channel.close()


def test_the_answer_of_a_socket_is_returned(server, client):
    answer = asking(server, "confirm?", "Delete?", session_id=client.id)
    assert client.receive() == '420["confirm?","Delete?"]'
    client.send('430["yes"]')
    assert answer() == "yes"
    assert left(server) == (0, 0)


@pytest.mark.parametrize(
    ("ack", "value"), [("[]", None), ("[1,2]", (1, 2)), ('[{"a":1}]', {"a": 1})]
)
def test_answers_are_returned_as_those_of_socket_call(server, client, ack, value):
    answer = asking(server, "confirm?", channel="a")
    client.receive()
    client.send(f"430{ack}")
    assert answer() == value


def test_an_answer_may_be_binary(server, client):
    answer = asking(server, "file?", b"\x01", channel="a")
    assert client.receive() == '451-0["file?",{"_placeholder":true,"num":0}]'
    assert client.receive() == b"\x01"
    client.send('461-0[{"_placeholder":true,"num":0}]')
    client.send(b"\x00\xff")
    assert answer() == b"\x00\xff"


def test_the_first_answer_counts_and_later_ones_are_dropped(server, client):
    other = join(server, "a")
    answer = asking(server, "who?", channel="a")
    assert client.receive() == other.receive() == '420["who?"]'
    other.send('430["other"]')
    assert answer() == "other"
    client.send('430["late"]')
    other.send('430["twice"]')
    assert client.sync() == other.sync() == []
    assert left(server) == (0, 0)


def test_all_answers_come_with_who_gave_them(server, client):
    other = join(server, "a")
    answer = asking(server, "who?", channel="a", wait="all")
    for one in (client, other):
        one.receive()
        one.send(f'430["{one.id}"]')
    answers = answer()
    assert sorted(answers) == sorted(Answer(one.id, one.id, None) for one in (client, other))
    assert answers.is_complete


def test_a_client_that_leaves_is_not_waited_for(server, client):
    other = join(server, "a")
    answer = asking(server, "who?", channel="a", wait="all", timeout=3600)
    client.receive(), other.receive()
    client.send('430["here"]')
    other.close()
    answers = answer()
    assert [one.value for one in answers] == ["here"]
    assert (answers.asked, answers.is_complete) == (2, False)
    answer = asking(server, "who?", session_id=client.id, timeout=3600)
    client.receive()
    client.close()
    assert "left before they answered" in str(answer())


def test_a_client_that_does_not_answer_is_forgotten_with_the_call(server, client):
    answer = asking(server, "who?", channel="a", timeout=0.05)
    client.receive()
    assert isinstance(answer(), CallTimeout)
    wait_until(lambda: left(server) == (0, 0))
    client.send('430["late"]')
    assert client.sync() == []
    answers = asking(server, "who?", channel="a", wait="all", timeout=0.05)
    assert (answers(), answers().asked) == ([], 1)


def test_nobody_is_an_error_unless_all_are_asked(server):
    assert isinstance(asking(server, "who?", channel="nobody")(), NoSocket)
    assert asking(server, "who?", channel="nobody", wait="all")() == []
    assert isinstance(asking(server, "who?", user=[])(), NoSocket)


@pytest.mark.parametrize(
    ("audience", "text"),
    [
        ({"channel": "nobody"}, "channel='nobody'"),
        ({"channel": ["a", "b"], "namespace": "/chat"}, "channel='a' in /chat, channel='b' in"),
        ({"channel": list("abcdefg")}, "channel='d', channel='e' and others"),
        ({"user": 7}, "user='7'"),
        ({"session_id": "x"}, "session_id='x'"),
        ({"user": []}, "the empty audience"),
    ],
)
def test_nobody_is_told_as_the_caller_has_named_the_audience(server, audience, text):
    error = asking(server, "who?", **audience)()
    assert str(error).startswith("'who?' was not sent: no socket is connected for ")
    assert text in str(error)


def test_a_handler_that_calls_gives_its_worker_to_others(serve):
    server = serve(WORKERS=1)

    @on_message
    def ask(request, socket, context, message):
        return call("question", channel="a")

    on_event("now")(lambda request, socket, context: "now")
    answering, caller = join(server, "a"), join(server)
    caller.emit("message", "ask", id=1)
    assert answering.receive() == '420["question"]'
    assert join(server).ask("now") == ["now"]
    answering.send('430["answer"]')
    assert caller.receive() == '431["answer"]'


@pytest.mark.parametrize("is_paused_before", [True, False])
def test_a_handler_can_call_a_client_of_which_many_events_wait(serve, is_paused_before):
    server = serve(MAX_WAITING_EVENTS=5)

    @on_message
    def ask(request, socket, context, message):
        while is_paused_before and not socket.lifecycle._paused:
            gevent.sleep(0.001)
        return call("who?", session_id=socket.id, timeout=5)

    on_event("other")(lambda request, socket, context: None)
    client = join(server)
    client.emit("message", "ask", id=1)
    if not is_paused_before:
        assert client.receive() == '420["who?"]'
    for _ in range(10):
        client.emit("other")
    if is_paused_before:
        assert client.receive() == '420["who?"]'
    client.send('430["me"]')
    assert client.receive() == '431["me"]'


@pytest.mark.parametrize("is_paused_before", [True, False])
def test_a_handler_can_call_a_client_of_which_many_events_wait_in_another_namespace(
    serve, is_paused_before
):
    server = serve(MAX_WAITING_EVENTS=5)
    go_on = gevent.event.Event()
    on_event("other")(lambda request, socket, context: go_on.wait())

    @on_message(namespace="/b")
    def ask(request, socket, context, message):
        while is_paused_before and not any(
            one._paused for one in server.socket_server.open_sockets
        ):
            gevent.sleep(0.001)
        return socket.call("who?", timeout=60)

    client = join(server)
    client.connect("/b")
    client.emit("message", "ask", id=1, namespace="/b")
    if not is_paused_before:
        assert client.receive() == '42/b,0["who?"]'
    for _ in range(10):
        client.emit("other")
    if is_paused_before:
        assert client.receive() == '42/b,0["who?"]'
    client.send('43/b,0["me"]')
    assert client.receive() == '43/b,1["me"]'
    server.call(go_on.set)


def test_a_client_that_is_asked_and_sends_very_many_events_is_paused_and_not_closed(serve):
    server = serve(MAX_WAITING_EVENTS=5)
    go_on = gevent.event.Event()
    on_event("other")(lambda request, socket, context: go_on.wait())
    client = join(server, "a")
    answer = asking(server, "who?", channel="a", timeout=60)
    assert client.receive() == '420["who?"]'
    for _ in range(100):
        client.emit("other")
    client.send('430["me"]')
    (lifecycle,) = server.socket_server.open_sockets
    wait_until(lambda: lifecycle._paused)
    server.call(go_on.set)
    assert answer() == "me"
    assert client.sync() == []


def test_clients_are_not_asked_if_too_many_handlers_wait(serve):
    server = serve(MAX_WAITING_CALLS=1)

    @on_message
    def ask(request, socket, context, message):
        try:
            return call("who?", channel="a")
        except CallTimeout as error:
            return str(error)

    client, first, second = join(server, "a"), join(server), join(server)
    first.emit("message", "ask", id=1)
    assert client.receive() == '420["who?"]'
    assert "'who?' was not sent: 1 handlers wait" in second.ask("message", "ask")[0]
    client.send('430["me"]')
    assert first.receive() == '431["me"]'
    assert client.sync() == []


@pytest.mark.parametrize("has_server", [True, False])
def test_clients_are_not_asked_by_a_coroutine_which_would_stand_still(
    server, client, has_server, monkeypatch
):
    async def ask():
        return call("who?", channel="a")

    if not has_server:
        monkeypatch.setattr(publish, "current", lambda: None)
    with pytest.raises(RuntimeError, match=r"`await sync_to_async\(call\)\(…\)`"):
        asyncio.run(ask())
    assert client.sync() == []


def test_a_native_thread_of_the_server_process_can_call(server, client):
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(call("who?", channel="a")))
    thread.start()
    client.receive()
    client.send('430["me"]')
    thread.join(10)
    assert outcome == ["me"]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({}, TypeError, "needs an audience"),
        ({"channel": "a", "timeout": 0}, ValueError, "not 0"),
        ({"channel": "a", "timeout": None}, ValueError, "not None"),
        ({"channel": "a", "timeout": 1e9}, ValueError, "at most 3600"),
        ({"channel": "a", "wait": "some"}, ValueError, '"first" or "all"'),
    ],
)
def test_wrong_arguments_are_refused(options, error, text):
    with pytest.raises(error, match=text):
        call("who?", **options)


def test_the_errors_of_audiences_name_the_function_that_was_called():
    functions = {
        "call": partial(call, "who?"),
        "disconnect": disconnect,
        "subscribe": partial(subscribe, "room-1"),
        "unsubscribe": partial(unsubscribe, "room-1"),
    }
    for name, function in functions.items():
        for audience in ("channel", "user", "session", "group", "session_id"):
            with pytest.raises((TypeError, ValueError)) as error:
                function(**{audience: None})
            assert str(error.value).startswith(f"{name}({audience}="), error.value


def test_answers_are_not_complete_while_a_process_has_not_told_whom_it_asks():
    call = Call(True, threading.Event())
    call.expect(2)
    call.add(Report("call", "p1", 1, 1, "socket", None, ["me"]))
    assert (call.is_done, call.answers.is_complete) == (False, False)
    call.add(Report("call", "p2", 1, 0))
    assert (call.is_done, call.answers.is_complete) == (True, True)
