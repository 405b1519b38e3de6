"""The HTTP side: handshakes, long-polling, upgrades, origins."""

import http.client
import itertools
import json
import logging
import socket as sockets
import time

import gevent
import pytest

from django_socketio.events import on_connect, on_event, on_message
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.server.dev import DevelopmentHandler
from django_socketio.transports.encoded import EncodedPacket
from django_socketio.transports.upgrade import Upgrade
from tests.kit.clients import Closed, PollingClient, WebSocketClient
from tests.kit.frames import client_frame
from tests.kit.http import (
    HANDSHAKE,
    HELLO,
    UPGRADE,
    closed_with,
    get,
    raw_get,
    raw_request,
    read_all,
    response,
)
from tests.kit.live import wait_until_polled
from tests.kit.timeouts import owner_of_timer, ring
from tests.kit.waiting import wait_until


def test_the_handshake_has_exactly_the_keys_of_the_specification(serve):
    server = serve(PING_INTERVAL=0.3, PING_TIMEOUT=20)
    polling, websocket = PollingClient(server.port), WebSocketClient(server.port)
    for client, upgrades in ((polling, ["websocket"]), (websocket, [])):
        assert client.handshake == {
            "sid": client.sid,
            "upgrades": upgrades,
            "pingInterval": 300,
            "pingTimeout": 20_000,
            "maxPayload": 1_000_000,
        }


def test_the_path_works_without_its_slash(server):
    assert get(server.port, "/socket.io?EIO=4&transport=polling")[0] == 200


def test_the_second_of_two_gets_ends_the_session(server):
    client = PollingClient(server.port)
    first = raw_get(server, client.path)
    wait_until_polled(server, client)
    assert get(server.port, client.path)[0] == 400
    assert response(first) == (200, "1")
    assert get(server.port, client.path)[0] == 400


def test_a_get_that_its_client_gave_up_counts_too(server):
    client = PollingClient(server.port)
    first = raw_get(server, client.path)
    wait_until_polled(server, client)
    first.close()
    assert get(server.port, client.path)[0] == 400


def end(server, client, *messages):
    """Have the server end a session after these messages, in one turn of its event loop."""

    def end():
        session = server.socket_server.engine.sessions[client.sid]
        for message in messages:
            assert session.send(EncodedPacket([message]))
        session.close(Reason.SESSION_ENDED)
        return True

    assert server.call(end)


def test_the_get_that_waits_while_the_server_ends_the_session_is_refused(server):
    client = PollingClient(server.port)
    waiting = raw_get(server, client.path)
    wait_until_polled(server, client)
    end(server, client)
    problem = "Session ID unknown: the session is over (session ended)"
    status, body = response(waiting)
    assert (status, json.loads(body)) == (400, {"code": 1, "message": problem})
    assert get(server.port, client.path)[0] == 400


def test_the_get_that_waits_fetches_what_was_sent_before_the_end(server):
    client = PollingClient(server.port)
    waiting = raw_get(server, client.path)
    wait_until_polled(server, client)
    end(server, client, '42["message","last words"]')
    assert response(waiting) == (200, '42["message","last words"]')
    assert get(server.port, client.path)[0] == 400


def test_a_second_post_ends_the_session(server):
    client = PollingClient(server.port)
    half = f"POST {client.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n4"
    first = raw_request(server.port, half.encode())
    wait_until_posting(server, client)
    assert get(server.port, client.path, "POST", b"40")[0] == 400
    first.close()
    assert get(server.port, client.path)[0] == 400


BROKEN = {
    "cut short": ("Content-Length: 9", b"420[1", True),
    "cut short in a chunk": ("Transfer-Encoding: chunked", b"9\r\n420[1", True),
    "no chunk": ("Transfer-Encoding: chunked", b"x\r\n40\r\n0\r\n\r\n", False),
}


@pytest.mark.parametrize(("framing", "body", "ends"), BROKEN.values(), ids=BROKEN)
def test_a_post_whose_body_is_broken_ends_the_session(server, framing, body, ends):
    client = PollingClient(server.port)
    head = f"POST {client.path} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n"
    connection = raw_request(server.port, head.encode() + body)
    if ends:
        connection.shutdown(sockets.SHUT_WR)
    assert response(connection)[0] == 400
    problem = "Session ID unknown: the session is over"
    assert problem in get(server.port, client.path)[1]["message"]


