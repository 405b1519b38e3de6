"""``subscribe`` and ``unsubscribe`` with a list of channels: one packet, one answer."""

import gevent.event
import pytest
from django.core.exceptions import PermissionDenied

import django_socketio
from django_socketio.events import on_error, on_finish, on_subscribe, on_unsubscribe
from tests.kit.clients import WebSocketClient
from tests.kit.recorder import Recorder


@pytest.fixture
def client(server):
    client = WebSocketClient(server.port)
    client.connect()
    return client


def emit(server, channel, *event):
    server.call(lambda: django_socketio.emit(*event, channel=channel))


def test_each_channel_has_its_answer(server, client):
    seen = Recorder()

    @on_subscribe
    def decide(request, socket, context, channel):
        seen(channel)
        if channel == "secret":
            raise PermissionDenied("Members only")
        if channel == "broken":
            raise ValueError("no database")

    @on_error
    def report(request, socket, context, error):
        seen(str(error))

    answer = client.ask("subscribe", ["a", "secret", "broken", "b", "a", 7, ["c"]])
    assert answer == [
        [
            True,
            {"error": "Members only"},
            {"error": "Internal error"},
            True,
            True,
            {"error": "a channel's name is a string; got int"},
            {"error": "a channel's name is a string; got list"},
        ]
    ]
    assert seen.take(5) == ["a", "secret", "broken", "no database", "b"]
    emit(server, "b", "hello")
    emit(server, "secret", "leak")
    assert client.sync() == ['42["hello"]']


def test_messages_come_after_the_one_answer(server, client):
    arrived, decide = gevent.event.Event(), gevent.event.Event()

    @on_subscribe(channel="^second$")
    def ponder(request, socket, context, channel):
        arrived.set()
        decide.wait(5)

    client.emit("subscribe", ["first", "second"], id=1)
    server.call(arrived.wait, 5)
    emit(server, "first", "held", "1")
    emit(server, "second", "held", "2")
    server.call(decide.set)
    assert client.receive() == "431[[true,true]]"
    assert [client.event(), client.event()] == [["held", "1"], ["held", "2"]]


def test_one_request_for_the_history_of_each(serve):
    server = serve(HISTORY={"^room-": {"size": 10, "seconds": 60}})
    emit(server, "room-1", "said", "hello")
    client = WebSocketClient(server.port)
    client.connect()
    answers, told = client.ask("subscribe", ["room-1", "other"], {"last": 5})
    assert answers == [True, True]
    assert [past["messages"] for past in told] == [[["said", "hello"]], []]


def test_leaving_several(server, client):
    left = Recorder()

    @on_unsubscribe
    def note(request, socket, context, channel):
        left(channel)

    client.ask("subscribe", ["a", "b", "c"])
    assert client.ask("unsubscribe", ["a", "never there", "c"]) == [[True, True, True]]
    assert left.take(2) == ["a", "c"]
    emit(server, "a", "left")
    emit(server, "b", "stayed")
    assert client.sync() == ['42["stayed"]']


def test_a_list_is_as_long_as_a_socket_has_channels(serve):
    client = WebSocketClient(serve(MAX_CHANNELS=2).port)
    client.connect()
    told = "subscribe takes at most 2 channels (SOCKETIO_MAX_CHANNELS), not 3"
    assert client.ask("subscribe", ["a", "b", "c"]) == [{"error": told}]
    assert client.ask("subscribe", ["a"]) == [[True]]
    ((second, third),) = client.ask("subscribe", ["b", "c"])
    assert (second, "the most that SOCKETIO_MAX_CHANNELS allows" in third["error"]) == (True, True)
    assert client.ask("subscribe", []) == [[]]


def test_nobody_is_asked_for_a_socket_that_has_ended(server, client):
    asked = Recorder()

    @on_subscribe
    def end(request, socket, context, channel):
        asked(channel)
        socket.disconnect()

    @on_finish
    def finish(request, socket, context):
        asked("finished")

    client.emit("subscribe", ["a", "b"], id=1)
    assert client.receive() == "41"
    assert asked.take(2) == ["a", "finished"]
