"""A server process that crashes, and one that is told to stop."""

import contextlib
import os
import signal

import gevent
import pytest

from django_socketio.events import on_disconnect, on_finish, on_message
from tests.kit.clients import Closed, WebSocketClient, join
from tests.kit.redis_server import RedisServer
from tests.kit.waiting import wait_until


@pytest.fixture
def redis_server(tmp_path):
    with RedisServer(tmp_path) as server:
        yield server


def reconnected(port):
    """Connect and subscribe, as a client does that was thrown out."""
    client = WebSocketClient(port)
    client.connect()
    client.subscribe("a")
    return client


def test_a_worker_that_is_killed_leaves_nothing_in_redis(start, redis_server):
    redis = redis_server.client
    site = start(workers=2, TEST_RELAY_URL=redis_server.url)
    clients = [reconnected(site.port) for _ in range(20)]
    site.get("/broadcast/?size=10&count=10")
    assert redis.keys()
    os.kill(site.pids[0], signal.SIGKILL)
    alive = [client for client in clients if lives(client)]
    assert len(alive) < 20  # both workers had some
    clients = alive + [reconnected(site.port) for _ in range(20 - len(alive))]
    wait_until(lambda: int(site.get("/broadcast/?size=3&count=1")) > 0)
    for client in clients:
        while client.event() != ["message", "xxx"]:
            pass
    for client in clients:
        client.ws.shutdown()
    site.signal(signal.SIGTERM)
    assert site.wait() == 0  # also the worker that is only just starting in place of the other
    # The log of a channel is kept for a second here. Nothing else is kept at all, but for the list
    # of processes, which Redis drops with the last lease.
    wait_until(lambda: all(key.endswith(b"{listeners}") for key in redis.scan_iter()))
    assert redis.pubsub_channels() == []


def lives(client):
    try:
        client.sync()
    except (Closed, OSError):
        return False
    return True


def test_handlers_that_run_when_the_server_stops_come_to_their_end(server):
    seen = []

    @on_message
    def work(request, socket, context, message):
        seen.append("begun")
        with contextlib.suppress(gevent.Timeout), gevent.Timeout(5):
            while socket.send("not too late"):
                gevent.sleep(0.01)
        seen.append(("handled", socket.send("too late")))

    @on_disconnect
    def disconnected(request, socket, context):
        seen.append("disconnect")

    @on_finish
    def finished(request, socket, context):
        seen.append("finish")

    client = join(server)
    client.emit("message")
    wait_until(lambda: seen == ["begun"])
    server.stop()
    assert seen == ["begun", ("handled", False), "disconnect", "finish"]
