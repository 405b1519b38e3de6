"""``manage.py runserver``: Django's own, and ours where ``SOCKETIO_RUNSERVER`` is set."""

import contextlib
import signal
import socket

import pytest
from django.test import override_settings

from django_socketio.management.commands.runserver import RunServer
from tests.kit.http import get
from tests.kit.programs import free_port, in_project
from tests.kit.reloading import check_reload
from tests.kit.streams import StreamClient
from tests.kit.waiting import wait_until

SCRIPT = "/static/django_socketio/socketio.js"


@pytest.fixture
def project(loud):
    """A project in which django_socketio comes before the static files; its handlers print."""
    settings = loud.parent.parent / "loud_settings.py"
    settings.write_text(
        settings.read_text() + "INSTALLED_APPS.remove('django_socketio')\n"
        "INSTALLED_APPS.insert(0, 'django_socketio')\nSOCKETIO_RUNSERVER = True\n"
    )
    return loud


def test_it_serves_sockets_static_files_and_changed_code(run, project):
    server = run(str(free_port()), command="runserver", **in_project(project))
    assert get(server.port, SCRIPT)[0] == 200
    check_reload(server, project)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert "finished again" in server.output
    assert "Traceback" not in server.output


def test_it_takes_the_options_of_runserver(run, project):
    options = ["--noreload", "--nothreading", "--nostatic", "--ipv6"]
    server = run("0", *options, command="runserver", **in_project(project))
    with socket.create_connection(("::1", server.port), timeout=5):
        pass


def test_without_an_address_it_listens_where_django_does():
    command = RunServer()
    assert (command.default_addr, command.default_port) == ("127.0.0.1", "8000")
    assert command.completed(None, ipv6=False) is None
    with override_settings(SOCKETIO_HOST="::1"):
        assert command.completed("8001", ipv6=False) == "8001"


def own_runserver(run, project, *options):
    """Start Django's own command; return its port."""
    port = free_port()
    server = run(str(port), *options, command="runserver", **in_project(project))
    server.wait_for("Starting development server at")
    return wait_until(lambda: is_open(port)) and port


def is_open(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@pytest.mark.parametrize("reload", [[], ["--noreload"]])
def test_djangos_own_command_without_threads_refuses_event_streams(run, loud, reload):
    port = own_runserver(run, loud, "--nothreading", *reload)
    stream = StreamClient(port)
    assert (stream.status, b"--nothreading" in stream.answer.read()) == (501, True)
    assert get(port, "/garbage/")[0] == 200


def test_djangos_own_command_answers_others_while_it_sends_a_stream(run, loud):
    port = own_runserver(run, loud, "--noreload")
    stream = StreamClient(port).begin()
    assert (stream.status, get(port, "/garbage/")[0]) == (200, 200)
