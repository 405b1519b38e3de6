"""A real Redis and a real cluster of the tests' own, and relays of all kinds."""

import secrets
import threading
from contextlib import contextmanager

import pytest

from django_socketio import RelayError
from django_socketio.relay.base import Envelope, channel_topic
from django_socketio.relay.memory import MemoryRelay
from django_socketio.relay.redis import Options, RedisRelay
from tests.redis_server import RedisServer
from tests.relay.cluster import RedisCluster
from tests.waiting import wait_until

TIMEOUT = 10

A, B = channel_topic("/", "a"), channel_topic("/", "b")


@pytest.fixture
def redis_server(tmp_path):
    with RedisServer(tmp_path) as server:
        yield server


def message(content, *topics, **options):
    return Envelope(topics or (A,), "/", "message", (content,), **options)


def publisher_works(publisher, content):
    try:
        return publisher.publish(message(content)) == 1
    except RelayError:
        return False


class Inbox:
    """Receives envelopes, as the channels of a process do."""

    def __init__(self):
        self.envelopes = []
        self.lost = []
        self._changed = threading.Condition()

    def deliver(self, envelope):
        with self._changed:
            self.envelopes.append(envelope)
            self._changed.notify_all()
        return 1

    def tell_lost(self, topic):
        with self._changed:
            self.lost.append(topic)
            self._changed.notify_all()

    @property
    def messages(self):
        return [envelope.args[0] for envelope in self.envelopes]

    def wait(self, condition):
        """Wait until ``condition()`` holds; it is tried whenever something comes."""
        with self._changed:
            assert self._changed.wait_for(condition, TIMEOUT), (self.messages[-5:], self.lost)

    def wait_for(self, message):
        self.wait(lambda: message in self.messages)


class Stream(threading.Thread):
    """Publishes numbers, one after the other, and notes those that were accepted."""

    def __init__(self, relay, topic=A):
        super().__init__(daemon=True)
        self.relay = relay
        self.topic = topic
        self.accepted = []
        self.refused = []
        self._stopped = threading.Event()
        self.start()

    def run(self):
        number = 0
        while not self._stopped.wait(0.001):
            try:
                received = self.relay.publish(message(number, self.topic))
            except RelayError:
                received = 0
            (self.accepted if received else self.refused).append(number)
            number += 1

    def go_on(self, count=50):
        """Wait until that many more were accepted."""
        wanted = len(self.accepted) + count
        wait_until(lambda: len(self.accepted) >= wanted)

    def stop(self):
        self._stopped.set()
        self.join()


@contextmanager
def relays_at(url, **given):
    """Make relays that listen, each with an inbox: ``relay, inbox = new()``."""
    relays = []

    def new(listen=True, url=url, **options):
        inbox = Inbox()
        relay = RedisRelay(
            Options(url, **{**given, **options}),
            schedule=lambda function, *args: function(*args),
            lost=inbox.tell_lost,
        )
        relays.append(relay)
        if listen:
            relay.listen()
            wait_until(lambda: relay.status()["alive"])
        return relay, inbox

    yield new
    for relay in relays:
        relay.close()


@pytest.fixture
def new_redis(redis_server):
    """Make relays on the test's Redis."""
    with relays_at(redis_server.url) as new:
        yield new


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Three nodes of a cluster, for all tests that do not break it."""
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def new_cluster(cluster):
    """Make relays on the cluster; each test has names of its own there."""
    with relays_at(cluster.url, prefix=secrets.token_hex(4)) as new:
        yield new


@pytest.fixture(params=["memory", "redis", "cluster"])
def pair(request):
    """Two ends of a relay, as two processes have them, each with an inbox.

    The one of a single process is both ends itself.
    """
    if request.param == "memory":
        relay, inbox = MemoryRelay(), Inbox()
        return (relay, inbox), (relay, inbox)
    new = request.getfixturevalue(f"new_{request.param}")
    return new(), new()
