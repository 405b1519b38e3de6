"""How much may come in a second; nothing is limited unless a setting says so."""

import http.client
import json

import pytest
from django.conf import settings

from django_socketio import RateExceeded
from django_socketio.events import on_disconnect, on_error, on_message
from django_socketio.protocol.http.addresses import network
from django_socketio.security.throttling import ADDRESSES, Bucket, Buckets, Throttle
from django_socketio.transports.limits import Rates
from tests.kit.clients import Closed, PollingClient, WebSocketClient
from tests.kit.frames import client_frame
from tests.kit.http import UPGRADE
from tests.kit.waiting import wait_until


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


# The bucket


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate():
    clock = Clock()
    bucket = Bucket(rate=2, burst=5, clock=clock)
    assert [bucket.take() for _ in range(10)] == [0.0] * 10
    assert bucket.take() == pytest.approx(0.5)
    clock.now += 0.5
    assert bucket.take() == 0.0
    assert bucket.take() == pytest.approx(0.5)
    clock.now += 100
    assert [bucket.take() for _ in range(10)] == [0.0] * 10
    assert bucket.take() > 0


def test_what_is_refused_costs_nothing():
    clock = Clock()
    bucket = Bucket(rate=1, burst=1, clock=clock)
    assert bucket.take() == 0.0
    assert {bucket.take() for _ in range(100)} == {1.0}
    clock.now += 1
    assert bucket.take() == 0.0


def test_a_full_bucket_gives_one_message_of_any_size():
    clock = Clock()
    bucket = Bucket(rate=10, burst=1, clock=clock)
    assert bucket.take(1000) == 0.0
    assert bucket.take(1) == pytest.approx(99.1)


def test_nothing_costs_nothing_also_while_a_message_is_made_up_for():
    bucket = Bucket(rate=10, burst=1, clock=Clock())
    assert bucket.take(1000) == bucket.take(0) == 0.0
    assert bucket.take(1) == pytest.approx(99.1)


def test_what_has_to_be_admitted_is_charged():
    clock = Clock()
    bucket = Bucket(rate=10, burst=1, clock=clock)
    bucket.charge(1000)
    assert bucket.take(1) == pytest.approx(99.1)
    clock.now += 100
    assert bucket.take(10) == 0.0


def test_only_so_many_addresses_are_remembered():
    buckets = Buckets(rate=1, burst=1, clock=Clock(), size=100)
    assert buckets.of("192.0.2.1").take() == 0.0
    for number in range(1000):
        buckets.of(f"10.0.{number // 256}.{number % 256}").take()
        assert buckets.of("192.0.2.1").take() > 0  # it keeps coming
    assert len(buckets) == 100


def test_the_address_of_a_client_is_remembered_as_long_as_the_client():
    throttle = Throttle(Rates(address_message_rate=1, rate_burst=1), Clock())
    (meter,) = throttle.meters("192.0.2.1")
    meter.count(1, 0)
    for number in range(ADDRESSES + 1):
        throttle.meters(f"10.0.{number // 256}.{number % 256}")
    (again,) = throttle.meters("192.0.2.1")
    with pytest.raises(RateExceeded):
        again.count(1, 0)
    assert again.bucket is meter.bucket


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("no address: at all", "no address: at all", True),
    ],
)
def test_who_has_one_ipv6_address_has_the_whole_network(one, other, same):
    assert (network(one) == network(other)) is same


# Messages and bytes


@pytest.fixture
def ended():
    """Why sockets ended, and what on_error was told."""
    seen = []
    on_disconnect(lambda request, socket, context: seen.append(socket.disconnect_reason))
    on_error(lambda request, socket, context, error: seen.append(error))
    return seen


def flood(client, message):
    """Send until the server has enough; return what a client that polls is told."""
    try:
        for _ in range(50):
            client.send(f'42["message","{message}"]')
    except (Closed, OSError) as refusal:
        return str(refusal)
    assert client.is_closed()
    return ""


BURST = 1000
"""Seconds of a rate that may come at once: so many that nothing more may come during a test."""


def at_once(setting, amount):
    """Return the settings by which so much may come at once."""
    return {setting: amount / BURST, "RATE_BURST": BURST}


