"""Redis stopped (SIGSTOP) for 10 seconds: connections stand, and nothing comes on them."""

import json
import threading
import time

import pytest

from tests.clients import WebSocketClient
from tests.production.programs import Gunicorn
from tests.relay.conftest import wait_until
from tests.relay.site.publishing import publish, was_accepted
from tests.test_bad_input import get

STOPPED = 10
RELAY_TIMEOUT, SLACK = 2, 0.5
BACK_WITHIN = 2
FAILURES = {"RelayError", "NoSocket"}


class Publisher(threading.Thread):
    """Publishes one message after the other, and notes what it is told of each."""

    def __init__(self, name, publish):
        super().__init__(daemon=True)
        self._name, self._publish = name, publish
        self.told = []
        self._stopped = threading.Event()
        self.start()

    def run(self):
        while not self._stopped.wait(0.01):
            self.told.append(self._publish(f"{self._name}-{len(self.told)}"))

    @property
    def accepted(self):
        return [one["content"] for one in self.told if was_accepted(one)]

    @property
    def failed(self):
        return [one for one in self.told if not was_accepted(one)]

    def stop(self):
        self._stopped.set()
        self.join()


@pytest.fixture
def site(redis_server):
    """Two workers with the default timeouts."""
    environ = {"TEST_RELAY_URL": redis_server.url}
    environ["DJANGO_SETTINGS_MODULE"] = "tests.relay.site.settings"
    site = Gunicorn(workers=2, **environ)
    yield site
    site.end()


@pytest.fixture
def clients(site):
    """A client on each worker, on the channel "a"."""
    clients = {}
    while len(clients) < 2:
        client = join(site)
        clients.setdefault(client.ask("pid")[0], client)
    return list(clients.values())


def join(site):
    client = WebSocketClient(site.port)
    client.connect()
    assert client.subscribe("a") is True
    client.seen = []
    return client


@pytest.fixture
def publishers(site, new_redis, monkeypatch):
    """Begin to publish: by a view, and by more threads than this process has connections."""
    relay, _ = new_redis(listen=False)
    monkeypatch.setattr("django_socketio.broadcasts._Process.publish", relay.publish)
    started = []

    def by_view(content):
        return get(site.port, f"/push/a/{content}/")[1]

    def by_thread(content):
        return publish("a", content)

    def start():
        started.extend(Publisher(f"view{n}", by_view) for n in range(2))
        started.extend(Publisher(f"thread{n}", by_thread) for n in range(12))
        return started

    yield start
    for publisher in started:
        publisher.stop()


def test_redis_stopped_for_10_seconds(redis_server, site, clients, publishers):
    assert publish_by_view(site, "first") == 2
    redis_server.pause()
    publishers = publishers()
    slowest = keep_asking(site, clients)
    late = join(site)
    redis_server.resume()
    resumed = time.monotonic()
    wait_until(lambda: all(publisher.accepted for publisher in publishers))
    for publisher in publishers:
        publisher.stop()
    assert publish_by_view(site, "last") in (1, 2)  # one that listens again; the other catches up
    wait_until(lambda: all(has_all(client) for client in [*clients, late]))
    assert time.monotonic() - resumed < BACK_WITHIN
    assert slowest < 1
    check(publishers, resumed, clients, late)
    assert site.output.count("The relay is lost") == 2  # once for each worker
    assert site.output.count("The relay is back after") == 2
    assert "Traceback" not in site.output


def publish_by_view(site, content):
    return get(site.port, f"/push/a/{content}/")[1]["told"]


def keep_asking(site, clients):
    """Ask the servers for what needs no relay until the time is over; return the longest wait."""
    begun = asked = time.monotonic()
    slowest = 0
    while asked - begun < STOPPED:
        for client in clients:
            client.seen += client.sync()
        assert get(site.port, "/pid/")[0] == 200
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.05)
        asked = time.monotonic()
    return slowest


def has_all(client):
    """Whether the last message has come to a client."""
    client.seen += client.sync()
    return '42["message","last"]' in client.seen


def check(publishers, resumed, clients, late):
    """Check what publishers were told, and what came of it."""
    seen = [[json.loads(event[2:])[1] for event in client.seen] for client in [*clients, late]]
    accepted = [content for publisher in publishers for content in publisher.accepted]
    assert seen[0] == seen[1]
    assert sorted(seen[0]) == sorted(["first", *accepted, "last"])
    assert seen[2] == seen[0][1:]  # nothing was accepted before the late one came
    for publisher in publishers:
        meanwhile = [one for one in publisher.failed if one["at"] < resumed]
        assert len(meanwhile) >= 4
        assert all(one["told"].startswith("RelayError: ") for one in meanwhile)
        # Once Redis is back, and until the servers have subscribed again, there is nobody.
        assert {one["told"].partition(":")[0] for one in publisher.failed} <= FAILURES
        assert all(one["seconds"] < RELAY_TIMEOUT + SLACK for one in publisher.failed)
