"""Fixtures: the official clients."""

import queue

import pytest

from tests.kit.node import FOLDER, TIMEOUT, Node
from tests.kit.programs import Runserver


class Seen:
    """What handlers saw, in its order; the test waits for it."""

    def __init__(self):
        self._queue = queue.Queue()

    def __call__(self, *values):
        self._queue.put(values[0] if len(values) == 1 else values)

    def next(self):
        try:
            return self._queue.get(timeout=TIMEOUT)
        except queue.Empty:
            raise AssertionError("no handler saw anything more") from None

    def take(self, number):
        return [self.next() for _ in range(number)]

    @property
    def empty(self):
        return self._queue.empty()


@pytest.fixture
def seen():
    """What handlers call with what they see."""
    return Seen()


class Nodes:
    """Starts Node when a test needs it, and again should a test have broken it."""

    current = None

    def get(self):
        if self.current is None or not self.current.alive:
            self.stop()
            self.current = start_node()
        return self.current

    def stop(self):
        if self.current is not None:
            self.current.stop()
            self.current = None


def start_node():
    if not (FOLDER / "node_modules" / "socket.io-client").is_dir():
        pytest.fail(f"{FOLDER}/node_modules is missing: run make test, which installs it")
    return Node()


@pytest.fixture(scope="session")
def nodes():
    """The Node process that tests share, one after the other."""
    nodes = Nodes()
    yield nodes
    nodes.stop()


@pytest.fixture
def node(nodes):
    """A Node process with the official JavaScript client, without sockets."""
    node = nodes.get()
    yield node
    if node.alive:
        node.forget()


@pytest.fixture
def own_node():
    """A Node process of the test's own, to be killed or paused."""
    node = start_node()
    yield node
    node.stop()


@pytest.fixture
def connect(node, server, transport):
    """Connect a JavaScript client over the test's transport: ``connect(namespace="/", …)``."""

    def start(namespace="/", **options):
        return node.connect(server, transport, namespace, **options)

    return start


@pytest.fixture
def program():
    """The tests' project in a process of its own, which can be stopped."""
    program = Runserver("--noreload", "--skip-checks", "127.0.0.1:0")
    yield program
    program.end()
