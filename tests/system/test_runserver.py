"""``manage.py runserver_socketio``, as a person runs it: a process of its own."""

import os
import re
import signal
import socket
import sys
import time

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import CommandError, call_command
from django.test import override_settings

from django_socketio.management.commands.runserver_socketio import Command
from django_socketio.server.garbage import OURS
from tests.kit.clients import WebSocketClient
from tests.kit.http import close_all, get
from tests.kit.live import LiveServer
from tests.kit.programs import MANAGE, PATCHED, Program, Runserver, free_port, in_project
from tests.kit.reloading import check_reload

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.project.settings", "PYTHONPATH": "."}


@pytest.fixture(scope="module")
def plain():
    """A server for tests that do it no harm, started without ``manage.py``."""
    server = Runserver("0", "--noreload", python=("-m", "django"), **SETTINGS)
    yield server
    close_all()
    server.end()


def test_the_banner_says_where_it_listens_and_how_to_stop(plain):
    plain.wait_for(r"Quit the server with CONTROL-C\.")
    with socket.create_connection(("127.0.0.1", plain.port), timeout=5):
        pass
    assert "Relay: in-process" in plain.output
    assert re.search(r"^\d+ handlers in tests\.project\.events$", plain.output, re.MULTILINE)
    assert "System check identified no issues" in plain.output
    assert "unapplied migration" in plain.output


@pytest.mark.parametrize(
    ("arguments", "host"),
    [(["localhost:0"], "localhost"), (["-6", "0"], "::1")],
)
def test_the_forms_of_the_address(run, arguments, host):
    server = run(*arguments, "--noreload", python=PATCHED)
    with socket.create_connection((host, server.port), timeout=5):
        pass


def test_the_settings_name_the_address(run, tmp_path):
    (tmp_path / "ours.py").write_text(
        "from tests.project.settings import *\nSOCKETIO_HOST = 'localhost'\nSOCKETIO_PORT = 0\n"
    )
    site = {"DJANGO_SETTINGS_MODULE": "ours", "PYTHONPATH": str(tmp_path)}
    server = run("--noreload", python=PATCHED, **site)
    server.wait_for(r"at http://localhost:\d+/")


@pytest.mark.parametrize(
    ("host", "given", "ipv6", "address"),
    [
        ("0.0.0.0", None, False, "0.0.0.0:9000"),
        ("0.0.0.0", "8001", False, "0.0.0.0:8001"),
        ("::", "8001", False, "[::]:8001"),
        ("::", "8001", True, "[::]:8001"),
        ("0.0.0.0", "localhost:8001", False, "localhost:8001"),
        ("0.0.0.0", "[::1]:8001", False, "[::1]:8001"),
        (None, "8001", False, "127.0.0.1:8001"),
        (None, "8001", True, "[::1]:8001"),
    ],
)
def test_a_host_or_a_port_that_is_missing_comes_from_the_settings(host, given, ipv6, address):
    with override_settings(**({} if host is None else {"SOCKETIO_HOST": host})):
        assert Command().completed(given, ipv6) == address


@pytest.mark.parametrize("reload", [["--noreload"], []], ids=["noreload", "reload"])
def test_a_port_that_is_taken_is_one_friendly_line(run, reload):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = run(str(taken.getsockname()[1]), *reload)
        assert server.wait() == 1
    assert server.output.endswith("Error: That port is already in use.\n")
    assert "Traceback" not in server.output


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("nonsense", "is not a valid port number or address:port pair"),
        ("70000", "The port must be a number from 0 to 65535, not 70000."),
    ],
)
def test_an_address_that_is_none_is_an_error_of_the_command(address, told):
    with pytest.raises(CommandError, match=re.escape(told)):
        call_command("runserver_socketio", address, "--noreload")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("192.0.2.1:0", "Error: That IP address can't be assigned to."),
        ("no-such-host.invalid:0", "Error: "),
    ],
)
def test_a_bad_address_is_one_friendly_line(run, address, told):
    server = run(address, "--noreload", python=PATCHED)
    assert server.wait() == 1
    assert told in server.output
    assert "Traceback" not in server.output


