"""A real Redis and a real cluster of the tests' own, and relays of all kinds."""

import secrets
import subprocess
import threading
from contextlib import contextmanager

import pytest

from django_socketio import RelayError
from django_socketio.relay.envelope import Envelope
from django_socketio.relay.memory import MemoryRelay
from django_socketio.relay.redis.parts import Options
from django_socketio.relay.redis.relay import RedisRelay
from django_socketio.relay.topics import DEFAULT_RETENTIONS, Retention, Retentions, channel_topic
from tests.kit.programs import free_port, started
from tests.kit.redis_server import ALL, DEFAULT, RedisServer, has, program
from tests.kit.tap import Tap
from tests.kit.waiting import wait_until
from tests.relay.cluster import RedisCluster

TIMEOUT = 10

A, B = channel_topic("/", "a"), channel_topic("/", "b")


each_server = pytest.mark.parametrize("server_name", ALL, indirect=True)
"""Marks tests that run with every server, not only with the default one."""

each_sharded = pytest.mark.parametrize(
    "server_name", [name for name in ALL if has(name, "shards")], indirect=True
)
"""The same of tests that need sharded pub/sub."""


def pytest_report_header():
    """Tell which servers these tests run with."""
    return [f"relay: {name}: {version_of(name)}" for name in ALL]


