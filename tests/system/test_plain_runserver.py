"""``manage.py runserver`` where ``SOCKETIO_RUNSERVER`` tells it to serve sockets."""

import signal
import socket

import pytest

from django_socketio.management.commands.runserver import RunServer
from tests.kit.http import get
from tests.kit.programs import free_port, in_project
from tests.kit.reloading import check_reload

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
    assert command.default_address(ipv6=False) is None