def begin_post(server, client, body):
    """Begin a POST; return what sends its last byte, and returns the answer."""
    head = f"POST {client.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = raw_request(server.port, head.encode() + body[:-1])
    wait_until_posting(server, client)

    def finish():
        connection.sendall(body[-1:])
        return response(connection)

    return finish


def test_a_post_that_takes_long_keeps_its_session(server):
    client = PollingClient(server.port)
    finish = begin_post(server, client, b"3\x1e40")
    session = server.socket_server.engine.sessions[client.sid]
    for hours in (1, 2, 3):
        server.call(session.wake, time.monotonic() + 3600 * hours)
    assert finish() == (200, "ok")
    assert client.receive().startswith("40{")


def test_a_post_whose_session_ends_before_it_has_come_is_refused(server):
    client = PollingClient(server.port)
    finish = begin_post(server, client, b"40")
    server.call(server.socket_server.engine.sessions[client.sid].close, "session ended")
    status, text = finish()
    assert status == 400
    assert "Session ID unknown: the session is over (session ended)" in text


def wait_until_posting(server, client):
    import gevent

    transport = server.socket_server.engine.sessions[client.sid].transport

    def wait():
        while not transport._posting:
            gevent.sleep(0.001)
        return True

    assert server.call(wait)


def test_a_close_answers_the_waiting_get_with_a_noop(server):
    client = PollingClient(server.port)
    first = raw_get(server, client.path)
    wait_until_polled(server, client)
    client.send("1")
    assert response(first) == (200, "6")
    assert get(server.port, client.path)[0] == 400


def test_a_get_that_the_closing_post_overtook_is_answered_with_a_noop_too(server, monkeypatch):
    monkeypatch.setattr("django_socketio.transports.polling.LATE_POLL_TIME", 5)
    client = PollingClient(server.port)
    close = f"POST {client.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1"
    closing = raw_request(server.port, close.encode())
    wait_until_late_poll(server, client)
    assert get(server.port, client.path) == (200, "6")
    assert response(closing) == (200, "ok")
    assert get(server.port, client.path)[0] == 400


def wait_until_late_poll(server, client):
    import gevent

    def wait():
        while client.sid not in server.socket_server.engine._late_polls:
            gevent.sleep(0.001)
        return True

    assert server.call(wait)


def test_after_a_close_there_is_nothing_to_get(server):
    client = PollingClient(server.port)
    client.send("1")
    assert get(server.port, client.path)[0] == 400


def test_nothing_is_read_of_a_payload_after_its_close_packet(server):
    client = PollingClient(server.port)
    assert get(server.port, client.path, "POST", b"1\x1eno packet") == (200, "ok")


def test_nothing_is_read_of_a_payload_after_the_server_has_ended_its_session(serve):
    server = serve(MAX_WAITING_EVENTS=1)
    session = None

    @on_message
    def end(request, socket, context, message):
        gevent.idle()  # until the POST waits for the events before its last packet
        session.close(Reason.SESSION_ENDED)

    client = PollingClient(server.port)
    client.connect()
    session = server.socket_server.engine.sessions[client.sid]
    events = ['42["message",1]'] * 3
    body = "\x1e".join([*events, "no packet"]).encode()
    assert get(server.port, client.path, "POST", body) == (200, "ok")


def test_an_answer_holds_at_most_16_packets(server):
    @on_connect
    def flood(request, socket, context):
        for number in range(40):
            socket.send(number)

    client = PollingClient(server.port)
    client.send("40")
    counts = [len(get(server.port, client.path)[1].split("\x1e")) for _ in range(3)]
    assert counts == [16, 16, 9]


def test_a_thousand_packets_come_in_one_post(server):
    seen = []

    @on_message
    def note(request, socket, context, message):
        seen.append(message)

    client = PollingClient(server.port)
    client.connect()
    client.send("\x1e".join(f'42["message",{number}]' for number in range(1000)))
    client.sync()
    assert seen == list(range(1000))


@pytest.mark.alone
def test_a_polling_session_without_pong_ends_on_time(serve):
    server = serve(PING_INTERVAL=0.2, PING_TIMEOUT=0.1)
    import time

    begun = time.monotonic()
    client = PollingClient(server.port)
    client.answer_pings = False
    with pytest.raises(Closed):
        client.receive()
    assert 0.29 < time.monotonic() - begun < 0.45
    assert get(server.port, client.path)[0] == 400


