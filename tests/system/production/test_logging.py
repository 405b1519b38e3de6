"""What the package logs arrives where the project's LOGGING says, whichever server runs it."""

import json

import pytest

from tests.kit.clients import WebSocketClient
from tests.kit.http import get
from tests.kit.programs import Runserver

ROOT = {
    "version": 1,
    "handlers": {
        "console": {"class": "logging.StreamHandler"},
        "tracker": {"class": "tests.system.production.logged.Tracker"},
    },
    "root": {"handlers": ["console", "tracker"], "level": "WARNING"},
    # Without these, gunicorn does not say that it is ready.
    "loggers": {"gunicorn.error": {"level": "INFO", "propagate": True}},
}

ASKS_FOR_LESS = {**ROOT["loggers"], "django_socketio": {"level": "CRITICAL"}}


def failed(server):
    """Have a handler raise; return what was printed by the time that the next one ran."""
    client = WebSocketClient(server.port)
    client.connect()
    assert client.ask("length", 1) == [{"error": "Internal error"}]  # an int has none
    headers = {"Origin": "http://elsewhere.example"}
    assert get(server.port, "/socket.io/?EIO=4&transport=polling", headers=headers)[0] == 403
    client.ask("nap", 0)
    server.wait_for("napping")
    return server.output


@pytest.fixture
def start(gunicorn):
    """Start a server with a LOGGING: ``start("gunicorn", LOGGING)``."""
    runservers = []

    def one(kind, logging, *arguments, **environ):
        environ["DJANGO_SETTINGS_MODULE"] = "tests.system.production.logged"
        if logging is not None:
            environ["TEST_LOGGING"] = json.dumps(logging)
        if kind == "gunicorn":
            return gunicorn(*arguments, **environ)
        runservers.append(Runserver("127.0.0.1:0", "--noreload", **environ))
        runservers[-1].wait_for("Quit the server")
        return runservers[-1]

    yield one
    for server in runservers:
        server.end()


SERVERS = [("gunicorn",), ("gunicorn", "--preload"), ("runserver",)]


@pytest.mark.parametrize(("kind", "arguments"), [(kind, rest) for kind, *rest in SERVERS])
def test_errors_are_logged_without_disable_existing_loggers(start, kind, arguments):
    output = failed(start(kind, ROOT, *arguments))
    assert "TypeError: object of type 'int' has no len()" in output
    assert "tracked: ERROR django_socketio.sockets TypeError" in output
    assert "tracked: WARNING django_socketio.security None" in output  # the origin


def test_errors_are_logged_where_django_configures_nothing(start):
    assert "TypeError: object of type 'int' has no len()" in failed(start("gunicorn", None))


@pytest.mark.parametrize("environ", [{}, {"TEST_DISABLED": "1"}], ids=["level", "disabled"])
def test_a_logger_that_the_project_turns_off_is_silent(start, environ):
    logging = ROOT if environ else {**ROOT, "loggers": ASKS_FOR_LESS}
    output = failed(start("gunicorn", logging, **environ))
    assert "tracked: ERROR django_socketio" not in output
    assert "has no len()" not in output
