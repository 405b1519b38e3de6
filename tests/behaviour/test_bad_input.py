"""Bad input is harmless: it is told clearly, and a socket beside it keeps working."""

import json
import logging
import socket as sockets
import struct
import threading

import gevent
import gevent.event
import pytest

from django_socketio.events import on_error, on_event, on_message, on_subscribe
from tests.kit.clients import Closed, PollingClient, WebSocketClient
from tests.kit.frames import client_frame
from tests.kit.http import HANDSHAKE, get, raw_request, read_all, response
from tests.kit.timeouts import beat
from tests.kit.waiting import wait_until


@pytest.fixture
def bystander(server):
    """A socket beside the one that misbehaves; it must work to the end of the test."""

    @on_message
    def echo(request, socket, context, message):
        return message

    client = WebSocketClient(server.port)
    client.connect()
    yield client
    assert client.ask("message", "still here") == ["still here"]
    client.abandon()


BAD_REQUESTS = [
    ("GET", "/socket.io/?transport=polling", 5, "EIO=none came, EIO=4 is spoken"),
    ("GET", "/socket.io/?EIO=3&transport=polling", 5, "EIO=3 came, EIO=4 is spoken"),
    ("GET", "/socket.io/?EIO=abc&transport=polling", 5, "EIO=abc came"),
    ("GET", "/socket.io/?EIO=4", 0, "none came, polling and websocket are spoken"),
    ("GET", "/socket.io/?EIO=4&transport=flash", 0, "flash came"),
    ("GET", f"{HANDSHAKE}&sid=unknown", 1, "Session ID unknown"),
    ("POST", f"{HANDSHAKE}&sid=unknown", 1, "Session ID unknown"),
    ("POST", HANDSHAKE, 2, "begins with GET, not POST"),
    ("PUT", HANDSHAKE, 2, "begins with GET, not PUT"),
    ("GET", "/socket.io/?EIO=4&transport=websocket", 3, "missing Connection: Upgrade is expected"),
    ("GET", "/socket.io/?EIO=4&transport=websocket&sid=unknown", 1, "Session ID unknown"),
]


@pytest.mark.parametrize(("method", "path", "code", "told"), BAD_REQUESTS)
def test_a_bad_request_is_told_what_is_wrong(server, bystander, method, path, code, told):
    status, answer = get(server.port, path, method)
    assert (status, answer["code"]) == (400, code)
    assert told in answer["message"]


def test_other_methods_of_a_session_are_refused(server, bystander):
    client = PollingClient(server.port)
    assert get(server.port, client.path, "DELETE")[0] == 400
    client.connect()


BAD_PAYLOADS = [
    (b"abc", "starts with a digit"),
    (b"", "starts with a digit"),
    (b"4hello\x1e", "starts with a digit"),
    (b"\xff4", "not UTF-8"),
    (b"b@@@", "not base64"),
    (b"2", "PING packet"),
    (b"0{}", "OPEN packet"),
    (b"\x1e".join([b"6"] * 100_001), "SOCKETIO_MAX_PAYLOAD_PACKETS"),
]


@pytest.mark.parametrize(("body", "told"), BAD_PAYLOADS, ids=range(len(BAD_PAYLOADS)))
def test_a_bad_payload_ends_the_session(server, bystander, body, told):
    client = PollingClient(server.port)
    client.connect()
    status, answer = get(server.port, client.path, "POST", body)
    assert status == 400
    assert told in answer["message"]
    assert get(server.port, client.path)[1]["code"] == 1


BAD_PACKETS = [
    "4",
    "47[]",
    "4abc",
    "42",
    "42{}",
    '42"a"',
    "42[]",
    "42[null]",
    "42[{}]",
    '42["connect"]',
    '42["newListener"]',
    '42abc["a"]',
    '42["a"',
    '42["a"]]',
    "42[NaN]",
    '42["a",' + "[" * 100_000 + "]" * 100_000 + "]",
    "43[]",
    "430{}",
    "40[]",
    '41["a"]',
    '44{"message":"x"}',
    '42/other,["a"]',
    '45["a"]',
    '45-1-["a"]',
    '4511-["a"]',
    '4599999999999999999999-["a"]',
    '421-["a"]',
    '42["a",1e]',
    '4299999999999999999999["a"]',
    "2",
    "9",
    "",
    b"binary that nobody announced",
]


