"""The official JavaScript client, which offers compression by itself, and a server that agrees."""

import pytest

from django_socketio.events import on_message
from tests.kit.tap import Tap

LONG = [{"id": number, "name": f"name {number}"} for number in range(5_000)]
"""About 150 KB of JSON."""


@pytest.fixture
def tap(serve):
    """What lies between the client and a server that compresses."""
    tap = Tap(serve(COMPRESSION_THRESHOLD=1024).port)
    yield tap
    tap.close()


@pytest.mark.parametrize("transport", ["websocket", "upgraded"])
def test_messages_are_compressed_both_ways(tap, node, transport):
    @on_message
    def back(request, socket, context, message):
        socket.send(message)

    client = node.connect(tap, transport)
    for message in (LONG, "short", {"attachment": b"x" * 100_000}, LONG):
        client.emit("message", message)
        assert client.event() == ["message", message]
    assert tap.up < 60_000
    assert tap.down < 60_000
