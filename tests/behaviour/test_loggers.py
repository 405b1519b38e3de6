"""Each area of the package has a logger of its own, below ``django_socketio``, as documented."""

import logging
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import gevent
import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client as DjangoClient

import django_socketio
from django_socketio.concurrency.log_limits import Every
from django_socketio.events import on_event, on_message
from django_socketio.server import view
from tests.kit.clients import WebSocketClient
from tests.kit.http import get
from tests.kit.programs import free_port
from tests.kit.waiting import wait_until

ROOT = Path(django_socketio.__file__).parent
MADE = re.compile(r'get_?logger\("(django_socketio[\w.]*)"\)', re.IGNORECASE)
ROW = re.compile(r"^   \* - ``(django_socketio\.\w+)``", re.MULTILINE)

CONFIGURES = "runserver_socketio.py"
"""The module that configures the logger of the whole package, and logs nothing."""


def test_the_documentation_has_a_row_for_each_logger_of_the_package():
    sources = [path.read_text() for path in ROOT.rglob("*.py") if path.name != CONFIGURES]
    made = {name for source in sources for name in MADE.findall(source)}
    page = (ROOT.parent / "docs" / "operations.rst").read_text()
    section = page.partition("\nLogging\n")[2].partition("\nBlocking handlers\n")[0]
    assert made == set(ROW.findall(section))


@pytest.fixture
def logged(caplog):
    """Wait until a logger has a record with a text; return the record's level."""
    caplog.set_level(logging.DEBUG, "django_socketio")

    def wait(name, text):
        def found():
            return [r for r in caplog.records if r.name == name and text in r.getMessage()]

        wait_until(found)
        (record,) = found()
        return record.levelname

    return wait


@pytest.fixture
def client(server):
    client = WebSocketClient(server.port)
    yield client
    client.close()


def test_errors_of_handlers_and_refusals_by_handlers_are_of_sockets(client, logged):
    @on_message
    def fail(request, socket, context, message):
        raise ValueError("on purpose")

    @on_event("secret")
    def refuse(request, socket, context):
        raise PermissionDenied("members only")

    client.connect()
    client.emit("message", 1)
    client.emit("unknown", 1)
    client.emit("secret")
    assert logged("django_socketio.sockets", "'unknown'") == "DEBUG"
    assert logged("django_socketio.sockets", "A handler of") == "ERROR"
    assert logged("django_socketio.sockets", "members only") == "INFO"


def test_requests_and_packets_that_cannot_be_read_are_of_transports(server, client, logged):
    get(server.port, "/socket.io/?EIO=4&transport=smoke")
    assert logged("django_socketio.transports", "Refused GET smoke") == "INFO"
    client.send("nonsense")
    assert logged("django_socketio.transports", "closed: ") == "WARNING"


def test_refused_origins_are_of_security(server, logged):
    get(
        server.port,
        "/socket.io/?EIO=4&transport=polling",
        headers={"Origin": "http://elsewhere.example"},
    )
    assert logged("django_socketio.security", "elsewhere.example") == "WARNING"


def test_a_redis_that_is_away_is_of_relay(serve, logged):
    serve(RELAY_URL=f"redis://127.0.0.1:{free_port()}")
    assert logged("django_socketio.relay", "is lost") == "ERROR"


def test_a_server_that_cannot_hold_sockets_is_of_server(logged, monkeypatch):
    monkeypatch.setattr(view, "_complaints", Every(60))  # earlier tests told it too
    DjangoClient().get("/socket.io/")
    assert logged("django_socketio.server", "runserver_socketio") == "ERROR"


def test_handlers_that_do_not_end_with_the_server_are_of_server(serve, logged):
    running = threading.Event()

    @on_message
    def wait(request, socket, context, message):
        running.set()
        gevent.sleep(60)

    server = serve()
    client = WebSocketClient(server.port)
    client.connect()
    client.emit("message", 1)
    wait_until(running.is_set)
    server.stop()
    assert logged("django_socketio.server", "handlers did not end") == "WARNING"


USES = """
import logging, logging.config
logging.config.dictConfig(LOGGING)
logging.getLogger("django_socketio.security").info("an origin")
logging.getLogger("django_socketio.sockets").info("an event")
"""


def test_the_documented_configuration_is_one():
    page = (ROOT.parent / "docs" / "operations.rst").read_text()
    (block,) = re.findall(r"^    LOGGING = \{\n(?:^     .*\n|\n)+^    \}\n", page, re.MULTILINE)
    code = textwrap.dedent(block) + USES
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (line,) = run.stderr.splitlines()
    assert line.endswith("INFO django_socketio.security an origin")
