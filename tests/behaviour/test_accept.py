"""Views that call ``accept``: the rule for origins and the limits are those of sockets."""

import contextlib
import json

import pytest
import websocket
from django.urls import path
from django.views.decorators.cache import never_cache

from django_socketio.server.view import socketio
from tests.kit.http import HANDSHAKE, UPGRADE, get, raw_request
from tests.kit.live import STOPPING
from tests.project import urls
from tests.project.echo import Echo, echo_at_once


def wrapped(request):
    """Answer as our view does."""
    return never_cache(socketio)(request)


urlpatterns = [*urls.urlpatterns, path("echo/", echo_at_once), path("wrapped/", wrapped)]


GOING_AWAY = (1001).to_bytes(2) + b"server shutting down"


@pytest.fixture
def site(serve):
    def start(**options):
        return serve(django={"ROOT_URLCONF": __name__}, **options)

    return start


@contextlib.contextmanager
def dial(server, path="/echo/", **options):
    """Open a WebSocket; it is closed with the block."""
    url = f"ws://127.0.0.1:{server.port}{path}"
    client = websocket.create_connection(url, timeout=5, **options)
    yield client
    client.close()
    client.shutdown()


def refusal(server, **headers):
    """Return the status and the JSON with which a WebSocket is refused."""
    return get(server.port, "/echo/", headers={**UPGRADE, **headers})


def test_messages_come_and_go_as_they_are(site):
    with dial(site()) as client:
        for message in ("2probe", "", "é" * 70_000):
            client.send(message)
            assert client.recv() == message
        client.send_binary(b"\0\xff")
        assert client.recv() == b"\0\xff"


def test_a_websocket_that_begins_while_the_server_stops_is_closed(serve):
    server = serve({"ROOT_URLCONF": __name__, "MIDDLEWARE": [STOPPING]})
    with dial(server) as client:
        assert client.recv_data() == (websocket.ABNF.OPCODE_CLOSE, GOING_AWAY)


def test_messages_that_come_with_the_handshake_are_heard(site):
    fields = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
    head = f"GET /echo/ HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode()
    frame = b"\x81\x82\0\0\0\0hi"
    connection = raw_request(site().port, head + frame)
    with connection.makefile("rb") as file:
        while file.readline() != b"\r\n":
            pass
        assert file.read(4) == b"\x81\x02hi"


def test_pages_of_other_origins_are_refused(site):
    assert refusal(site(), Origin="http://evil.example")[0] == 403
    with dial(site(ALLOWED_ORIGINS=["http://good.example"]), origin="http://good.example"):
        pass


def test_new_connections_of_an_address_are_counted(site):
    server = site(ADDRESS_CONNECT_RATE=0.01, RATE_BURST=100)
    with dial(server):
        status, answer = refusal(server)
    assert status == 429
    assert "connections" in answer["message"]


def test_messages_are_as_long_as_those_of_sockets(site):
    with dial(site(MAX_MESSAGE_SIZE=1_000)) as client:
        client.send("x" * 1_001)
        opcode, data = client.recv_data()
        assert (opcode, int.from_bytes(data[:2])) == (websocket.ABNF.OPCODE_CLOSE, 1009)


def test_a_request_that_is_no_websocket_handshake_is_refused(site):
    status, answer = get(site().port, "/echo/")
    assert status == 400
    assert "Connection: Upgrade" in answer["message"]


def test_they_end_when_the_server_stops(site, monkeypatch):
    ended = []
    monkeypatch.setattr(Echo, "on_close", lambda *args: ended.append(args[1:]))
    server = site()
    with dial(server) as client:
        client.send("hello")
        assert client.recv() == "hello"
        server.call(server.socket_server.engine.stop)
        opcode, data = client.recv_data()
        assert (opcode, int.from_bytes(data[:2])) == (websocket.ABNF.OPCODE_CLOSE, 1001)
        assert refusal(server)[0] == 503
    assert ended == [(1001, "server shutting down")]


def test_closed_ones_are_not_kept(site, monkeypatch):
    monkeypatch.setattr("django_socketio.transports.accepted.FEW", 3)
    server = site()
    engine = server.socket_server.engine
    with dial(server):
        for _ in range(10):
            with dial(server):
                pass
        assert len(engine.accepted) <= 6
        assert len([one for one in engine.accepted if not one.is_closed]) >= 1


def test_a_view_that_calls_ours_begins_sessions_at_any_path(site):
    with dial(site(), "/wrapped/?EIO=4&transport=websocket") as client:
        assert json.loads(client.recv()[1:])["pingInterval"]


def test_a_session_at_another_path_is_told_where_its_requests_must_go(site):
    server = site()
    url = HANDSHAKE.replace("/socket.io/", "/wrapped/")
    _, packet = get(server.port, url)
    sid = json.loads(packet[1:])["sid"] if isinstance(packet, str) else packet["sid"]
    status, answer = get(server.port, f"{url}&sid={sid}")
    assert status == 400
    assert "a path that ends with /socket.io/" in answer["message"]
