"""``breakpoint()`` under ``runserver_socketio`` and under gunicorn, on a terminal."""

import http.client
import threading
import time

import pytest

from tests.kit.clients import WebSocketClient
from tests.kit.programs import in_project
from tests.kit.servers import GUNICORN, HAS_CONTROL_SOCKET
from tests.kit.terminal import CTRL_C, Terminal

EVENTS = """
import pdb
from django.http import HttpResponse
from django.urls import include, path
from django_socketio.events import on_disconnect, on_event

@on_event("handler")
def handler(request, socket, context):
    breakpoint()
    return "continued"

@on_disconnect
def gone(request, socket, context): print(f"gone: {socket.disconnect_reason}")

def view(request):
    pdb.set_trace()
    return HttpResponse("continued")

urlpatterns = [path("", include("django_socketio.urls")), path("view/", view)]
"""


GUNICORN_OPTIONS = [
    *("-k", "django_socketio.gunicorn.Worker", "--bind", "127.0.0.1:0"),
    *(["--no-control-socket"] if HAS_CONTROL_SOCKET else []),
    "tests.system.production.wsgi",
]

SERVERS = {
    "runserver_socketio": (["runserver_socketio", "0"], {}),
    "gunicorn": (GUNICORN_OPTIONS, {"program": [GUNICORN]}),
}


@pytest.fixture(params=SERVERS)
def terminal(request, loud):
    loud.write_text(EVENTS)
    settings = loud.parent.parent / "loud_settings.py"
    settings.write_text(
        settings.read_text() + "ROOT_URLCONF = 'loud.events'\nSOCKETIO_BLOCKED_AFTER = 0.2\n"
    )
    arguments, program = SERVERS[request.param]
    terminal = Terminal(*arguments, **program, **in_project(loud))
    terminal.wait_for("2 handlers in")
    yield terminal
    terminal.end()


def visit(terminal):
    """Ask for the page whose view has the breakpoint, in a thread."""

    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", terminal.port, timeout=20)
        connection.request("GET", "/view/")
        answers.append(connection.getresponse().read())
        connection.close()

    answers = []
    thread = threading.Thread(target=ask)
    thread.start()
    return thread, answers


def test_after_a_breakpoint_ctrl_c_ends_the_server_as_before(terminal):
    client = WebSocketClient(terminal.port)
    client.connect()
    client.emit("handler", id=7)
    terminal.wait_for(r"\(Pdb\) ")
    time.sleep(0.5)  # longer than SOCKETIO_BLOCKED_AFTER
    terminal.type("p socket.namespace\n")
    terminal.wait_for("'/'")
    terminal.type("c\n")
    assert client.receive() == '437["continued"]'
    thread, answers = visit(terminal)
    terminal.wait_for(r"\(Pdb\) ", count=3)
    time.sleep(0.5)
    terminal.type("c\n")
    thread.join(20)
    assert answers == [b"continued"]
    terminal.type(CTRL_C)
    assert terminal.wait() == 0
    assert "gone: server shutting down" in terminal.output, terminal.output
    assert "interrupted" not in terminal.output
    assert "Traceback" not in terminal.output
    assert "pdb.py" not in terminal.output  # as in the stack that the watchdog logs
