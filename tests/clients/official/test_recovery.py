"""The official JavaScript client comes back to its socket: connection state recovery."""

import os
import signal
import threading

import gevent
import pytest
from gevent.event import Event

from django_socketio import emit, in_thread
from django_socketio.events import on_away, on_event, on_return
from django_socketio.transports.polling import PollingTransport
from django_socketio.transports.upgrade import Upgrade
from tests.kit.http import get
from tests.kit.servers import Gunicorn

BACK = {"reconnection": True, "reconnectionDelay": 10, "query": {"recovery": 1}}


@pytest.fixture
def client(server, node, transport):
    return node.connect(server, transport, **BACK)


@pytest.fixture
def away(seen):
    @on_away
    def note(request, socket, context):
        seen("away")


def publish(server, *messages, **audience):
    for message in messages:
        server.call(lambda m=message: emit("message", m, **audience))


def test_it_keeps_its_id_and_gets_what_it_has_missed(server, client, seen, away):
    """As in the client's own test, with messages of each kind meanwhile."""

    @on_return
    def back(request, socket, context):
        assert in_thread(seen.next) == "go on"  # or the event loop would stand still

    @on_event("hi")
    def hi(request, socket, context):
        socket.emit("hi")

    id = client.id
    client.ask("subscribe", "room")
    client.emit("hi")
    assert client.event()[0] == "hi"
    for round in range(2):
        client.cut()
        assert seen.next() == "away"
        publish(server, f"a{round}", {"bytes": b"b"}, channel="room")
        publish(server, f"c{round}")
        server.call(lambda: emit("message", "d", session_id=id))
        seen("go on")
        assert client.wait_connected() is True
        assert client.id == id
        told = [client.event()[1] for _ in range(4)]
        assert told == [f"a{round}", {"bytes": b"b"}, f"c{round}", "d"]
    publish(server, "live", channel="room")
    assert client.event()[1] == "live"


def test_a_socket_that_has_ended_is_not_recovered(server, client):
    @on_away
    def end(request, socket, context):
        socket.disconnect()

    id = client.id
    client.cut()
    assert client.wait_connected() is False
    assert client.id != id
    publish(server, "new")
    assert client.event()[1] == "new"


def test_a_client_that_does_not_ask_is_not_recovered(server, node, transport):
    client = node.connect(server, transport, **{**BACK, "query": {}})
    publish(server, "plain")
    assert client.event() == ["message", "plain"]
    id = client.id
    client.cut()
    assert client.wait_connected() is False
    assert client.id != id


@pytest.mark.parametrize("transport", ["upgraded"])
def test_a_client_that_is_cut_while_it_upgrades_gets_nothing_twice(
    server, node, transport, monkeypatch
):
    """The client has the event of the last poll when it is back, after it has told its offset."""
    get, go, is_connected = PollingTransport.get, Event(), threading.Event()

    def held(polling):
        body = get(polling)
        return body if not polling.probed or go.wait(10) else "the client did not upgrade"

    probe = Upgrade._probe

    def publish_and_probe(upgrade):
        if not is_connected.is_set():  # the client may probe before its first poll
            return gevent.spawn_later(0.01, publish_and_probe, upgrade)
        monkeypatch.setattr(Upgrade, "_probe", probe)
        emit("message", "at the probe")
        probe(upgrade)

    monkeypatch.setattr(Upgrade, "_probe", publish_and_probe)
    monkeypatch.setattr(PollingTransport, "get", held)
    client = node.socket(server, transport, cut="upgrading", **BACK)
    client.wait_connected()
    is_connected.set()
    client.next("cut")
    server.call(go.set)
    assert client.wait_connected() is True
    publish(server, "after it")
    assert [client.event()[1] for _ in range(2)] == ["at the probe", "after it"]


@pytest.fixture(scope="module")
def workers(redis):
    """Two workers that clients come to by chance; their sockets outlive a worker."""
    server = Gunicorn(workers=2, TEST_RELAY_URL=redis.url, DRAIN_SECONDS="1")
    yield server
    server.end()


def test_it_comes_back_to_another_worker(workers, node, transport):
    channel = f"of-{transport}"
    client = node.connect(workers, transport, **BACK)
    id = client.id
    client.ask("subscribe", channel)
    pids, moves = [client.ask("remember", 0)[2]], 0
    while moves < 2:
        client.cut()
        push(workers, channel, f"{len(pids)}-a", f"{len(pids)}-b")
        assert (client.wait_connected(), client.id) == (True, id)
        assert [client.event()[1] for _ in range(2)] == [f"{len(pids)}-a", f"{len(pids)}-b"]
        before, is_recovered, pid = client.ask("remember", len(pids))
        assert (before, is_recovered) == (len(pids) - 1, True)
        moves += pid != pids[-1]
        pids.append(pid)
    client.disconnect()


def test_it_comes_back_when_its_worker_ends_in_order(workers, node):
    """As in a reload, where the clients of all workers come back to new ones."""
    clients = [node.connect(workers, kind, **BACK) for kind in ("websocket", "polling", "upgraded")]
    ids = [client.id for client in clients]
    was_at = []
    for number, client in enumerate(clients):
        client.ask("subscribe", "ending")
        was_at.append(client.ask("remember", number)[2])
    ended = was_at[0]
    os.kill(ended, signal.SIGTERM)
    workers.wait_for("Ending the sockets within 1 s")
    push(workers, "ending", "meanwhile")
    for number, client in enumerate(clients):
        if was_at[number] == ended:
            assert (client.wait_connected(), client.id) == (True, ids[number])
        assert client.event()[1] == "meanwhile"
        before, is_recovered, pid = client.ask("remember", None)
        assert (before, is_recovered, pid == ended) == (number, was_at[number] == ended, False)


def push(server, channel, *texts):
    for text in texts:
        assert get(server.port, f"/push/?channel={channel}&text={text}")[0] == 200