def test_a_refused_request_is_logged_with_nothing_of_the_one_before(server, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "django.server")
    log, logged = DevelopmentHandler.log_request, []

    def note(handler):
        log(handler)
        logged.append((handler.response_headers, [*handler.headers.items()], handler.time_start))

    monkeypatch.setattr(DevelopmentHandler, "log_request", note)
    connection = raw_get(server, "/socket.io/?EIO=4&transport=polling", "X-Name: ann\r\n")
    assert response(connection)[0] == 200
    wait_until(lambda: logged)
    before = time.time()
    connection.sendall(b"nonsense\r\n\r\n")
    assert response(connection)[0] == 400
    first, (headers, fields, begun) = wait_until(lambda: len(logged) == 2 and logged)
    assert ("x-name", "ann") in first[1]
    assert (headers, fields) == (None, [])
    assert begun >= before
    lines = [record.getMessage() for record in caplog.records if record.name == "django.server"]
    assert [line.split('"')[2].split()[0] for line in lines] == ["200", "400"]


CLOSING = ["Close", "TE, close", "keep-alive,close", "TE\r\nConnection: close"]


@pytest.mark.parametrize("options", CLOSING)
def test_a_connection_that_is_closed_says_so(server, options):
    answer = read_all(raw_get(server, HANDSHAKE, f"Connection: {options}\r\n"))
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize(
    ("version", "fields", "is_kept"),
    [
        ("HTTP/1.1", "", True),
        ("HTTP/1.1", "Connection: TE\r\n", True),
        ("HTTP/1.0", "", False),
        ("HTTP/1.0", "Connection: TE\r\n", False),
        ("HTTP/1.0", "Connection: TE, Keep-Alive\r\n", True),
    ],
)
def test_which_connections_are_kept(server, version, fields, is_kept):
    get = f"GET {HANDSHAKE} {version}\r\nHost: localhost\r\n{fields}\r\n".encode()
    connection = raw_request(server.port, get)
    assert response(connection)[0] == 200
    if is_kept:
        connection.sendall(get)
        assert response(connection)[0] == 200
    else:
        assert connection.recv(1) == b""


def test_a_chunked_post_is_read(server):
    client = PollingClient(server.port)
    body = "2\r\n40\r\n0\r\n\r\n"
    head = f"POST {client.path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    request = head + body
    assert response(raw_request(server.port, request.encode())) == (200, "ok")
    assert client.receive().startswith("40")


# Upgrade


def test_messages_on_their_way_survive_the_upgrade(server):
    @on_connect
    def flood(request, socket, context):
        socket.send(b"\x00")
        for number in range(40):
            socket.send(number)

    client = PollingClient(server.port)
    client.send("40")
    upgraded = client.upgrade()
    assert upgraded.receive().startswith("40")
    assert upgraded.receive() == '451-["message",{"_placeholder":true,"num":0}]'
    assert upgraded.receive() == b"\x00"
    assert [upgraded.event()[1] for _ in range(40)] == list(range(40))


def test_a_get_during_the_probe_is_answered_with_a_noop(server):
    client = PollingClient(server.port)
    waiting = raw_get(server, client.path)
    wait_until_polled(server, client)
    websocket = WebSocketClient(server.port, client.sid)
    websocket.send("2probe")
    assert websocket.receive() == "3probe"
    assert response(waiting) == (200, "6")
    assert get(server.port, client.path) == (200, "6")
    websocket.send("5")
    websocket.connect()


def test_after_the_upgrade_polling_is_refused_and_the_session_lives(server):
    client = PollingClient(server.port)
    upgraded = client.upgrade()
    assert get(server.port, client.path)[0] == 400
    assert get(server.port, client.path, "POST", b"40")[0] == 400
    upgraded.connect()


def test_a_second_websocket_is_accepted_and_closed(server):
    client = PollingClient(server.port)
    upgraded = client.upgrade()
    second = WebSocketClient(server.port, client.sid)
    assert closed_with(second) == (1000, "another WebSocket carries the session, or is about to")
    upgraded.connect()