@pytest.mark.parametrize("packet", BAD_PACKETS, ids=lambda packet: repr(packet)[:24])
def test_a_bad_packet_closes_its_connection_only(server, bystander, connect, packet):
    client = connect(server)
    try:
        client.send(packet)
    except Closed:
        return
    assert client.is_closed()


def test_attachments_that_do_not_come_close_the_connection(server, bystander, connect):
    client = connect(server)
    client.send('452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    client.send(b"one")
    with pytest.raises(Closed):
        client.send('42["text instead"]')
        client.receive()


@pytest.mark.parametrize(
    ("places", "problem"),
    [
        ([], "attachment 0 has 0 places"),
        ([{"_placeholder": True, "num": 1}], "attachment 0 has 0 places"),
        ([{"_placeholder": True, "num": "0"}], "attachment 0 has 0 places"),
        ([{"_placeholder": True, "num": 0}] * 2, "attachment 0 has 2 places"),
        ([{"_placeholder": True, "num": 0}] * 1000, "attachment 0 has 1000 places"),
    ],
    ids=["none", "another", "a string", "two", "a thousand"],
)
def test_an_event_whose_attachment_has_not_one_place_is_refused(
    server, connect, caplog, places, problem
):
    caplog.set_level("INFO", "django_socketio")
    called = []
    on_event("a")(lambda request, socket, context, *args: called.append(args))
    client = connect(server)
    for id in ("7", ""):
        client.send(f"451-{id}{json.dumps(['a', *places])}")
        client.send(b"one")
    answer = client.receive()
    assert json.loads(answer.removeprefix("437")) == [{"error": f"{problem}, one is expected"}]
    client.subscribe("the connection lives")
    assert called == []
    assert caplog.text.count(f"'a' refused: {problem}") == 2


def test_an_answer_whose_attachment_has_not_one_place_is_none(server, connect, caplog):
    caplog.set_level("INFO", "django_socketio")
    answers = []

    @on_event("ask me")
    def ask(request, socket, context):
        socket.emit("question", callback=answers.append)

    client = connect(server)
    client.emit("ask me")
    assert client.receive() == '420["question"]'
    client.send("461-0[]")
    client.send(b"one")
    client.sync()
    assert answers == []
    assert "answer 0 refused: attachment 0 has 0 places, one is expected" in caplog.text


@pytest.mark.parametrize(
    "alike",
    [
        {"_placeholder": True, "num": 1},
        {"_placeholder": True, "num": 99},
        {"_placeholder": True, "num": -1},
        {"_placeholder": True, "num": "0"},
        {"_placeholder": True, "num": None},
        {"_placeholder": True},
        {"_placeholder": True, "num": 0, "more": 1},
        {"_placeholder": 1, "num": 0},
    ],
    ids=repr,
)
def test_data_that_looks_like_a_placeholder_is_data(server, connect, alike):
    @on_event("a")
    def take(request, socket, context, first, second, third):
        return [first, second, third == b"one"]

    client = connect(server)
    place = {"_placeholder": True, "num": 0}
    client.send(f"451-7{json.dumps(['a', alike, {'deep': [alike]}, place])}")
    client.send(b"one")
    assert json.loads(client.receive().removeprefix("437")) == [[alike, {"deep": [alike]}, True]]


@pytest.mark.parametrize("place", [True, 1, False], ids=repr)
@pytest.mark.parametrize("how", ["send", "broadcast", "answer"])
def test_what_looks_like_a_placeholder_is_not_sent_beside_bytes(server, connect, how, place):
    errors = []
    on_error(lambda request, socket, context, error: errors.append(str(error)))

    @on_message
    def send_on(request, socket, context, message):
        if how == "send":
            socket.send([message, b"bytes"])
        elif how == "broadcast":
            socket.send_and_broadcast([message, b"bytes"])
        return message, b"bytes"

    client = connect(server)
    client.emit("message", {"x": {"_placeholder": place, "num": 99}}, id=3)
    assert client.receive() == '433[{"error":"Internal error"}]'
    assert client.sync() == []
    assert len(errors) == 1
    assert '"_placeholder" cannot be sent beside bytes' in errors[0]


def test_what_looks_like_a_placeholder_is_sent_where_no_bytes_are(server, connect):
    on_message(lambda request, socket, context, message: socket.send(message))
    client = connect(server)
    message = {"_placeholder": True, "num": 0}
    client.emit("message", message)
    assert client.event() == ["message", message]


def test_events_before_connect_close_the_connection(server, bystander, connect):
    client = connect(server, join=False)
    with pytest.raises(Closed):
        client.send('42["message",1]')
        client.receive()


def test_an_unknown_namespace_is_refused_and_the_rest_goes_on(server, bystander, connect):
    client = connect(server)
    client.send("40/unknown")
    assert client.receive() == '44/unknown,{"message":"Invalid namespace"}'
    assert client.ask("message", 1) == [1]


def test_an_ack_that_was_never_asked_for_is_ignored(server, bystander, connect):
    client = connect(server)
    client.send("4312345[1]")
    assert client.ask("message", 1) == [1]


def test_a_message_that_is_too_big_is_told(serve, connect, caplog):
    errors = []

    @on_error
    def note(request, socket, context, exception):
        errors.append(str(exception))

    server = serve(MAX_MESSAGE_SIZE=1000)
    client = connect(server)
    try:
        client.emit("message", "x" * 2000)
        assert client.is_closed()
    except Closed as refusal:
        assert "SOCKETIO_MAX_MESSAGE_SIZE" in str(refusal)
    assert server.call(server.socket_server.open_sockets.wait_until_empty, 5)
    assert "1000 bytes (SOCKETIO_MAX_MESSAGE_SIZE)" in errors[0]
    assert "SOCKETIO_MAX_MESSAGE_SIZE" in caplog.text


def test_a_payload_that_is_too_big_is_413(serve):
    client = PollingClient(serve(MAX_MESSAGE_SIZE=1000).port)
    status, answer = get(client.port, client.path, "POST", b"4" + b"x" * 2000)
    assert status == 413
    assert "1000 bytes" in answer["message"]


def test_a_client_that_waits_too_long_to_read_is_cut_off(serve):
    server = serve(MAX_UNSENT_BYTES=100_000)
    reasons = []
    from django_socketio.events import on_disconnect

    @on_disconnect
    def note(request, socket, context):
        reasons.append(socket.disconnect_reason)

    slow, quick = WebSocketClient(server.port), WebSocketClient(server.port)
    slow.connect()
    quick.connect()
    import django_socketio

    message = "x" * 50_000
    for _ in range(400):
        server.call(django_socketio.broadcast, message)
        assert quick.event() == ["message", message]
        if reasons:
            break
    assert reasons == ["slow client"]


def test_one_message_larger_than_the_limit_of_unsent_bytes_is_sent(serve, connect):
    @on_message
    def answer(request, socket, context, message):
        socket.send("x" * 500_000)

    client = connect(serve(MAX_UNSENT_BYTES=1000))
    client.emit("message")
    assert len(client.event()[1]) == 500_000


def test_a_client_that_sends_faster_than_handlers_run_is_not_read(serve, connect):
    go, seen = gevent.event.Event(), []

    @on_message
    def wait(request, socket, context, message):
        go.wait(5)
        seen.append(message)

    server = serve(MAX_WAITING_EVENTS=5)
    client = connect(server)
    sender = threading.Thread(
        target=lambda: [client.emit("message", number) for number in range(50)], daemon=True
    )
    sender.start()
    (served,) = server.socket_server.open_sockets._members
    wait_until(lambda: served._paused)
    for _ in range(3):
        beat(server, client)  # its pong is not read
    assert served.socket.connected
    server.call(go.set)
    sender.join(5)
    client.sync()
    assert seen == list(range(50))


def test_a_subscription_with_no_channel_is_told(server, bystander, connect):
    @on_subscribe
    def came(request, socket, context, channel):
        raise AssertionError("not reached")

    assert "is a string" in connect(server).ask("subscribe")[0]["error"]


# WebSocket frames, byte by byte


BAD_FRAMES = [
    (client_frame(0x81, b"4x", key=None), 1002),
    (client_frame(0xC1, b"4x"), 1002),
    (client_frame(0x83, b"4x"), 1002),
    (client_frame(0x8B), 1002),
    (client_frame(0x80, b"4x"), 1002),
    (client_frame(0x09, b"ping"), 1002),
    (client_frame(0x89, b"x" * 126), 1002),
    (client_frame(0x01, b"4x") + client_frame(0x81, b"4x"), 1002),
    (client_frame(0x81, b"4\xff"), 1007),
    (client_frame(0x01, b"4\xe2\x82") + client_frame(0x80, b"\x28"), 1007),
    (client_frame(0x81, length=1_000_001), 1009),
    (client_frame(0x01, b"4" * 600_000) + client_frame(0x80, b"4" * 600_000), 1009),
    (client_frame(0x88, b"\x03"), 1002),
    (client_frame(0x88, struct.pack("!H", 1005)), 1002),
    (client_frame(0x88, struct.pack("!H", 999)), 1002),
    (client_frame(0x88, struct.pack("!H", 1000) + b"\xff"), 1007),
]


@pytest.mark.parametrize(("data", "code"), BAD_FRAMES, ids=range(len(BAD_FRAMES)))
def test_a_bad_frame_closes_its_connection_with_the_right_code(server, bystander, data, code):
    client = WebSocketClient(server.port)
    client.connect()
    client.ws.sock.sendall(data)
    received = read_all(client.ws.sock)
    assert received[:1] == b"\x88"
    assert struct.unpack("!H", received[2:4])[0] == code


def test_a_frame_in_many_pieces_is_one_message(server, bystander):
    client = WebSocketClient(server.port)
    client.connect()
    text = '42["message","ü€😀"]'.encode()
    for piece in (
        client_frame(0x01, text[:14]),
        client_frame(0x89, b"p"),
        client_frame(0x80, text[14:]),
    ):
        for byte in piece:
            client.ws.sock.sendall(bytes([byte]))
    client.emit("message", "after", id=1)
    assert client.receive() == '431["after"]'


def test_the_reason_of_a_close_frame_is_echoed_whole(server, bystander):
    client = WebSocketClient(server.port)
    payload = struct.pack("!H", 3999) + b"r" * 123
    client.ws.sock.sendall(client_frame(0x88, payload))
    assert read_all(client.ws.sock) == bytes([0x88, 125]) + payload


def test_half_a_handshake_harms_nobody(server, bystander):
    for part in (b"GET /socket", b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nUpgr"):
        raw_request(server.port, part).close()


def test_a_connection_that_says_nothing_harms_nobody(server, bystander):
    with sockets.create_connection(("127.0.0.1", server.port)):
        pass


@pytest.mark.parametrize(
    "header",
    [
        "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
        "Sec-WebSocket-Key: short",
        "Sec-WebSocket-Key:",
    ],
)
def test_a_bad_websocket_handshake_is_told(server, bystander, header):
    request = (
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n"
        f"Upgrade: websocket\r\nConnection: Upgrade\r\n{header}\r\n\r\n"
    )
    status, body = response(raw_request(server.port, request.encode()))
    assert status == 400
    assert header.partition(":")[0] in body


def test_the_log_names_no_whole_session_id(server, bystander, caplog):
    caplog.set_level(logging.DEBUG)
    client = PollingClient(server.port)
    client.connect()
    get(server.port, client.path, "POST", b"abc")
    assert client.sid[:4] in caplog.text
    assert client.sid not in caplog.text
