"""What clients in other languages send, and Socket.IO's own server takes."""

from base64 import b64encode

import pytest
from websocket import ABNF

from django_socketio.events import on_connect, on_event
from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.http import closed_with, get, raw_get, response
from tests.kit.live import wait_until_polled

JAVA_MIME_LINE = 76

TAKEN = "another WebSocket carries the session, or is about to"


@pytest.fixture
def sizes():
    """Answer "size" with the number of bytes that came."""
    on_event("size")(lambda request, socket, context, data: len(data))


def java_base64(data):
    """Encode as the Java client does: lines of 76 characters, each with its line break."""
    text = b64encode(data).decode()
    lines = [text[i : i + JAVA_MIME_LINE] for i in range(0, len(text), JAVA_MIME_LINE)]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("size", [1, 2, 3, 56, 57, 58, 1000])
def test_binary_of_the_java_client_over_polling(server, sizes, size):
    client = PollingClient(server.port)
    client.connect()
    event = '451-7["size",{"_placeholder":true,"num":0}]'
    body = f"{event}\x1eb{java_base64(bytes(size))}"
    assert client.post(body.encode()) == (200, "ok")
    assert client.receive() == f"437[{size}]"


# Upgrades


@pytest.fixture
def polling(server):
    """A session on long-polling that has messages which were not fetched yet."""

    @on_connect
    def greet(request, socket, context):
        socket.send("not fetched")

    client = PollingClient(server.port)
    client.send("40")
    return client


def test_an_upgrade_without_a_probe_takes_the_session_over(server, polling):
    websocket = WebSocketClient(server.port, polling.sid)
    websocket.send("5")
    assert websocket.receive().startswith('40{"sid"')
    assert websocket.event() == ["message", "not fetched"]
    assert websocket.sync() == []
    assert get(server.port, polling.path)[0] == 400


def test_an_upgrade_without_a_probe_releases_the_get_that_waits(server):
    client = PollingClient(server.port)
    waiting = raw_get(server, client.path)
    wait_until_polled(server, client)
    websocket = WebSocketClient(server.port, client.sid)
    websocket.send("5")
    assert response(waiting) == (200, "6")
    websocket.connect()


@pytest.mark.parametrize(
    "packets", [["2probe", "2probe", "5"], ["5", "5"], ["2probe", "5", "5", "6"], ["2probe", "5"]]
)
def test_an_upgrade_in_one_go_with_what_is_said_after_it(server, polling, packets):
    websocket = WebSocketClient(server.port, polling.sid)
    connection = websocket.ws.sock
    frames = [ABNF.create_frame(packet, ABNF.OPCODE_TEXT).format() for packet in packets]
    connection.sendall(b"".join(frames))
    for _ in range(packets.count("2probe")):
        assert websocket.receive() == "3probe"
    assert websocket.receive().startswith('40{"sid"')
    assert websocket.event() == ["message", "not fetched"]
    assert websocket.sync() == []


def test_a_websocket_that_upgrades_from_nothing_is_taken(server):
    websocket = WebSocketClient(server.port)
    websocket.send("5")
    websocket.connect()


def test_only_one_of_two_websockets_upgrades(server, polling):
    probing = WebSocketClient(server.port, polling.sid)
    probing.send("2probe")
    assert probing.receive() == "3probe"
    hasty = WebSocketClient(server.port, polling.sid)
    assert closed_with(hasty) == (1000, TAKEN)
    probing.send("5")
    assert probing.receive().startswith('40{"sid"')


def test_the_last_of_several_websockets_upgrades(server, polling):
    first, second, last = [WebSocketClient(server.port, polling.sid) for _ in range(3)]
    assert closed_with(first) == closed_with(second) == (1000, TAKEN)
    last.send("2probe")
    assert last.receive() == "3probe"
    last.send("5")
    assert last.receive().startswith('40{"sid"')


@pytest.mark.parametrize("is_probed", [False, True])
@pytest.mark.parametrize(
    ("end", "close"),
    [
        (lambda server, client: client.close(), (1000, "the session is over (transport close)")),
        (
            lambda server, client: server.call(server.socket_server.engine.stop),
            (1001, "the session is over (server shutting down)"),
        ),
    ],
    ids=["client", "server"],
)
def test_an_upgrade_ends_with_its_session_and_says_so(serve, end, close, is_probed, caplog):
    server = serve()
    client = PollingClient(server.port)
    websocket = WebSocketClient(server.port, client.sid)
    if is_probed:
        websocket.send("2probe")
        assert websocket.receive() == "3probe"
    end(server, client)
    assert closed_with(websocket) == close
    assert "stays on its transport" not in caplog.text