@pytest.mark.parametrize("packet", ["2", "3", "3probe", "1", "6", "4hello", '42["a"]', "x", b"x"])
def test_an_upgrade_that_begins_otherwise_is_given_up_and_says_why(server, caplog, packet):
    client = PollingClient(server.port)
    websocket = WebSocketClient(server.port, client.sid)
    websocket.send(packet)
    problem = f"an upgrade begins with '2probe' or '5', not {packet!r}"
    assert closed_with(websocket) == (1008, problem)
    client.connect()
    assert problem in caplog.text
    assert client.sid not in caplog.text


def test_an_upgrade_by_something_long_is_quoted_in_short(server):
    client = PollingClient(server.port)
    websocket = WebSocketClient(server.port, client.sid)
    websocket.send("4" + "x" * 100_000)
    code, problem = closed_with(websocket)
    assert (code, problem[:30]) == (1008, "an upgrade begins with '2probe")
    client.connect()


def test_an_upgrade_that_is_abandoned_leaves_the_session_on_polling(server):
    client = PollingClient(server.port)
    websocket = WebSocketClient(server.port, client.sid)
    websocket.send("2probe")
    assert websocket.receive() == "3probe"
    websocket.abandon()
    client.connect()
    assert client.upgrade().sync() == []


def test_an_upgrade_that_takes_too_long_is_given_up_and_says_why(server, caplog):
    client = PollingClient(server.port)
    websocket = WebSocketClient(server.port, client.sid)
    websocket.send("2probe")
    assert websocket.receive() == "3probe"
    ring(server, owner_of_timer(server, Upgrade)._timer)
    problem = "the upgrade took more than 20 s (SOCKETIO_PING_TIMEOUT)"
    assert closed_with(websocket) == (1000, problem)
    client.connect()
    assert problem in caplog.text


def test_frames_in_the_segment_of_the_upgrade_request_are_read(server):

    connection = raw_request(server.port, HELLO + client_frame(0x81, b"40"))
    received = b""
    while b"40{" not in received:
        received += connection.recv(4096)
    assert received.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Content-Length" not in received
    assert received.index(b'0{"sid"') < received.index(b"40{")


def test_accepted_sockets_do_not_wait_to_fill_packets(server):
    client = WebSocketClient(server.port)
    (session,) = server.socket_server.engine.sessions.values()
    accepted = session.transport._socket
    assert accepted.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY) == 1
    client.close()


# Django around the handshake


def test_the_request_has_passed_the_middleware(server, connect):
    @on_event("who")
    def who(request, socket, context):
        return [request.user.is_authenticated, request.path, request.GET["EIO"]]

    assert connect(server).ask("who") == [[False, "/socket.io/", "4"]]


def refuse_middleware(get_response):
    """A middleware that answers instead of the view."""
    from django.http import HttpResponseForbidden

    return lambda request: HttpResponseForbidden("No entry")


def replace_middleware(get_response):
    """A middleware that lets the view run and answers otherwise."""
    from django.http import HttpResponse

    def middleware(request):
        get_response(request)
        return HttpResponse("Other", status=503)

    return middleware


@pytest.mark.parametrize(("name", "status"), [("refuse", 403), ("replace", 503)])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_middleware_can_refuse_the_handshake(serve, name, status, transport):
    server = serve(django={"MIDDLEWARE": [f"tests.behaviour.test_http.{name}_middleware"]})
    path = f"/socket.io/?EIO=4&transport={transport}"
    sent = UPGRADE if transport == "websocket" else {}
    assert get(server.port, path, headers=sent)[0] == status
    assert server.socket_server.engine.sessions == {}


def test_a_host_that_is_not_allowed_is_refused(server):
    client = PollingClient(server.port)
    assert get(server.port, client.path, headers={"Host": "evil.example"})[0] == 400
    assert get(server.port, HANDSHAKE, headers={"Host": "evil.example"})[0] == 400


# Origins


def origin(server, value, path=HANDSHAKE, method="GET", host="localhost"):
    answer = raw_request(
        server.port,
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {value}\r\n"
        "Access-Control-Request-Method: POST\r\nConnection: close\r\n\r\n".encode(),
    )
    head, _, body = read_all(answer).decode().partition("\r\n\r\n")
    status, *fields = head.split("\r\n")
    return int(status.split()[1]), dict(field.split(": ", 1) for field in fields), body