@pytest.mark.parametrize("reload", [["--noreload"], []], ids=["noreload", "reload"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_every_last_handler_run(run, loud, number, reload):
    server = run("0", *reload, **in_project(loud))
    client = WebSocketClient(server.port)
    client.connect()
    server.process.send_signal(number)
    assert server.wait() == 0
    assert "gone: server shutting down\nfinished\n" in server.output
    assert client.is_closed()
    assert "Traceback" not in server.output


def twice(process):
    process.terminate()
    time.sleep(0.1)
    process.terminate()


def to_group(process):
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.parametrize(("reload", "send"), [(["--noreload"], twice), ([], to_group)])
def test_a_signal_that_comes_twice_does_not_break_the_end_off(run, loud, reload, send):
    loud.write_text(
        "import time\n" + loud.read_text().replace(": print", ": time.sleep(0.5); print")
    )
    server = run("0", *reload, **in_project(loud))
    client = WebSocketClient(server.port)
    client.connect()
    send(server.process)
    assert server.wait() == 0
    assert "gone: server shutting down\nfinished\n" in server.output
    assert "Traceback" not in server.output


ENDLESS = """
from django_socketio.server.interrupts import Interrupts
Interrupts(hangs_after=0.1).watch()
print("endless")
while True:
    pass
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_server_that_hangs(number):
    with Program([sys.executable, "-c", ENDLESS]) as program:
        program.wait_for("endless")
        while program.process.poll() is None:
            program.signal(number)
            time.sleep(0.05)
        assert program.wait() == 128 + number
        assert "Traceback" not in program.output


@pytest.mark.alone
def test_a_signal_ends_it_within_two_seconds(run):
    server = run("0", "--noreload")
    client = WebSocketClient(server.port)
    client.connect()
    server.process.send_signal(signal.SIGTERM)
    assert server.wait(2) == 0


def test_changed_code_ends_the_sockets_and_serves_again_on_the_same_port(run, loud):
    server = run(str(free_port()), **in_project(loud))
    check_reload(server, loud)
    server.process.terminate()
    server.wait_for("finished again")


BROKEN = "def broken(:\n"


def test_wrong_code_is_shown_and_the_server_comes_back_once_all_is_mended_or_ctrl_c_ends_it(
    run, loud
):
    right, further = loud.read_text(), loud.with_name("further.py")
    server = run(str(free_port()), **in_project(loud))
    port = server.port
    WebSocketClient(port).connect()  # the reloader has looked at the files
    loud.write_text(BROKEN)
    server.wait_for("SyntaxError: ")
    loud.write_text("import loud.further\n" + right)
    server.wait_for("No module named 'loud.further'")
    further.write_text(BROKEN)
    server.wait_for("SyntaxError: ", count=2)
    further.write_text("")
    server.wait_for("Quit the server", count=2)
    WebSocketClient(port).connect()
    further.write_text(BROKEN)
    server.wait_for("SyntaxError: ", count=3)
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.wait() == 128 + signal.SIGINT
    assert server.output.endswith("SyntaxError: invalid syntax\n")


def test_a_module_that_urls_py_misses_is_seen_once_it_is_there(run, loud):
    loud.with_name("urls.py").write_text(
        "from loud.views import forms\nurlpatterns = [forms.pattern]\n"
    )
    settings = loud.parent.parent / "loud_settings.py"
    settings.write_text(settings.read_text() + "ROOT_URLCONF = 'loud.urls'\n")
    server = run("0", **in_project(loud))
    server.wait_for("No module named 'loud.views'")
    loud.with_name("views").mkdir()
    (loud.with_name("views") / "__init__.py").write_text("from loud import forms\n")
    server.wait_for("cannot import name 'forms'")
    loud.with_name("forms.py").write_text(
        "from django.urls import include, path\n"
        "pattern = path('', include('django_socketio.urls'))\n"
    )
    server.wait_for("Quit the server")
    server.signal(signal.SIGINT)
    assert server.wait() == 0


WITHOUT_STDIN = ["sh", "-c", 'exec "$0" "$@" <&-', sys.executable, MANAGE, "runserver_socketio"]


def test_it_needs_no_standard_input():
    with Program([*WITHOUT_STDIN, "0"]) as program:
        program.wait_for("Quit the server")
        program.signal(signal.SIGINT)
        assert program.wait() == 0


def test_it_also_runs_as_a_module(plain):
    WebSocketClient(plain.port).connect()


@pytest.mark.parametrize("reload", [["--noreload"], []], ids=["noreload", "reload"])
def test_it_runs_from_another_folder_than_that_of_manage_py(run, tmp_path, reload):
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    elsewhere.mkdir()
    project.mkdir()
    call_command("startproject", "site1", project)
    settings = project / "site1" / "settings.py"
    settings.write_text(settings.read_text() + "\nINSTALLED_APPS.append('django_socketio')\n")
    server = run("0", *reload, python=(str(project / "manage.py"),), cwd=elsewhere)
    assert server.port


SCRIPT = "/static/django_socketio/socketio.js"


@pytest.mark.parametrize(
    ("debug", "arguments", "status"),
    [
        (True, [], 200),
        (True, ["--nostatic"], 404),
        (False, [], 404),
        (False, ["--insecure"], 200),
    ],
)
def test_static_files(debug, arguments, status):
    command = Command()
    options = vars(command.create_parser("manage.py", "runserver_socketio").parse_args(arguments))
    with override_settings(DEBUG=debug):
        server = LiveServer(command._handler(options))
        try:
            assert get(server.port, SCRIPT)[0] == status
        finally:
            server.stop()


@pytest.mark.parametrize(
    ("app", "is_served"),
    [("django.contrib.staticfiles.apps.StaticFilesConfig", True), ("django.contrib.auth", False)],
)
def test_static_files_are_those_of_an_installed_app(app, is_served):
    options = {"use_static_handler": True, "insecure_serving": True}
    installed = ["django.contrib.contenttypes", app]
    with override_settings(INSTALLED_APPS=installed):
        assert isinstance(Command()._handler(options), StaticFilesHandler) is is_served


def test_an_error_in_events_py_is_raised(run, loud):
    loud.write_text("import no_such_module\n")
    server = run("0", "--noreload", **in_project(loud))
    assert server.wait() == 1
    assert "No module named 'no_such_module'" in server.output


def test_an_error_of_the_system_in_code_that_a_setting_names_is_raised(run, loud):
    settings = loud.parent.parent / "loud_settings.py"
    settings.write_text(f"{settings.read_text()}SOCKETIO_ALLOWED_CHANNELS = 'loud.rules.allowed'\n")
    loud.with_name("rules.py").write_text("open('no-such-file')\n")
    server = run("0", "--noreload", "--skip-checks", python=PATCHED, **in_project(loud))
    assert server.wait() == 1
    assert "rules.py" in server.output
    assert server.output.endswith("No such file or directory: 'no-such-file'\n")


def test_handlers_run_cooperatively(run, loud):
    loud.write_text(
        "import threading\nfrom django_socketio.events import on_event\n"
        "woken = threading.Event()\n"
        "@on_event('nap')\ndef nap(request, socket, context):\n"
        "    print('napping')\n    return woken.wait(20)\n"
        "@on_event('now')\ndef now(request, socket, context): return 'now'\n"
        "@on_event('wake')\ndef wake(request, socket, context): woken.set()\n"
    )
    server = run("0", "--noreload", **in_project(loud))
    sleeper, other = WebSocketClient(server.port), WebSocketClient(server.port)
    sleeper.connect()
    other.connect()
    sleeper.emit("nap", id=1)
    server.wait_for("napping")
    assert other.ask("now") == ["now"]
    other.ask("wake")
    assert sleeper.receive() == "431[true]"


def test_garbage_is_collected_less_often_in_a_server(plain):
    assert get(plain.port, "/garbage/")[1] == {"thresholds": list(OURS)}
