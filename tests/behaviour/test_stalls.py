"""A process that was held up: what came meanwhile is read before anybody is cut off."""

import threading
import time

import gevent
import pytest

from tests.kit.clients import PollingClient, WebSocketClient, join

pytestmark = pytest.mark.alone

CLIENTS = 70
"""More than libev takes from the kernel at once."""


@pytest.fixture
def hold():
    """Hold a server's event loop for some seconds; come back once it is held."""
    threads = []

    def start(server, seconds):
        held = threading.Event()

        def block():
            held.set()
            time.sleep(seconds)

        thread = threading.Thread(target=server.call, args=(block,))
        threads.append(thread)
        thread.start()
        assert held.wait(5)

    yield start
    for thread in threads:
        thread.join()


def raw(client):
    """Return the next packet, a ping say, which nobody answers."""
    return client.ws.recv()


def all_live(clients):
    for client in clients:
        client.sync()
    return True


def test_pongs_that_came_during_a_stall_are_read_before_anybody_is_cut_off(serve, hold):
    server = serve(PING_INTERVAL=0.6, PING_TIMEOUT=0.6)
    clients = [join(server) for _ in range(CLIENTS)]
    assert {raw(client) for client in clients} == {"2"}
    hold(server, 1)
    for client in clients:
        client.send("3")
    assert all_live(clients)


def test_a_pong_behind_other_messages_is_read_before_its_client_is_cut_off(serve, hold):
    server = serve(PING_INTERVAL=0.5, PING_TIMEOUT=0.5)
    client = join(server)
    assert raw(client) == "2"
    hold(server, 1)
    for _ in range(20_000):
        client.send("6")
    client.send("3")
    assert all_live([client])


def test_who_was_never_asked_is_not_cut_off(serve, hold):
    server = serve(PING_INTERVAL=0.4, PING_TIMEOUT=0.4)
    clients = [join(server) for _ in range(CLIENTS)]
    hold(server, 1)
    while not all(client.pings for client in clients):
        assert all_live(clients)


def test_a_ping_leaves_before_what_holds_the_server_up(serve):
    server = serve(PING_INTERVAL=0.3, PING_TIMEOUT=5)
    client = join(server)
    (session,) = server.socket_server.engine.sessions.values()
    pinged, over = threading.Event(), threading.Event()

    def block(now):
        pinged.wait(5)
        over.set()

    server.call(server.socket_server.timers.set, session.protocol.deadline + 1e-6, block)
    assert raw(client) == "2"
    assert not over.is_set()
    pinged.set()
    client.send("3")
    assert all_live([client])


def test_a_connect_that_came_during_a_stall_is_in_time(serve, hold):
    server = serve(CONNECT_TIMEOUT=1)
    clients = [WebSocketClient(server.port) for _ in range(CLIENTS)]
    hold(server, 1.5)
    for client in clients:
        client.send("40")
    for client in clients:
        assert client.receive().startswith("40{")


def test_a_client_that_polls_is_heard_after_a_stall(serve, hold):
    server = serve(PING_INTERVAL=0.5, PING_TIMEOUT=0.5)
    client = PollingClient(server.port)
    client.send("40")
    client.receive()
    client.answer_pings = False
    while not client.pings:
        time.sleep(0.01)
    hold(server, 0.8)
    client.send("3")
    assert all_live([client])


@pytest.mark.parametrize("kind", [WebSocketClient, PollingClient])
def test_who_does_not_answer_is_cut_off_after_a_stall_as_well(serve, hold, kind):
    server = serve(PING_INTERVAL=0.3, PING_TIMEOUT=0.3)
    client = kind(server.port)
    client.answer_pings = False
    client.connect()
    hold(server, 0.8)
    assert client.is_closed()


def test_a_client_is_pinged_while_it_is_not_read(serve):
    from django_socketio.events import on_message

    go = gevent.event.Event()

    @on_message
    def wait(request, socket, context, message):
        go.wait(5)

    server = serve(MAX_WAITING_EVENTS=1, PING_INTERVAL=0.3, PING_TIMEOUT=0.9)
    client = join(server)
    for number in range(20):
        client.emit("message", number)
    # Clients leave by themselves where no ping comes for the interval and the timeout.
    last = time.monotonic()
    for _ in range(3):
        assert raw(client) == "2"
        client.send("3")
        assert time.monotonic() - last < 1.2
        last = time.monotonic()
    server.call(go.set)
    assert all_live([client])
