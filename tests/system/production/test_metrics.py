"""The numbers of several workers: one request answers for all of them."""

import os

import pytest
from django.test import override_settings

from django_socketio.diagnostics import relay
from tests.kit.clients import join
from tests.kit.http import exchange
from tests.kit.metrics import samples_of
from tests.kit.redis_server import RedisServer
from tests.kit.waiting import wait_until

CLIENTS = 8


@pytest.fixture
def redis(tmp_path):
    with RedisServer(tmp_path) as server:
        yield server


def metrics(server, path="/metrics/"):
    status, body = exchange(server.port, "GET", path)
    assert status == 200
    return samples_of(body, by_process=True)


def metrics_of_all(server, path):
    """Return the metrics, or None without those of a worker that has not answered in time."""
    samples = metrics(server, path)
    return samples if total(samples["django_socketio_sockets"]) == CLIENTS else None


def total(samples):
    return sum(samples.values())


def test_each_worker_answers_for_all_of_them_even_without_redis(gunicorn, redis):
    server = gunicorn(workers=2, TEST_RELAY_URL=redis.url, TEST_METRICS="1")
    clients = [join(server) for _ in range(CLIENTS)]
    for client in clients:
        assert client.ask("message", "hello") == ["hello"]
        client.subscribe("room-1")
    for path in ["/metrics/"] * 3 + ["/metrics/site/"]:
        samples = wait_until(lambda path=path: metrics_of_all(server, path))
        echoes = {
            key: one
            for key, one in samples["django_socketio_handler_seconds_count"].items()
            if key[1].endswith(".echo")
        }
        assert total(echoes) == CLIENTS
        assert {key[0].rpartition(":")[2] for key in samples["django_socketio_relay_up"]} == {
            str(pid) for pid in server.pids
        }
        assert set(samples["django_socketio_relay_up"].values()) == {1}
    with override_settings(SOCKETIO_RELAY_URL=redis.url, SOCKETIO_RELAY_IN_TESTS=True):
        found = [finding.text for finding in relay.examine() if finding.step == "processes"]
    assert found[0].startswith("2 server processes hear the relay: ")
    redis.stop()
    wait_until(lambda: set(metrics(server)["django_socketio_relay_up"].values()) == {0})
    os.kill(server.pids[0], 9)
    server.wait_for("Worker ready", 3)
    wait_until(lambda: len(metrics(server)["django_socketio_max_descriptors"]) == 2)
    for client in clients:
        client.abandon()
