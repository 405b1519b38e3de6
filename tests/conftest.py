"""Fixtures: a server in a thread of its own, and clients that speak to it from outside."""

import gc
import logging
import os
import traceback
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")

import django
import pytest

django.setup()

from django.test.utils import override_settings

from django_socketio import events
from tests.kit.clients import Client, PollingClient, WebSocketClient
from tests.kit.http import close_all
from tests.kit.live import LiveServer
from tests.kit.node import Nodes
from tests.kit.programs import Runserver
from tests.kit.recorder import Recorder
from tests.kit.redis_server import RedisServer

SLOW_FIRST = [
    "system/production/test_gunicorn.py",
    "clients/browser/test_tutorial.py",
    "system/test_runserver.py",
    "soak",
    "clients/browser/test_example_chat.py",
    "relay/test_contract.py",
    "system/database",
    "system/production/test_nginx.py",
    "system/test_package.py",
    "system/faults",
    "clients/browser/test_socketio_js.py",
    "clients/browser/test_reconnecting.py",
    "relay/test_past.py",
    "system/production",
    "relay/test_dead_links.py",
    "system/asynchronous",
    "clients/official",
    "clients/browser",
    "relay",
    "security",
    "fuzz",
    "test_types.py",
]
"""Modules and folders that take long begin first, or the last of them would run alone at the end;
those with a browser not at the same time."""


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Leave all tests out of later garbage collections: one would take half a second."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items):
    """Order the tests by ``SLOW_FIRST``; pytest 9 merges arguments that overlap."""
    folder = Path(__file__).parent
    places = [folder / place for place in SLOW_FIRST]

    def place_of(path):
        within = {path, *path.parents}
        return next((number for number, one in enumerate(places) if one in within), len(places))

    rank = {path: place_of(path) for path in {item.path for item in items}}
    items.sort(key=lambda item: rank[item.path])


@pytest.fixture(autouse=True)
def _registry():
    """Every test starts without handlers; those of the tests' project come back after it."""
    kept = {event: event.handlers.registrations for event in events.all_events()}
    for event in kept:
        event.handlers.clear()
    yield
    for event in events.all_events():
        event.handlers.registrations = kept.get(event, ())


class FailedAssertions(logging.Handler):
    """Keeps the assertions that failed in handlers: the server logs them and goes on."""

    def __init__(self):
        super().__init__()
        self.found = []

    def emit(self, record):
        error = record.exc_info and record.exc_info[1]
        if isinstance(error, AssertionError):
            where = traceback.extract_tb(error.__traceback__)[-1]
            if where.line.startswith("assert "):  # others are raised on purpose
                self.found.append(f"{where.filename}:{where.lineno}: {where.line}")


@pytest.fixture(autouse=True)
def _assertions():
    """Fail a test of which a handler has failed an assertion."""
    failed, logger = FailedAssertions(), logging.getLogger("django_socketio")
    logger.addHandler(failed)
    yield
    logger.removeHandler(failed)
    assert failed.found == []


@pytest.fixture
def serve():
    """Start a server.

    Keyword arguments are settings without their SOCKETIO_ prefix; ``django`` has Django's own.
    """
    servers = []
    overrides = []

    def start(django=None, **settings):
        ours = {f"SOCKETIO_{name}": value for name, value in settings.items()}
        override = override_settings(**ours, **(django or {}))
        override.enable()
        overrides.append(override)
        server = LiveServer()
        servers.append(server)
        return server

    yield start
    close_all()
    for server in servers:
        server.stop()
    for override in reversed(overrides):
        override.disable()


@pytest.fixture
def server(serve):
    """A server with the default settings."""
    return serve()


@pytest.fixture
def seen():
    """What handlers call with what they see."""
    return Recorder()


@pytest.fixture(params=["websocket", "polling", "upgraded"])
def transport(request):
    """The name of a transport: tests that take it run over each."""
    return request.param


@pytest.fixture
def connect(transport):
    """Connect a client over the test's transport: ``connect(server, namespace="/", auth=None)``."""
    clients = []

    def start(server, **options) -> Client:
        kind = WebSocketClient if transport == "websocket" else PollingClient
        client = kind(server.port)
        clients.append(client)
        if transport == "upgraded":
            client = client.upgrade()
            clients.append(client)
        if options.pop("join", True):
            client.connect(**options)
        return client

    yield start
    for client in clients:
        client.abandon()


@pytest.fixture
def run():
    """Start ``manage.py runserver_socketio``: ``run("0", "--noreload")``."""
    runs = []

    def start(*arguments, **options):
        runs.append(Runserver(*arguments, **options))
        return runs[-1]

    yield start
    close_all()
    for one in runs:
        one.end()


@pytest.fixture
def loud(tmp_path):
    """A project whose handlers print what happens, in a file that may change."""
    events = tmp_path / "loud" / "events.py"
    events.parent.mkdir()
    (tmp_path / "loud" / "__init__.py").touch()
    (tmp_path / "loud_settings.py").write_text(
        "from tests.project.settings import *\n"
        "INSTALLED_APPS = [*INSTALLED_APPS[:-1], 'loud']\nDEBUG = True\n"
    )
    events.write_text(
        "from django_socketio.events import on_disconnect, on_finish\n"
        "@on_disconnect\n"
        "def gone(request, socket, context): print(f'gone: {socket.disconnect_reason}')\n"
        "@on_finish\n"
        "def finished(request, socket, context): print('finished')\n"
    )
    return events


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    """A Redis that the tests of a module share."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


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