def test_the_same_origin_is_allowed(server):
    status, headers, _ = origin(server, "http://localhost:9000", host="localhost:9000")
    assert status == 200
    assert "Access-Control-Allow-Origin" not in headers


def test_another_origin_is_refused_and_the_log_says_what_to_do(server, caplog):
    status, _, body = origin(server, "https://evil.example")
    assert status == 403
    assert json.loads(body) == {"code": 4, "message": "Forbidden origin"}
    assert "'https://evil.example' refused: expected 'http://localhost'" in caplog.text
    assert "SOCKETIO_ALLOWED_ORIGINS" in caplog.text


def test_another_origin_is_refused_in_the_requests_of_a_session_too(server):
    client = PollingClient(server.port)
    assert origin(server, "https://evil.example", client.path)[0] == 403
    client.connect()


@pytest.mark.parametrize(
    "allowed",
    [
        ["https://good.example"],
        ["https://*.example"],
        ["https://x", "https://good.example/"],
    ],
)
def test_allowed_origins_are_allowed(serve, allowed):
    status, headers, _ = origin(serve(ALLOWED_ORIGINS=allowed), "https://good.example")
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == "https://good.example"
    assert headers["Access-Control-Allow-Credentials"] == "true"


def test_a_subdomain_pattern_allows_no_other_scheme_or_domain(serve):
    server = serve(ALLOWED_ORIGINS=["https://*.good.example"])
    assert origin(server, "https://a.good.example")[0] == 200
    assert origin(server, "http://a.good.example")[0] == 403
    assert origin(server, "https://agood.example")[0] == 403


def test_trusted_origins_of_csrf_are_allowed(serve):
    server = serve(django={"CSRF_TRUSTED_ORIGINS": ["https://good.example"]})
    assert origin(server, "https://good.example")[0] == 200


def test_a_preflight_is_answered_for_allowed_origins_only(serve):
    server = serve(ALLOWED_ORIGINS=["https://good.example"])
    client = PollingClient(server.port)
    for path in (HANDSHAKE, client.path):
        status, headers, _ = origin(server, "https://good.example", path, "OPTIONS")
        assert status == 204
        assert headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
        assert origin(server, "https://evil.example", path, "OPTIONS")[0] == 403


def test_the_scheme_behind_a_proxy_counts(serve):
    server = serve(django={"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")})
    client = PollingClient(
        server.port,
        {"X-Forwarded-Proto": "https", "Origin": "https://localhost", "Host": "localhost"},
    )
    client.connect()


@pytest.mark.parametrize("client", ["django", "wsgi"])
def test_a_server_that_cannot_hold_sockets_says_what_to_run(client):
    from django.test import Client

    response = Client().get(HANDSHAKE)
    assert response.status_code == 501
    assert b"runserver_socketio" in response.content


AMBIGUOUS = [
    "",
    "Host: localhost\r\nHost: localhost\r\n",
    "Host: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n",
    "Host: localhost\r\nContent-Length: 2, 2\r\n",
    "Host: localhost\r\nContent-Length: +2\r\n",
    "Host: localhost\r\nContent-Length: 0_2\r\n",
    "Host: localhost\r\nContent-Length: -2\r\n",
    "Host: localhost\r\nContent-Length: \u00b2\r\n",
    "Host: localhost\r\nContent-Length:\r\n",
    "Host: localhost\r\nTransfer-Encoding: gzip, chunked\r\n",
    "Host: localhost\r\nTransfer-Encoding: identity\r\n",
    "Host: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "Host: localhost\r\nContent-Length : 2\r\n",
    "Host: localhost\r\nContent-Length\r\n",
    "Host: localhost\r\nX-Folded: a\r\n Content-Length: 2\r\n",
    "Host: localhost\r\nContent-Length: 2\0\r\n",
    "Host: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    "Host: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n",
    "Host: localhost\r\nX-Bare: a\rContent-Length: 2\r\n",
    "Host: localhost\r\n: 2\r\n",
]


