"""Fixtures: the official clients."""

import pytest

from tests.kit.node import start_node
from tests.kit.programs import PATCHED, Runserver


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
    program = Runserver("127.0.0.1:0", "--noreload", "--skip-checks", python=PATCHED)
    yield program
    program.end()
