"""The official JavaScript client asks for a history, and for what it has missed."""

import pytest

from django_socketio import emit


@pytest.fixture
def server(serve):
    return serve(HISTORY={"^room": {"size": 9, "seconds": 600}})


def publish(server, *texts):
    for text in texts:
        server.call(lambda t=text: emit("message", t, channel="room"))


def test_it_gets_a_history_and_then_new_messages(server, node, transport):
    publish(server, "a", "b", {"binary": b"\0\1"})
    client = node.connect(server, transport)
    accepted, past = client.ask("subscribe", "room", {"last": 2})
    assert accepted is True
    assert past["messages"] == [["message", "b"], ["message", {"binary": b"\0\1"}]]
    publish(server, "c")
    assert client.event() == ["message", "c"]


def test_it_goes_on_where_it_was(server, node, transport):
    first = node.connect(server, transport, auth={"_positions": True})
    assert first.ask("subscribe", "room")[0] is True
    publish(server, "a")
    event, text, place = first.event()
    assert (event, text, place["_at"][0]) == ("message", "a", "channel,room")
    first.disconnect()
    publish(server, "b")
    client = node.connect(server, transport)  # without places in its arguments
    _, past = client.ask("subscribe", "room", {"since": place["_at"][1]})
    assert (past["recovered"], past["messages"]) == (True, [["message", "b"]])
    publish(server, "c")
    assert client.event() == ["message", "c"]
