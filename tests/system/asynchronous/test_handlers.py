"""Asynchronous code in handlers, and handlers that are asynchronous themselves."""

import json
import re
import signal

import pytest

from tests.system.asynchronous.conftest import KINDS

on_ours = pytest.mark.parametrize(
    "server", [kind for kind in KINDS if kind != "gunicorn's gevent worker"], indirect=True
)
HOLDERS = ["hold async_to_sync", "hold asyncio.run", "hold async handler"]


@on_ours
@pytest.mark.parametrize("how", HOLDERS)
def test_a_handler_whose_loop_waits_disturbs_no_other(server, how):
    held, other = server.join(), server.join()
    before = server.program.output.count("holding")
    held.emit(how, id=1)
    server.program.wait_for("holding", before + 1)
    assert other.ask("users") == [1]
    assert server.json("/users/") == {"users": 1}
    assert other.ask("release") == [1]
    assert held.receive() == '431["released"]'


@on_ours
@pytest.mark.parametrize("how", ["async_to_sync", "asyncio.run", "async view"])
def test_a_view_whose_loop_waits_disturbs_no_handler(server, how):
    held = server.hold(f"/hold/{how}/")
    client, asynchronous = server.join(), server.join("/async")
    assert client.ask("users") == [1]
    assert asynchronous.ask("context", namespace="/async") == [1]
    assert client.ask("release") == [1]
    assert held.answer() == "released"


@on_ours
def test_the_answer_of_an_async_handler_is_the_acknowledgment(server):
    client = server.join("/async")
    assert client.ask("context", namespace="/async") == [1]
    assert client.ask("several", 1, "two", namespace="/async") == [1, "two", "end"]


def test_an_async_handler_sends_and_calls(server):
    client = server.join("/async")
    client.emit("send", id=1, namespace="/async")
    assert client.receive() == '42/async,["sent",1]'
    number = re.fullmatch(r'42/async,(\d+)\["question"\]', client.receive())[1]
    client.send(f'43/async,{number}["here"]')
    assert client.receive() == '43/async,1["here"]'


def test_a_call_that_would_hold_up_a_coroutine_is_refused(server):
    (told,) = server.join("/async").ask("call at once", namespace="/async")
    assert "await sync_to_async(socket.call)" in told


def test_an_async_callback_gets_the_answer_of_a_client(server):
    client = server.join("/async")
    client.emit("ask", namespace="/async")
    number = re.fullmatch(r'42/async,(\d+)\["question"\]', client.receive())[1]
    client.send(f'43/async,{number}["later"]')
    assert client.ask("context", namespace="/async") == ["later"]


def test_functions_run_in_native_threads_for_an_async_handler(server):
    assert server.join("/async").ask("compute", namespace="/async") == [[3, 7], [0, 1, 2]]


@pytest.mark.parametrize(
    "kind, answer, failed",
    [
        ("denied", "denied", None),
        ("value", "Internal error", "ValueError"),
        ("cancelled", "Internal error", "CancelledError"),
    ],
)
def test_an_async_handler_fails_as_others_do(server, kind, answer, failed):
    client = server.join("/async")
    assert client.ask("fail", kind, namespace="/async") == [{"error": answer}]
    if failed is not None:
        assert client.ask("failed", namespace="/async") == [failed]
    assert client.ask("context", namespace="/async") == [1]


def test_an_async_on_connect_refuses(server):
    client = server.join()
    client.send('40/async,{"no":1}')
    answer = client.receive()
    assert json.loads(answer.removeprefix("44/async,")) == {"message": "not you"}


def test_an_async_on_subscribe_admits_and_refuses(server):
    client = server.join("/async")
    assert client.ask("subscribe", "room", namespace="/async") == [True]
    refused = client.ask("subscribe", "room-2", namespace="/async")
    assert refused == [{"error": "no such room"}]


@pytest.mark.parametrize("name, answer", [("object", 2), ("method", 3), ("partial", 4)])
def test_whatever_returns_a_coroutine_is_an_async_handler(server, name, answer):
    assert server.join("/async").ask(name, 1, namespace="/async") == [answer]


def test_the_log_names_an_async_handler_that_holds_the_event_loop(server):
    server.join("/async").ask("block", namespace="/async")
    server.program.wait_for(r"held for .* by the handler tests\.\S+\.asynchronous\.events\.block;")


@pytest.mark.parametrize("kind", ["runserver_socketio", "our worker"])
@pytest.mark.parametrize("how", ["hold async handler", "hold asyncio.run"])
def test_a_loop_that_does_not_end_does_not_keep_the_server(start, kind, how):
    server = start(kind)
    server.join().emit(how)
    server.program.wait_for("holding")
    server.program.signal(signal.SIGTERM)
    assert server.program.wait(10) == 0
