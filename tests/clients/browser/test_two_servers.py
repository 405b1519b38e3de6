"""Pages of ``runserver``, whose sockets are served by ``runserver_socketio``, or by no server."""

import pytest

from tests.clients.browser.pages import js
from tests.kit.http import get
from tests.kit.programs import Runserver, free_port

SETTINGS = """
from tests.project.settings import *
DEBUG = True
ROOT_URLCONF = "tests.clients.browser.site"
INSTALLED_APPS.remove("django_socketio")
INSTALLED_APPS.insert(0, "django_socketio")  # SOCKETIO_RUNSERVER is off all the same
SOCKETIO_PORT = {}
"""
ADVICE = "To develop, run `manage.py runserver_socketio`, or set SOCKETIO_RUNSERVER = True"


@pytest.fixture
def serve_by(tmp_path):
    """Start a command: ``serve_by("runserver", port)``."""
    (tmp_path / "both_settings.py").write_text(SETTINGS.format(port := free_port()))
    environ = {"DJANGO_SETTINGS_MODULE": "both_settings", "PYTHONPATH": str(tmp_path)}
    runs = []

    def start(command, *arguments):
        runs.append(Runserver(*arguments, "--noreload", command=command, **environ))
        return runs[-1]

    start.port = port
    yield start
    for one in runs:
        one.end()


def test_a_page_with_a_client_of_its_own_finds_the_other_port(serve_by, window):
    pages = free_port()
    serve_by("runserver_socketio").wait_for("Quit the server")
    serve_by("runserver", str(pages)).wait_for("Starting development server")
    page = window(f"http://127.0.0.1:{pages}/own-client/")
    js(page, "await until(() => own.connected)")
    assert js(page, "return own.io.uri") == f"http://127.0.0.1:{serve_by.port}"


def test_without_a_server_of_sockets_the_console_says_what_to_run_and_then_it_works(
    serve_by, window
):
    pages = free_port()
    plain = serve_by("runserver", str(pages))
    plain.wait_for("Starting development server")
    page = window(f"http://127.0.0.1:{pages}/elsewhere/")
    errors = []
    page.on("console", lambda message: errors.append(message.text))
    page.goto(f"http://127.0.0.1:{pages}/")
    with page.expect_console_message(lambda message: ADVICE in message.text):
        js(page, "make({reconnectionDelayMax: 100}); socket.connect()")
    js(page, "await until(() => seen.length > 2)")
    advised = [text for text in errors if ADVICE in text]
    assert len(advised) == 1
    assert advised[0].startswith(f"socket.io: no connection to port {serve_by.port} (")
    plain.wait_for(ADVICE)
    assert get(pages, "/static/django_socketio/socketio.js")[0] == 200
    serve_by("runserver_socketio").wait_for("Quit the server")
    js(page, "await until(() => socket.connected)")
