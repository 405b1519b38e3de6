"""Clients of Engine.IO 3, packet by packet; ``tests/clients`` has the official ones."""

import json
import socket
import struct
import threading

import pytest
from django.core.exceptions import PermissionDenied

from django_socketio.events import on_connect
from django_socketio.protocol.engineio import v3
from tests.kit.clients import WebSocketClient
from tests.kit.http import UPGRADE, get, raw_request, request
from tests.kit.waiting import wait_until

VERSION = "&EIO=3"


@pytest.fixture
def server(serve):
    return serve(ALLOW_EIO3=True)


class OldPolling:
    """A session of Engine.IO 3 on long-polling, whose tests send each request themselves."""

    def __init__(self, port):
        self.port = port
        self.path = "/socket.io/?EIO=3&transport=polling&b64=1"
        (handshake,) = self.get()
        self.sid = json.loads(handshake.data)["sid"]
        self.path += f"&sid={self.sid}"

    def get(self):
        """Return the packets of the answer to a GET."""
        status, body = get(self.port, self.path)
        assert status == 200, body
        return list(v3.decode_payload(body.encode(), 100))

    def post(self, *contents):
        """Send packets in one POST."""
        body = b"".join(map(v3.payload_part, contents))
        assert get(self.port, self.path, "POST", body) == (200, "ok")

    def upgrade(self):
        """Begin an upgrade; return the WebSocket."""
        websocket = WebSocketClient(self.port, self.sid, VERSION)
        websocket.send("2probe")
        assert websocket.receive() == "3probe"
        return websocket


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_sid_alone_does_not_give_access(serve, tmp_path, method):
    sessions = {
        "SESSION_ENGINE": "django.contrib.sessions.backends.file",
        "SESSION_FILE_PATH": str(tmp_path),
    }
    client = OldPolling(serve(sessions, ALLOW_EIO3=True).port)
    other = {"Cookie": "sessionid=of-somebody-else"}
    status, _ = get(client.port, client.path, method, b'11:42["stolen"]', other)
    assert status == 403
    assert [packet.data for packet in client.get()] == ["0"]


def test_a_first_message_may_be_large(serve):
    server = serve(ALLOW_EIO3=True, MAX_UNSENT_BYTES=1_000)

    @on_connect
    def greet(request, socket, context):
        socket.send("x" * 950)

    websocket = WebSocketClient(server.port, query=VERSION)
    assert websocket.receive() == "40"
    assert websocket.event() == ["message", "x" * 950]


# Upgrades


def wait_until_queued(server, client, count):
    """Wait until so many packets wait for a poll of the client."""
    queue = server.socket_server.engine.sessions[client.sid].transport._queue
    wait_until(lambda: len(queue) >= count)


def test_an_upgrade_takes_all_that_was_not_fetched(server):
    @on_connect
    def greet(request, socket, context):
        socket.send("not fetched")
        socket.send(b"\x01")

    client = OldPolling(server.port)
    wait_until_queued(server, client, 4)
    websocket = client.upgrade()
    websocket.send("5")
    event = '451-["message",{"_placeholder":true,"num":0}]'
    expected = ["40", '42["message","not fetched"]', event, b"\x04\x01"]
    assert [websocket.receive() for _ in expected] == expected


@pytest.mark.parametrize(
    ("namespace", "answer"), [("/admin", "Not today"), ("/none", "Invalid namespace")]
)
def test_an_upgrade_takes_the_refusal_that_was_not_fetched(server, namespace, answer):
    @on_connect(namespace="/admin")
    def refuse(request, socket, context):
        raise PermissionDenied("Not today")

    client = OldPolling(server.port)
    assert [packet.data for packet in client.get()] == ["0"]
    client.post(f"40{namespace},")
    wait_until_queued(server, client, 1)
    websocket = client.upgrade()
    websocket.send("5")
    assert websocket.receive() == f'44{namespace},"{answer}"'


def test_a_second_websocket_that_breaks_at_once_ends_no_session(server, caplog):
    client = OldPolling(server.port)
    websocket = client.upgrade()
    websocket.send("5")
    assert websocket.receive() == "40"
    caplog.clear()
    path = f"/socket.io/?EIO=3&transport=websocket&sid={client.sid}"
    reset = threading.Event()
    threading.Thread(target=server.call, args=[reset.wait]).start()
    second = raw_request(server.port, request({"Host": "localhost", **UPGRADE}, path=path))
    second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    second.close()
    reset.set()
    wait_until(lambda: '" 101 ' in caplog.text)
    assert client.sid in server.socket_server.engine.sessions
    websocket.send("2")
    assert websocket.receive() == "3"
