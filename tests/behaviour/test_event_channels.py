"""Events that a client sends for one of its channels."""

import pytest

from django_socketio import emit
from django_socketio.events import on_error, on_event, on_message, on_subscribe
from django_socketio.exceptions import EventError
from tests.kit.clients import join


@pytest.fixture
def client(server):
    client = join(server, "room-1", "desk-1")
    yield client
    client.close()


@pytest.fixture
def calls():
    calls = []

    @on_message(channel="^room-")
    def room(request, socket, context, message):
        calls.append(("room", socket.event_channel, message))
        return "room"

    @on_message(channel="^desk-")
    def desk(request, socket, context, message):
        calls.append(("desk", socket.event_channel, message))
        return "desk"

    @on_event("typing", channel="^room-")
    async def typing(request, socket, context, *args):
        calls.append(("typing", socket.event_channel, *args))
        return ("a", "b")

    return calls


def test_patterns_are_matched_with_the_channel_of_the_event(client, calls):
    assert client.ask("channel", "room-1", "message", "hello") == ["room"]
    assert client.ask("channel", "desk-1", "message", {"a": 1}) == ["desk"]
    assert client.ask("channel", "room-1", "typing", 1, [2]) == ["a", "b"]
    assert calls == [
        ("room", "room-1", "hello"),
        ("desk", "desk-1", {"a": 1}),
        ("typing", "room-1", 1, [2]),
    ]


def test_an_event_without_a_channel_is_for_all_of_them_as_in_0_3(client, calls):
    client.ask("channel", "room-1", "message", 1)
    client.ask("message", 2)
    assert calls[1:] == [("room", None, 2), ("desk", None, 2)]


@pytest.mark.parametrize(
    "args",
    [
        [],
        [None],
        ["room-1"],
        ["room-2", "message", "hello"],
        [["room-1"], "message", "hello"],
        [{"a": 1}, "message", "hello"],
        ["room-1", 5],
        ["room-1", {"a": 1}],
        ["room-1", "subscribe", "room-2"],
        ["room-1", "channel", "room-1", "message", "hello"],
        ["room-1", "connect"],
    ],
)
def test_other_channels_and_events_are_refused(client, calls, args):
    (answer,) = client.ask("channel", *args)
    assert "channel" in answer["error"]
    assert calls == []


def test_a_channel_that_was_refused_or_left_is_refused(server, client, calls):
    @on_subscribe(channel="^room-3")
    def nobody(request, socket, context, channel):
        socket.unsubscribe(channel)

    client.subscribe("room-3")
    client.ask("unsubscribe", "room-1")
    for channel in ("room-1", "room-3"):
        assert "error" in client.ask("channel", channel, "message", "hello")[0]
    assert calls == []


def test_the_channel_is_that_of_one_event(client):
    seen = []

    @on_error
    def failed(request, socket, context, exception):
        seen.append(socket.event_channel)

    @on_message
    def fail(request, socket, context, message):
        seen.append(socket.event_channel)
        raise RuntimeError("on purpose")

    client.ask("channel", "room-1", "message", "hello")
    client.ask("message", "hello")
    assert seen == ["room-1", None, None, None]


def test_the_name_of_the_event_is_reserved():
    with pytest.raises(EventError, match="reserved"):
        on_event("channel")


def test_what_was_said_in_a_room_stays_there(server):
    """The first handler of the README."""

    @on_message(channel="^room-")
    def say(request, socket, context, message):
        emit("message", message, channel=socket.event_channel)

    speaker = join(server, "room-1", "room-2")
    here, there = join(server, "room-1"), join(server, "room-2")
    speaker.emit("channel", "room-1", "message", "hello")
    hello = '42["message","hello"]'
    assert [one.sync().count(hello) for one in (speaker, here, there)] == [1, 1, 0]