LIMITS = [
    ("CLIENT_MESSAGE_RATE", 5, "x", "more than 0.005 messages a second from one client"),
    ("ADDRESS_MESSAGE_RATE", 5, "x", "more than 0.005 messages a second from one address"),
    ("CLIENT_BYTE_RATE", 500, "x" * 85, "more than 0.5 bytes a second from one client"),
    ("CLIENT_BYTE_RATE", 500, "€" * 29, "more than 0.5 bytes a second from one client"),
    ("ADDRESS_BYTE_RATE", 500, "x" * 85, "more than 0.5 bytes a second from one address"),
]


@pytest.mark.parametrize(("setting", "amount", "message", "told"), LIMITS)
def test_who_sends_too_much_is_cut_off_and_told(
    serve, connect, ended, caplog, setting, amount, message, told
):
    got = []
    on_message(lambda request, socket, context, message: got.append(message))
    client = connect(serve(**at_once(setting, amount)))
    refusal = flood(client, message)
    wait_until(lambda: len(ended) == 2)
    assert isinstance(ended[0], RateExceeded)
    assert str(ended[0]) == f"{told} (SOCKETIO_{setting})"
    assert ended[1] == "rate exceeded"
    assert len(got) <= 5
    wait_until(lambda: told in caplog.text)
    assert told in refusal or not isinstance(client, PollingClient)


def test_the_close_frame_says_why(serve):
    client = WebSocketClient(serve(**at_once("CLIENT_MESSAGE_RATE", 2)).port)
    client.connect()
    client.emit("message", 1)
    client.emit("message", 2)
    frame = client.ws.recv_frame()
    assert frame.data[:2] == (1008).to_bytes(2, "big")
    assert b"(SOCKETIO_CLIENT_MESSAGE_RATE)" in frame.data


def test_a_post_that_is_too_much_says_why(serve):
    client = PollingClient(serve(**at_once("CLIENT_MESSAGE_RATE", 2)).port)
    client.connect()
    status, body = client.post(b'42["message",1]\x1e42["message",2]')
    assert status == 400
    assert "(SOCKETIO_CLIENT_MESSAGE_RATE)" in json.loads(body)["message"]


def test_clients_are_counted_each_and_addresses_together(serve, connect):
    on_message(lambda request, socket, context, message: "ok")
    server = serve(**at_once("CLIENT_MESSAGE_RATE", 5))
    assert [connect(server).ask("message", 1) for _ in range(6)] == [["ok"]] * 6
    server = serve(**at_once("ADDRESS_MESSAGE_RATE", 6))
    first, second = connect(server), connect(server)
    assert [first.ask("message", 1) for _ in range(4)] == [["ok"]] * 4
    with pytest.raises(Closed):
        second.ask("message", 1)
    assert second.is_closed()


# What holds no message costs the server no less

PINGS = client_frame(0x89, b"x" * 60) * 20
FRAGMENTS = client_frame(0x01, b"6") + client_frame(0x00, b"") * 20
EMPTY = {
    "pings": ("CLIENT_MESSAGE_RATE", 5, PINGS),
    "pings, by bytes": ("CLIENT_BYTE_RATE", 500, PINGS),
    "pongs": ("CLIENT_MESSAGE_RATE", 5, client_frame(0x8A, b"") * 20),
    "fragments": ("CLIENT_MESSAGE_RATE", 5, FRAGMENTS),
    "Engine.IO's pongs": ("CLIENT_MESSAGE_RATE", 5, client_frame(0x81, b"3") * 20),
    "Engine.IO's noops": ("ADDRESS_MESSAGE_RATE", 5, client_frame(0x81, b"6") * 20),
    "noops, by bytes": ("ADDRESS_BYTE_RATE", 500, client_frame(0x81, b"6" * 100) * 20),
    "noops of other characters": (
        "CLIENT_BYTE_RATE",
        500,
        client_frame(0x81, b"6" + "€".encode() * 30) * 14,
    ),
}


@pytest.mark.parametrize(("setting", "amount", "frames"), EMPTY.values(), ids=EMPTY)
def test_frames_and_packets_without_a_message_are_counted(serve, ended, setting, amount, frames):
    client = WebSocketClient(serve(**at_once(setting, amount)).port)
    client.connect()
    client.ws.sock.sendall(frames)
    assert client.is_closed()
    wait_until(lambda: ended[1:] == ["rate exceeded"])
    assert f"SOCKETIO_{setting}" in str(ended[0])


