"""Clients that come back to another worker: nothing missed, nothing twice."""

import os
import signal

import pytest

from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.http import get
from tests.kit.returning import Returning
from tests.kit.servers import Gunicorn


def push(server, channel, *texts):
    for text in texts:
        assert get(server.port, f"/push/?channel={channel}&text={text}")[0] == 200


def arrive(server, kind, channel, *options):
    """Connect and subscribe; return the client, its worker and what the answer says of the past."""
    client = kind(server.port)
    client.connect(auth={"_positions": True})
    (seen,) = client.ask("seen")
    accepted, past = client.ask("subscribe", channel, *options)
    assert accepted is True
    return client, seen["pid"], past


def test_nothing_is_missed_when_a_worker_is_killed(gunicorn, redis):
    server = gunicorn(workers=2, TEST_RELAY_URL=redis.url)
    left = {}
    for number in range(4):
        channel, kind = f"room-{number}", (WebSocketClient, PollingClient)[number % 2]
        client, pid, past = arrive(server, kind, channel)
        push(server, channel, "before")
        event, text, place = client.event()
        assert (event, text) == ("pushed", "before")
        left[channel] = (client, kind, pid, place["_at"][1])
    for pid in {pid for _, _, pid, _ in left.values()}:
        os.kill(pid, signal.SIGKILL)
    server.wait_for("was sent SIGKILL")
    for client, *_ in left.values():
        assert client.is_closed()
    for channel in left:
        push(server, channel, "away-1", "away-2")  # no process has a socket on it
    for channel, (_, kind, pid, position) in left.items():
        client, worker, past = arrive(server, kind, channel, {"since": position})
        assert worker != pid
        assert past["recovered"] is True
        assert past["messages"] == [["pushed", "away-1"], ["pushed", "away-2"]]
        push(server, channel, "after")
        assert client.event()[:2] == ["pushed", "after"]
        assert client.sync() == []


@pytest.fixture(scope="module")
def moving(redis):
    """Two workers that clients come to by chance, and leave one after the other when they end."""
    server = Gunicorn(workers=2, TEST_RELAY_URL=redis.url, DRAIN_SECONDS="1")
    yield server
    server.end()


def test_the_official_protocol_comes_back_to_its_socket_in_another_worker(moving, transport):
    client = Returning(moving, transport)
    client.connect()
    assert client.client.subscribe(f"of-{transport}") is True
    pids, moves = [client.client.ask("remember", 0)[2]], 0
    while moves < 3:
        client.cut()
        texts = [f"{len(pids)}-{number}" for number in range(3)]
        push(moving, f"of-{transport}", *texts)
        client.connect()
        assert client.recovered
        assert client.messages(3) == texts
        before, is_recovered, pid = client.client.ask("remember", len(pids))
        assert (before, is_recovered) == (len(pids) - 1, True)
        moves += pid != pids[-1]
        pids.append(pid)
    client.cut()


def test_clients_of_a_worker_that_ends_in_order_come_back_to_another_one(moving):
    """As in a reload, where the clients of all workers come back to new ones."""
    clients = [Returning(moving, kind) for kind in ("websocket", "polling") * 3]
    pids = []
    for number, client in enumerate(clients):
        client.connect()
        assert client.client.subscribe(f"ending-{number}") is True
        pids.append(client.client.ask("remember", number)[2])
    os.kill(pids[0], signal.SIGTERM)
    moving.wait_for("Ending the sockets within 1 s")
    ended = [number for number, pid in enumerate(pids) if pid == pids[0]]
    for number in ended:
        client = clients[number]
        assert client.client.is_closed()
        push(moving, f"ending-{number}", "meanwhile")
        client.connect()
        assert client.recovered
        assert client.messages(1) == ["meanwhile"]
        before, is_recovered, pid = client.client.ask("remember", 0)
        assert (before, is_recovered, pid == pids[0]) == (number, True, False)
