"""``subscribe`` and ``unsubscribe`` with a list of channels: one packet, one answer."""

import json
import time

import gevent.event
import pytest
from django.core.exceptions import PermissionDenied

import django_socketio
from django_socketio.concurrency.workers import SHARE
from django_socketio.events import on_connect, on_error, on_finish, on_subscribe, on_unsubscribe
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


@pytest.mark.parametrize("wrong", [["c"], {}, 7, None])
def test_what_is_no_channel_keeps_no_other_one_waiting(server, wrong, caplog):
    @on_connect
    def join(request, socket, context):
        socket.subscribe("joined by a handler")

    client = WebSocketClient(server.port)
    client.connect(auth={"_positions": {}})
    assert "joined by a handler" in client.receive()
    answers, _ = client.ask("subscribe", [wrong, "b"])
    assert "a channel's name is a string" in answers[0]["error"]
    assert answers[1] is True
    emit(server, "b", "hello")
    assert '42["hello"' in "".join(client.sync())
    assert client.ask("unsubscribe", [wrong, "b"]) == [[True, True]]
    emit(server, "b", "left")
    assert client.sync() == []
    assert "Traceback" not in caplog.text


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


KEPT = {"size": 50, "seconds": 60}
HISTORY = {"^room-": KEPT, "^replayed-": {**KEPT, "replay": 50}}
ROOMS = [f"room-{number}" for number in range(4)]
REPLAYED = [f"replayed-{number}" for number in range(4)]


@pytest.fixture
def full(serve):
    """A server each of whose channels has more than a client gets of all of them together."""
    server = serve(HISTORY=HISTORY, MAX_UNSENT_BYTES=20_000)
    for room in (*ROOMS, *REPLAYED):
        for number in range(8):
            emit(server, room, "said", number, "x" * 1500)
    return server


@pytest.mark.parametrize(
    "rooms", [ROOMS, [ROOMS[0]] * 100, [*ROOMS * 25]], ids=["many", "one", "both"]
)
def test_the_past_of_a_list_has_as_much_room_as_that_of_one(full, rooms):
    client = WebSocketClient(full.port)
    client.connect()
    answers, told = client.ask("subscribe", rooms, {"last": 50})
    assert answers == [True] * len(rooms)
    assert len(json.dumps(told)) < 10_000 + 100 * len(rooms)
    messages = {room: past["messages"] for room, past in zip(rooms, told, strict=True) if past}
    assert [number for _, number, _ in messages[rooms[0]]] == [2, 3, 4, 5, 6, 7]
    assert [*messages.values()][1:] == [[]] * (len(messages) - 1)
    assert all(past["position"] for past in told if past)
    answer, past = client.ask("subscribe", ROOMS[0], {"last": 50})
    assert (answer, len(past["messages"])) == (True, 6)


def test_the_channels_of_a_list_are_replayed_in_the_room_of_one(full):
    client = WebSocketClient(full.port)
    client.connect()
    assert client.ask("subscribe", REPLAYED) == [[True] * 4]
    emit(full, REPLAYED[3], "later")
    numbers = [json.loads(event[2:])[1:2] for event in client.sync()]
    assert numbers == [[2], [3], [4], [5], [6], [7], []]


def test_other_sockets_are_polled_between_the_channels_of_a_list(server, client):
    turns = []

    @on_subscribe
    def compute(request, socket, context, channel):
        turns.append(gevent.get_hub().loop.iteration)
        until = time.monotonic() + SHARE
        while time.monotonic() < until:
            pass

    names = [str(number) for number in range(5)]
    assert client.ask("subscribe", names) == [[True] * 5]
    assert sorted(set(turns)) == turns


def test_a_channel_is_asked_for_once_however_often_a_list_has_it(server, client):
    asked = Recorder()

    @on_subscribe
    def refuse(request, socket, context, channel):
        asked(channel)
        raise PermissionDenied("Members only")

    refused = {"error": "Members only"}
    assert client.ask("subscribe", ["a", "b", "a"]) == [[refused] * 3]
    assert asked.take(2) == ["a", "b"]
    assert asked.empty
