"""Every end is an end: handlers run exactly once, and nothing of a socket stays behind."""

import subprocess
import sys
import threading

import pytest

from tests.kit.clients import PollingClient, WebSocketClient, join
from tests.kit.frames import client_frame
from tests.kit.http import close_all, raw_request
from tests.kit.programs import ROOT
from tests.kit.waiting import wait_until
from tests.system.faults.conftest import Site

KINDS = [WebSocketClient, PollingClient]


def upgraded(site):
    polling = PollingClient(site.port)
    client = polling.upgrade()
    client.connect()
    polling.abandon()
    return client


CLIENTS = """
import sys, time
from tests.kit.clients import PollingClient, WebSocketClient
clients = []
for number in range(30):
    client = (PollingClient if number % 3 == 2 else WebSocketClient)(int(sys.argv[1]))
    client.connect()
    client.subscribe(f"channel {number % 7}")
    clients.append(client)
for client in clients[:10]:
    client.emit("message", "on its way")
print("ready", flush=True)
time.sleep(60)
"""


def test_clients_that_are_killed(lasting):
    site, at_first = lasting
    clients = subprocess.Popen(
        [sys.executable, "-c", CLIENTS, str(site.port)], cwd=ROOT, stdout=subprocess.PIPE
    )
    with clients:
        ready = clients.stdout.readline()
        clients.kill()
    assert ready == b"ready\n"
    wait_until(lambda: beat(site))
    site.wait_until_nothing_is_left(at_first)
    assert site.get("/ends/")["accepted"] >= 32


def beat(site):
    """Have the heartbeats of all clients be due; return whether no socket is left."""
    site.get("/beat/")
    return not site.get("/census/?quick")["open_sockets"]


def test_clients_of_which_nothing_is_heard_any_more(lasting):
    """A connection whose other end is gone without a FIN looks like a client that is silent."""
    site, at_first = lasting
    before = site.get("/ends/")["reasons"].get("ping timeout", 0)
    silent = [upgraded(site) for _ in range(5)] + [join(site) for _ in range(5)]
    for client in silent:
        client.subscribe("a")
    kept = [client.ws.sock for client in silent]
    while not beat(site):
        site.get("/broadcast/?size=10&count=1")
    assert site.get("/ends/")["reasons"]["ping timeout"] == before + 10
    # Their connections may go on for as long as a closing handshake has.
    site.wait_until_nothing_is_left(at_first)
    assert all(sock.fileno() > 0 for sock in kept)


@pytest.mark.parametrize("packets", [[], ["2probe"], ["2probe", "garbage"], ["6"], ["2wrong"]])
@pytest.mark.parametrize("leaves", [True, False], ids=["leaves", "stays"])
def test_upgrades_that_are_abandoned_half_way(lasting, packets, leaves):
    site, at_first = lasting
    polling = join(site, kind=PollingClient)
    polling.sync()
    websocket = WebSocketClient(site.port, polling.sid)
    for packet in packets:
        websocket.send(packet)
    if leaves:
        websocket.abandon()
        assert polling.ask("message", "goes on") == ["goes on"]
    polling.close()
    websocket.ws.shutdown()
    site.wait_until_nothing_is_left(at_first)


@pytest.mark.parametrize("kind", KINDS)
def test_handshakes_that_lead_to_nothing(lasting, kind):
    site, at_first = lasting
    halves = [raw_request(site.port, b"GET /socket.io/?EIO=4&tr") for _ in range(3)]
    before = site.get("/connect-timeout/0.5/")
    never = [kind(site.port) for _ in range(3)]  # they never send a CONNECT
    site.get(f"/connect-timeout/{before}/")
    refused = [kind(site.port) for _ in range(3)]
    for client in refused:
        client.send('40{"fail":"on_connect"}')
        assert client.receive() == '44{"message":"Internal error"}'
        client.close()
    for half in halves:
        half.close()
    for client in never:
        assert client.is_closed()
        if kind is WebSocketClient:
            client.ws.shutdown()
    site.wait_until_nothing_is_left(at_first)