@pytest.mark.parametrize("fields", AMBIGUOUS)
def test_a_request_that_can_be_read_in_two_ways_is_refused(server, fields):
    client = PollingClient(server.port)
    head = f"POST {client.path} HTTP/1.1\r\n{fields}\r\n"
    connection = raw_request(server.port, head.encode("latin-1") + b"40")
    assert response(connection)[0] == 400
    assert connection.recv(1) == b""  # what follows is not read as a request


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.0\r\nConnection: keep-alive"])
def test_a_transfer_encoding_in_http_1_0_is_refused(server, version):
    client = PollingClient(server.port)
    head = f"POST {client.path} {version}\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection = raw_request(server.port, head.encode() + b"2\r\n40\r\n0\r\n\r\n")
    assert response(connection)[0] == 400
    assert connection.recv(1) == b""


UPGRADES = ["Connection: upgrade", "Connection: Upgrade\r\nUpgrade: x", "Upgrade: websocket"]
FRAMED = {"Content-Length: 2": b"40", "Transfer-Encoding: chunked": b"2\r\n40\r\n0\r\n\r\n"}


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("framing", FRAMED)
def test_a_body_is_read_once_where_an_upgrade_is_asked_for(server, upgrade, framing):
    client = PollingClient(server.port)
    head = f"POST {client.path} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n{framing}\r\n\r\n"
    following = b"GET /fields/ HTTP/1.1\r\nHost: localhost\r\nX-Second: 2\r\n\r\n"
    connection = raw_request(server.port, head.encode() + FRAMED[framing] + following)
    data = b""
    while b"HTTP_X_SECOND" not in data:
        data += connection.recv(4096)
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert client.receive().startswith("40")


REQUEST_LINES = [
    "GET\t{path} HTTP/1.1",
    "GET {path}\tHTTP/1.1",
    "GET  {path} HTTP/1.1",
    " GET {path} HTTP/1.1",
    "GET {path} HTTP/1.1 ",
    "GET {path}\x0bHTTP/1.1",
    "GET {path}\x85HTTP/1.1 HTTP/1.1\x00",
    "GET {path} HTTP/1.",
    "GET {path} HTTP/2.0",
    "GET {path}",
    "G(T {path} HTTP/1.1",
]


@pytest.mark.parametrize("line", REQUEST_LINES)
def test_a_request_line_that_can_be_read_in_two_ways_is_refused(server, line):
    head = line.format(path=HANDSHAKE) + "\r\nHost: localhost\r\n\r\n"
    connection = raw_request(server.port, head.encode("latin-1"))
    assert response(connection)[0] == 400
    assert connection.recv(1) == b""


BODIES = [
    b"2;a=\n\r\n40\r\n0\r\n\r\n",  # a bare LF, within an extension
    b"2;a\nb\r\n40\r\n0\r\n\r\n",
    b"2;a=\0\r\n40\r\n0\r\n\r\n",
    b"2\n40\r\n0\r\n\r\n",
    b"2\r40\r\n0\r\n\r\n",
    b"+2\r\n40\r\n0\r\n\r\n",
    b"0x2\r\n40\r\n0\r\n\r\n",
    b" 2\r\n40\r\n0\r\n\r\n",
    b"2 \r\n40\r\n0\r\n\r\n",
    b"00000000000000002\r\n40\r\n0\r\n\r\n",
    b"2\r\n40\n0\r\n\r\n",
    b"2\r\n400\r\n0\r\n\r\n",
    b"2\r\n40\r\n0\r\nX: a\n\r\n",
    b"2\r\n40\r\n0\r\nX a: b\r\n\r\n",
    b"2\r\n40\r\n0\r\n folded\r\n\r\n",
    b"2\r\n40\r\n" + b"0\r\n" + b"X: a\r\n" * 101 + b"\r\n",
    b"\r\n",
]


@pytest.mark.parametrize("body", BODIES)
def test_chunks_that_can_be_read_in_two_ways_are_refused(server, body):
    client = PollingClient(server.port)
    head = f"POST {client.path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection = raw_request(server.port, head.encode() + body)
    assert response(connection)[0] == 400
    assert connection.recv(1) == b""


@pytest.mark.parametrize("size", [10_000, 1], ids=["at once", "byte by byte"])
def test_chunks_with_extensions_and_trailers_are_read_and_what_follows_too(server, size):
    client = PollingClient(server.port)
    body = b'1;a;b="c"\r\n4\r\n1 ; x\r\n0\r\n000\r\nX-Trailer: a\r\nY:\r\n\r\n'
    head = f"POST {client.path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = head.encode() + body + b"GET /fields/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
    connection = raw_request(server.port, b"")
    connection.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
    for start in range(0, len(data), size):
        connection.sendall(data[start : start + size])
    answers = connection.makefile("rb")
    for answered in (b"ok", b'{"HTTP_HOST": "localhost"}'):
        assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
        length = int(http.client.parse_headers(answers)["Content-Length"])
        assert answers.read(length) == answered
    assert client.receive().startswith("40{")


