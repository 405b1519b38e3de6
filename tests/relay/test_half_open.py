"""Redis stopped (SIGSTOP) for 10 seconds: connections stand, and nothing comes on them."""

import itertools
import json
import threading
import time

import pytest

from tests.kit.clients import join
from tests.kit.http import get
from tests.kit.servers import Gunicorn
from tests.kit.stalls import Stalls
from tests.kit.waiting import wait_until
from tests.relay.site.publishing import publish

STOPPED = 10
RELAY_TIMEOUT, SLACK = 2, 2
BACK_WITHIN = 5


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
        client = join(site, "a")
        client.seen = []
        clients.setdefault(client.ask("pid")[0], client)
    return list(clients.values())


@pytest.fixture
def publishers(site, new_redis, monkeypatch):
    """Begin to publish: by a view, and by more threads than this process has connections."""
    relay, _ = new_redis(listen=False)
    monkeypatch.setattr("django_socketio.channels.publish._WithoutServer.relay", lambda: relay)
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
    # Or it might reach a worker only after the stop, and who has joined there by then as well.
    wait_until(lambda: all(has(client, "first") for client in clients))
    redis_server.pause()
    publishers = publishers()
    with Stalls() as stalled:
        slowest = keep_asking(site, clients)
        late = join(site, "a")
        late.seen = []
        for publisher in publishers:
            publisher.stop()
    redis_server.resume()
    resumed = time.monotonic()
    with Stalls() as stalls:
        last = publish_until_accepted(site)
        wait_until(lambda: all(has(client, last) for client in [*clients, late]))
    assert time.monotonic() - resumed - stalls.seconds < BACK_WITHIN
    assert slowest - stalled.seconds < RELAY_TIMEOUT  # no request waited for the relay
    for publisher in publishers:
        check(publisher, stalled.seconds)
    # Nothing that failed has come, or comes now.
    assert [messages(client) for client in [*clients, late]] == [["first", last]] * 2 + [[last]]
    assert site.output.count("The relay is lost") == 2  # once for each worker
    assert len(site.wait_for("The relay is back after", 2)) == 2
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


def publish_until_accepted(site):
    """Publish, until servers have subscribed again: before that, there is nobody."""
    for number in itertools.count():
        if isinstance(publish_by_view(site, f"last-{number}"), int):
            return f"last-{number}"
        time.sleep(0.01)


def has(client, content):
    """Whether a message has come to a client."""
    client.seen += client.sync()
    return content in messages(client)


def messages(client):
    return [json.loads(event[2:])[1] for event in client.seen]


def check(publisher, stalled):
    """Check what a publisher was told while Redis stood still, and the machine for some seconds."""
    assert len(publisher.told) >= 4
    assert all(one["told"].startswith("RelayError: ") for one in publisher.told)
    longest = RELAY_TIMEOUT + SLACK + stalled
    assert all(one["seconds"] < longest for one in publisher.told)