NAMES = ["connect", "message", "subscribe", "unsubscribe", "error", "disconnect", "finish"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("does", ["fail", "disconnect"])
def test_handlers_that_fail_or_disconnect(lasting, kind, does):
    site, at_first = lasting
    for name in NAMES:
        client = kind(site.port)
        client.send(f'40{{"{does}":"on_{name}"}}')
        for packet in ('["subscribe","a"]', '["message","fail"]', '["unsubscribe","a"]'):
            client.send("421" + packet)
        client.send('420["subscribe","b"]')
        client.close()
    site.wait_until_nothing_is_left(at_first)


def test_subscribing_and_leaving_at_the_same_time(lasting):
    site, at_first = lasting
    over = threading.Event()

    def broadcast():
        while not over.is_set():
            site.get("/broadcast/?size=10&count=20")

    broadcaster = threading.Thread(target=broadcast)
    broadcaster.start()
    ends = [
        client_frame(0x81, b"41"),
        client_frame(0x81, b"1"),
        client_frame(0x88, b"\x03\xe8"),
        b"",
        b"\x00",
    ]
    packets = ['42["subscribe","a"]', '42["unsubscribe","a"]', '42["subscribe","b"]']
    asked = [client_frame(0x81, packet.encode()) for packet in packets]
    for number in range(60):
        name = ("connect", "subscribe", "unsubscribe", "disconnect")[number % 4]
        client = WebSocketClient(site.port)
        hello = client_frame(0x81, f'40{{"wait":"on_{name}"}}'.encode())
        last = ends[number % 5]
        client.ws.sock.sendall(hello + b"".join(asked[: number % 4]) + last)
        if number % 2:
            client.ws.shutdown()
    over.set()
    broadcaster.join(10)

    close_all()
    site.wait_until_nothing_is_left(at_first)


def test_the_same_session_left_and_joined_again_and_again(lasting):
    site, at_first = lasting
    client = join(site)
    for _ in range(50):
        client.subscribe("a")
        client.send("41")
        client.connect()
    client.ws.shutdown()
    site.wait_until_nothing_is_left(at_first)


AT_ONCE = [
    *["Client", "EngineRequest", "Login", "Mailbox", "PollingTransport", "Session", "Socket"],
    *["SocketLifecycle", "WebSocketProtocol", "WebSocketTransport", "requests of sockets"],
]


def test_the_census_counts_what_sockets_have(lasting):
    site, at_first = lasting
    clients = [join(site, kind=kind) for kind in KINDS]
    clients[1].sync()  # its GET waits by now, or will
    wait_until(lambda: {name for name, *_ in site.left(at_first)} >= set(AT_ONCE))
    for client in clients:
        client.close()
    site.wait_until_nothing_is_left(at_first)


@pytest.fixture(scope="module")
def uncollected():
    """A server whose garbage is left where it is."""
    site = Site()
    yield site
    close_all()
    site.end()


@pytest.mark.parametrize("come", [join, lambda site: join(site, kind=PollingClient), upgraded])
def test_nothing_of_a_socket_waits_for_the_garbage_collector(uncollected, come):
    site = uncollected
    come(site).close()
    wait_until(lambda: not site.get("/census/?uncollected")["open_sockets"])
    before = site.get("/census/")  # from here on nothing is collected, unless a census does
    for _ in range(5):
        client = come(site)
        client.subscribe("a")
        client.ask("message", "fail")
        client.close()

    def is_left():
        now = site.get("/census/?uncollected")
        return [(name, before[name], now[name]) for name in AT_ONCE if now[name] > before[name]]

    wait_until(lambda: not is_left(), is_left)


def test_clients_that_come_and_go_leave_no_memory(lasting):
    site, at_first = lasting

    def round():
        for _ in range(100):
            client = join(site)
            client.subscribe("a")
            client.ws.shutdown()
        site.wait_until_nothing_is_left(at_first)
        return site.get("/ends/")["memory"]

    round()
    before = round()
    assert round() - before < 500_000