def test_the_head_of_a_request_has_a_limit(server):
    field = f"X-Long: {'x' * 20_000}\r\n"
    for count, status in ((3, 200), (4, 431)):
        head = f"GET /fields/ HTTP/1.1\r\nHost: localhost\r\n{field * count}\r\n"
        assert response(raw_request(server.port, head.encode()))[0] == status


def test_header_fields_reach_django_as_wsgi_names_them(server):
    sent = [
        "Host: localhost",
        "content-TYPE: text/plain",
        "X-Spaces: \t two  words \t",
        "X-Empty:",
        "X-Twice: a",
        "Accept: */*",
        "x-twice: b:c",
        "Cookie: a=1",
        "Cookie: b=2",
        "X-Latin: \xfc",
        "X_Twice: not this one",
        "Content-Length: 0",
    ]
    head = "\r\n".join(["GET /fields/ HTTP/1.1", *sent, "\r\n"])
    status, body = response(raw_request(server.port, head.encode("latin-1")))
    assert (status, json.loads(body)) == (
        200,
        {
            "HTTP_HOST": "localhost",
            "CONTENT_TYPE": "text/plain",
            "CONTENT_LENGTH": "0",
            "HTTP_X_SPACES": "two  words",
            "HTTP_X_EMPTY": "",
            "HTTP_X_TWICE": "a,b:c",
            "HTTP_ACCEPT": "*/*",
            "HTTP_COOKIE": "a=1; b=2",
            "HTTP_X_LATIN": "\xfc",
        },
    )


def test_a_request_that_ends_within_its_head_is_refused(server):
    head = f"GET {HANDSHAKE} HTTP/1.1\r\nHost: localhost\r\n"
    connection = raw_request(server.port, head.encode())
    connection.shutdown(sockets.SHUT_WR)
    assert response(connection)[0] == 400
    assert not server.socket_server.engine.sessions


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ("Content-Length: 2\r\n", b"40"),
        ("Content-Length: 2\r\nContent-Length: 2\r\n", b"40"),
        ("Transfer-Encoding: Chunked\r\n", b"1\r\n4\r\n1\r\n0\r\n0\r\n\r\n"),
    ],
)
def test_a_body_is_read_as_long_as_it_is(server, fields, body):
    client = PollingClient(server.port)
    head = f"POST {client.path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"
    assert response(raw_request(server.port, head.encode() + body)) == (200, "ok")
    assert client.receive().startswith("40{")


ENDS = ["\r\n\r\n", "\n\n", "\r\n\n", "\n\r\n"]


@pytest.mark.parametrize("ends", list(itertools.product(ENDS, repeat=2)))
@pytest.mark.parametrize("size", [10_000, 7], ids=["at once", "in pieces"])
def test_a_request_ends_with_its_first_empty_line_however_it_comes(server, ends, size):
    requests = [
        f"GET /fields/ HTTP/1.1\r\nHost: localhost\r\nX-Number: {number}{end}".encode()
        for number, end in enumerate(ends)
    ]
    data = b"".join(requests)
    connection = raw_request(server.port, b"")
    connection.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
    for start in range(0, len(data), size):
        connection.sendall(data[start : start + size])
    answers = connection.makefile("rb")
    for number in range(2):
        assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
        fields = http.client.parse_headers(answers)
        body = json.loads(answers.read(int(fields["Content-Length"])))
        assert body["HTTP_X_NUMBER"] == str(number)


@pytest.mark.parametrize(("count", "status"), [(100, 200), (101, 431)])
@pytest.mark.parametrize("padding", [0, 100], ids=["at once", "in pieces"])
def test_there_are_a_hundred_header_fields_at_most(server, count, status, padding):
    fields = [f"X-{number}: {'x' * padding}" for number in range(count - 1)]
    head = "\r\n".join(["GET /fields/ HTTP/1.1", "Host: localhost", *fields, "\r\n"])
    assert response(raw_request(server.port, head.encode()))[0] == status
