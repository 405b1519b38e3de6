"""The units of docs/deployment/systemd.rst: checked by systemd, and run as systemd runs them."""

import configparser
import http.client
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess

import pytest

from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.documented import CONFIGURATION, SERVICE_UNIT, SOCKET_UNIT, replaced
from tests.kit.programs import Program
from tests.kit.redis_server import RedisServer
from tests.kit.servers import GUNICORN


def program(name):
    path = shutil.which(name)
    assert path, f"{name} is missing: run make test, which installs it"
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "gunicorn.conf.py").write_text(
        replaced(CONFIGURATION, {"workers = 4": "workers = 1"})
    )
    return tmp_path


def localized(folder):
    """Return the units as written to files, with paths of this machine."""
    values = {
        "/srv/chat/venv/bin/gunicorn": GUNICORN,
        "/srv/chat/gunicorn.conf.py": folder / "gunicorn.conf.py",
        "project.wsgi": "tests.system.production.wsgi",
    }
    units = folder / "chat.socket", folder / "chat.service"
    units[0].write_text(replaced(SOCKET_UNIT, {"/run/chat/gunicorn.sock": folder / "s"}))
    units[1].write_text(replaced(SERVICE_UNIT, values))
    return units


def settings(unit):
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(unit.read_text())
    return parser


def verify(*units):
    """Return what systemd has to say of units."""
    options = ["--man=no", "--recursive-errors=no"]
    done = subprocess.run(
        [program("systemd-analyze"), "verify", *options, *units],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_systemd_has_no_objection(folder):
    assert verify(*localized(folder)) == (0, "")


@pytest.mark.parametrize("line", ["KillMode=mixed", "Type=notify", "Backlog=1024"])
def test_systemd_would_object_to_a_mistake(folder, line):
    name, _, value = line.partition("=")
    units = localized(folder)
    for unit in units:
        unit.write_text(unit.read_text().replace(line, f"{name}=nonsense{value}"))
    assert "nonsense" in verify(*units)[1]


class Unit(Program):
    """The service, started by a connection to its socket, as ``systemctl`` does it."""

    def __init__(self, folder, **environ):
        self.socket, self.service = (settings(unit) for unit in localized(folder))
        self.path = self.socket["Socket"]["ListenStream"]
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(folder / "notify"))
        self._notified.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._notified.settimeout(10)
        environ |= {"PYTHONUNBUFFERED": "1", "NOTIFY_SOCKET": str(folder / "notify")}
        given = [f"--setenv={name}={value}" for name, value in environ.items()]
        activate = [program("systemd-socket-activate"), "--listen", self.path, *given]
        super().__init__([*activate, *shlex.split(self.service["Service"]["ExecStart"])])
        self.wait_for("Listening on")

    def notified(self):
        """Return what the service tells systemd next, and by which process."""
        data, ancillary, _, _ = self._notified.recvmsg(1000, 1000)
        (credentials,) = [value for _, kind, value in ancillary if kind == socket.SCM_CREDENTIALS]
        return data.decode(), int.from_bytes(credentials[:4], "little")

    def reload(self):
        command = self.service["Service"]["ExecReload"].replace("$MAINPID", str(self.process.pid))
        subprocess.run(shlex.split(command), check=True)

    def stop(self):
        """Stop it as systemd does with ``KillMode=mixed``; return the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(float(self.service["Service"]["TimeoutStopSec"]))

    def connect(self):
        """Return a connection to the socket."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(10)
        try:
            connection.connect(self.path)
        except OSError:
            connection.close()
            raise
        return connection

    def end(self):
        self._notified.close()
        super().end()


class UnixPolling(PollingClient):
    """Speaks long-polling through a Unix socket."""

    def __init__(self, unit):
        self.unit = unit
        super().__init__(80)

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = self.unit.connect()
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def relay(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def unit(folder, relay):
    unit = Unit(folder, TEST_RELAY_URL=relay.url)
    yield unit
    unit.end()


def join_through(unit):
    """Return sockets of both transports that have connected through the unit's socket."""
    clients = [WebSocketClient(80, socket=unit.connect()), UnixPolling(unit)]
    for client in clients:
        client.connect()
        assert client.ask("message", "hello") == ["hello"]
    clients[1].sync()  # its GET waits by now, or will
    return clients


def test_the_unit_starts_reloads_and_stops_in_order(unit):
    clients = join_through(unit)
    told, by = unit.notified()
    assert told.startswith("READY=1")
    assert by == unit.process.pid  # as NotifyAccess=main wants it
    unit.wait_for("Worker ready")
    unit.reload()
    assert all(client.is_closed() for client in clients)
    unit.wait_for("finished: ", 2)
    unit.wait_for("Worker ready", 2)
    clients = join_through(unit)
    assert unit.stop() == 0
    assert all(client.is_closed() for client in clients)
    assert unit.output.count("finished: ") == unit.output.count("server shutting down") == 4
    assert os.path.exists(unit.path)  # it is systemd's
    assert "Traceback" not in unit.output
    assert "Worker graceful timeout" not in unit.output


def test_the_timeouts_go_together(folder):
    _, service = localized(folder)
    (graceful,) = re.findall(r"^graceful_timeout = (\d+)$", CONFIGURATION, re.MULTILINE)
    assert int(settings(service)["Service"]["TimeoutStopSec"]) > int(graceful)