@pytest.mark.parametrize("packet", ["3", "6"])
def test_packets_without_a_message_are_counted_in_a_post(serve, packet):
    client = PollingClient(serve(**at_once("CLIENT_MESSAGE_RATE", 5)).port)
    client.connect()
    status, body = client.post("\x1e".join([packet] * 20).encode())
    assert status == 400
    assert "(SOCKETIO_CLIENT_MESSAGE_RATE)" in json.loads(body)["message"]


@pytest.mark.parametrize("frames", [PINGS, client_frame(0x81, b"2probe") * 20])
def test_frames_are_counted_while_a_websocket_is_about_to_take_over(serve, frames):
    client = PollingClient(serve(**at_once("CLIENT_MESSAGE_RATE", 5)).port)
    client.connect()
    websocket = WebSocketClient(client.port, client.sid)
    websocket.ws.sock.sendall(frames)
    assert websocket.is_closed()


def test_a_long_message_in_fragments_is_one_message(serve):
    on_message(lambda request, socket, context, message: len(message))
    client = WebSocketClient(serve(**at_once("CLIENT_MESSAGE_RATE", 5)).port)
    client.connect()
    parts = [b"x" * 70_000] * 10
    sent = [client_frame(0x01, b'420["message","'), *(client_frame(0x00, part) for part in parts)]
    client.ws.sock.sendall(b"".join([*sent, client_frame(0x80, b'"]')]))
    assert client.receive() == "430[700000]"


ATTACHED = '451-0["message",{"_placeholder":true,"num":0}]'


@pytest.mark.parametrize("unit", ["CLIENT", "ADDRESS"])
def test_a_message_with_an_attachment_may_have_any_size(serve, connect, ended, unit):
    on_message(lambda request, socket, context, message: len(message))
    client = connect(serve(**{f"{unit}_BYTE_RATE": 1000, "RATE_BURST": 1}))
    client.send(ATTACHED)
    client.send(b"x" * 100_000)
    assert client.receive() == "430[100000]"
    flood(client, "the next one")
    wait_until(lambda: ended[1:] == ["rate exceeded"])
    assert f"SOCKETIO_{unit}_BYTE_RATE" in str(ended[0])


def test_the_pongs_that_the_server_asks_for_are_not_counted(serve, ended):
    settings = at_once("CLIENT_MESSAGE_RATE", 2)
    client = WebSocketClient(serve(**settings, PING_INTERVAL=0.1, PING_TIMEOUT=10).port)
    client.connect()
    client.send('42["message","the last one"]')
    for _ in range(3):
        assert client.ws.recv() == "2"
        client.send("3")
    assert ended == []
    client.send("6")
    wait_until(lambda: ended[1:] == ["rate exceeded"])


# Connections


def addressed(get_response):
    """Take the address from a header, as the middleware of docs/deployment.rst does."""

    def middleware(request):
        request.META["REMOTE_ADDR"] = request.META.get("HTTP_X_ADDRESS", "192.0.2.1")
        return get_response(request)

    return middleware


@pytest.fixture(params=["polling", "websocket"])
def shake(request):
    def shake(server, address="192.0.2.1"):
        upgrade = UPGRADE if request.param == "websocket" else {}
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        path = f"/socket.io/?EIO=4&transport={request.param}"
        connection.request("GET", path, headers={**upgrade, "X-Address": address})
        answer = connection.getresponse()
        body = answer.read().decode() if answer.status == 429 else ""
        connection.close()
        return answer.status, dict(answer.getheaders()), body

    return shake


@pytest.fixture
def counting(serve):
    middleware = ["tests.security.test_rates.addressed", *settings.MIDDLEWARE]
    return serve(django={"MIDDLEWARE": middleware}, ADDRESS_CONNECT_RATE=0.1, RATE_BURST=30)


def test_an_address_that_connects_too_often_is_told_when_to_try_again(counting, shake, caplog):
    assert all(shake(counting)[0] in (200, 101) for _ in range(3))
    status, headers, body = shake(counting)
    assert status == 429
    assert 1 <= int(headers["Retry-After"]) <= 10
    assert "Too many connections from 192.0.2.1" in json.loads(body)["message"]
    assert "SOCKETIO_ADDRESS_CONNECT_RATE" in body
    assert shake(counting, "192.0.2.2")[0] in (200, 101)


def test_clients_without_an_address_are_not_lumped_together(counting, shake, caplog):
    assert all(shake(counting, "")[0] in (200, 101) for _ in range(10))
    assert caplog.text.count("A client has no address") == 1