def version_of(name):
    done = subprocess.run([program(name), "--version"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split()[:3])


def pytest_collection_modifyitems(config, items):
    """Leave out what the server that was chosen (TEST_RELAY_SERVER) cannot do; pytest counts it."""
    left_out = [item for item in items if not all(has(DEFAULT, need) for need in needs_of(item))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def needs_of(item):
    return {need for marker in item.iter_markers("needs") for need in marker.args}


@pytest.fixture(scope="session")
def server_name(request):
    """The name of the server that a test runs with."""
    return getattr(request, "param", DEFAULT)


@pytest.fixture(autouse=True)
def never_young(monkeypatch):
    """Have publishers trust a Redis that has just started, as all of the tests have."""
    monkeypatch.setattr("django_socketio.relay.redis.listeners.YOUNG", 0)


@pytest.fixture
def redis_server(tmp_path, server_name):
    with RedisServer(tmp_path, server_name) as server:
        yield server


@pytest.fixture
def notice(monkeypatch):
    """Have relays find out that a connection is dead, but only after ``notice()``."""
    monkeypatch.setattr("django_socketio.relay.redis.subscriber.POLL", 0.02)
    interval = "django_socketio.relay.redis.health.CHECK_INTERVAL"
    monkeypatch.setattr(interval, 60)
    return lambda: monkeypatch.setattr(interval, 0.1)


@pytest.fixture
def tcp_redis(tmp_path, server_name):
    """A Redis with a port, which its clients reach by a tap."""
    port = free_port()
    with RedisServer(tmp_path, server_name, ["--port", str(port)]) as server:
        server.tap = Tap(port)
        yield server
        server.tap.close()


def keys_of_topics(redis_server):
    """Return the keys of all topics; the other one has the processes that listen."""
    return [key for key in redis_server.client.scan_iter() if not key.endswith(b"{listeners}")]


def let_expire(redis_server, keys, seconds):
    """Have the time of keys be over, which was not more than so many seconds."""
    client = redis_server.client
    assert [0 < client.pttl(key) <= 1000 * seconds for key in keys] == [True] * len(keys) != []
    for key in keys:
        client.pexpire(key, 1)
    wait_until(lambda: client.exists(*keys) == 0)


def message(content, *topics, **options):
    return Envelope(topics or (A,), "/", "message", (content,), **options)


def publisher_works(publisher, content, *topics):
    try:
        return publisher.publish(message(content, *topics)) == 1
    except RelayError:
        return False


def make_certificate(folder):
    """Make a certificate for 127.0.0.1; return its path and that of its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    files = ["-keyout", key, "-out", certificate]
    command = ["openssl", "req", "-x509", *curve, *files, *subject]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


class Inbox:
    """Receives messages, as the channels of a process do."""

    def __init__(self):
        self.deliveries = []
        self.lost = []
        self._changed = threading.Condition()

    def deliver(self, delivery):
        with self._changed:
            self.deliveries.append(delivery)
            self._changed.notify_all()
        return 1

    def tell_lost(self, topic):
        with self._changed:
            self.lost.append(topic)
            self._changed.notify_all()

    @property
    def envelopes(self):
        return [delivery.envelope for delivery in self.deliveries]

    @property
    def messages(self):
        return [envelope.args[0] for envelope in self.envelopes]

    def wait(self, condition):
        """Wait until ``condition()`` holds; it is tried whenever something comes."""
        with self._changed:
            assert self._changed.wait_for(condition, TIMEOUT), (self.messages[-5:], self.lost)

    def wait_for(self, message):
        self.wait(lambda: message in self.messages)


class Deafened:
    """Hears nothing, and says that all is well."""

    def __init__(self, relay):
        self.catch_up = relay.catch_up
        self.dropped = 0

    def message_received(self, channel, data):
        self.dropped += 1


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


def options_of(url, log_size=1000, log_bytes=1_000_000, log_seconds=60.0, **options):
    """Return the options of a relay, whose logs keep that much unless told otherwise."""
    retentions = Retentions(Retention(log_size, log_bytes, log_seconds))
    return Options(url, **{"retentions": retentions, **options})


@contextmanager
def relays_at(url, **given):
    """Make relays that listen, each with an inbox: ``relay, inbox = new()``."""
    relays = []

    def new(listen=True, url=url, **options):
        inbox = Inbox()
        relay = RedisRelay(
            options_of(url, **{**given, **options}),
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
def shared_servers(tmp_path_factory):
    """One Redis for each server's name, for tests that do no harm to it: ``shared_servers(name)``.

    The relays of each test have names of their own there.
    """
    yield from started(lambda name: RedisServer(tmp_path_factory.mktemp("redis"), name))


@pytest.fixture(scope="session")
def clusters(tmp_path_factory):
    """The same of clusters of three nodes."""
    yield from started(lambda name: RedisCluster(tmp_path_factory.mktemp("cluster"), name))


@pytest.fixture
def cluster(clusters, server_name):
    return clusters(server_name)


@pytest.fixture
def new_cluster(cluster):
    """Make relays on the cluster; each test has names of its own there."""
    with relays_at(cluster.url, prefix=secrets.token_hex(4)) as new:
        yield new


KINDS = [
    "memory",
    *(f"redis {name}" for name in ALL),
    f"signed {DEFAULT}",
    *(f"cluster {name}" for name in ALL if has(name, "shards")),
]
"""The relays that the contract is for."""


@pytest.fixture(params=KINDS)
def server(request):
    """The server, or the cluster, that a kind of relay uses."""
    kind, _, name = request.param.partition(" ")
    of_kind = {"redis": "shared_servers", "signed": "shared_servers", "cluster": "clusters"}
    return request.getfixturevalue(of_kind[kind])(name) if name else None


def new_memory(listen=True, retentions=DEFAULT_RETENTIONS):
    return MemoryRelay(retentions=retentions), Inbox()


@pytest.fixture
def new_relay(server, request):
    """Make relays on that server, each with an inbox."""
    keys = (b"key",) if "signed" in request.node.callspec.params["server"] else ()
    if server is None:
        yield new_memory
    else:
        with relays_at(server.url, prefix=secrets.token_hex(4), signing_keys=keys) as new:
            yield new


@pytest.fixture
def pair(server, new_relay):
    """Two ends of a relay, as two processes have them, each with an inbox.

    The one of a single process is both ends itself.
    """
    one = new_relay()
    return one, one if server is None else new_relay()


def received(clients):
    """Return the content of the next message of each client."""
    return [client.event()[1] for client in clients]


PUSH = "from django_socketio import broadcast_channel; print(broadcast_channel({0!r}, 'a'))"
