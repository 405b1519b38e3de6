"""gunicorn as Supervisor and uWSGI's emperor start it, with the files of docs/deployment/."""

import re
import shutil
import signal
import subprocess
import sys

import pytest

from tests.kit.clients import Closed, PollingClient, WebSocketClient
from tests.kit.documented import CONFIGURATION, SUPERVISOR, TMPFILES, UWSGI, replaced
from tests.kit.http import close_all, get
from tests.kit.programs import ROOT, Program, free_port
from tests.kit.redis_server import RedisServer
from tests.kit.servers import GUNICORN
from tests.kit.waiting import wait_until

SUPERVISORD = """
[supervisord]
nodaemon=true
user=root
logfile=/dev/null
logfile_maxbytes=0
pidfile={folder}/supervisord.pid
environment=PYTHONPATH="{root}",PYTHONUNBUFFERED="1"
[unix_http_server]
file={folder}/control
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/control
"""


def program(name):
    path = shutil.which(name)
    assert path, f"{name} is missing: run make test, which installs it"
    return path


def values_of(folder, port):
    return {
        "/srv/chat/venv/bin/gunicorn": GUNICORN,
        "/srv/chat/gunicorn.conf.py": folder / "gunicorn.conf.py",
        "unix:/run/chat/gunicorn.sock": f"127.0.0.1:{port}",
        "project.wsgi": "tests.system.production.wsgi",
    }


@pytest.fixture
def folder(tmp_path):
    configuration = replaced(CONFIGURATION, {"workers = 4": "workers = 1"})
    (tmp_path / "gunicorn.conf.py").write_text(configuration)
    return tmp_path


@pytest.fixture
def start():
    """Start a program that has others started: ``start(command, port)``, once it answers."""
    started = []

    def run(command, port, **environ):
        started.append(Program(command, **environ))
        started[-1].quickly = signal.SIGTERM
        wait_until(lambda: answers(port))
        return started[-1]

    yield run
    close_all()
    for one in started:
        one.end()


def answers(port):
    try:
        return get(port, "/seen/")[0] == 200
    except OSError:
        return False


def test_the_folders_of_supervisor_are_created_at_each_boot(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/:\nchat:x:1234:1234::/:\n")
    (tmp_path / "etc" / "group").write_text("root:x:0:\nchat:x:1234:\n")
    (tmp_path / "chat.conf").write_text(TMPFILES)
    create = [program("systemd-tmpfiles"), f"--root={tmp_path}", "--create"]
    subprocess.run([*create, tmp_path / "chat.conf"], check=True)
    assert (tmp_path / "run" / "chat").stat().st_uid == 1234
    assert (tmp_path / "var" / "log" / "chat").is_dir()


def test_supervisor_starts_reloads_and_stops_gunicorn(folder, start):
    port = free_port()
    values = values_of(folder, port) | {
        "directory=/srv/chat": f"directory={ROOT}",
        "user=chat": "user=root",
        "/var/log/chat/gunicorn.log": folder / "gunicorn.log",
    }
    head = SUPERVISORD.format(folder=folder, root=ROOT)
    (folder / "supervisord.conf").write_text(head + replaced(SUPERVISOR, values))
    command = [program("supervisord"), "-c", str(folder / "supervisord.conf")]
    start(command, port, PYTHONWARNINGS="")  # Supervisor has deprecated code of its own

    def control(*command):
        done = [program("supervisorctl"), "-c", str(folder / "supervisord.conf"), *command]
        return subprocess.run(done, capture_output=True, text=True, check=False).stdout

    def workers():
        return re.findall(r"Worker ready \(pid: (\d+)", (folder / "gunicorn.log").read_text())

    wait_until(lambda: len(workers()) == 1)
    wait_until(lambda: "RUNNING" in control("status"))
    client = WebSocketClient(port)
    client.connect()
    assert "chat: signalled" in control("signal", "HUP", "chat")
    with pytest.raises(Closed):
        client.receive()
    assert answers(port)
    wait_until(lambda: len(workers()) == 2)
    client = WebSocketClient(port)
    client.connect()
    assert "chat: stopped" in control("stop", "chat")
    assert client.is_closed()
    wait_until(lambda: "Shutting down: Master" in (folder / "gunicorn.log").read_text())
    assert "STOPPED" in control("status")


def test_an_emperor_starts_pages_on_uwsgi_and_sockets_on_gunicorn(folder, start):
    port, pages = free_port(), free_port()
    values = values_of(folder, port) | {
        "chdir = /srv/chat": f"chdir = {ROOT}",
        "virtualenv = /srv/chat/venv": f"virtualenv = {sys.prefix}",
        "127.0.0.1:8001": f"127.0.0.1:{pages}",
        "processes = 4": "processes = 1",
    }
    vassals = folder / "vassals"
    vassals.mkdir()
    with RedisServer(folder) as redis:
        environ = {"TEST_RELAY_URL": redis.url, "PYTHONPATH": str(ROOT)}
        (vassals / "chat.ini").write_text(replaced(UWSGI, values))
        emperor = start([program("uwsgi"), "--emperor", str(vassals)], pages, **environ)
        wait_until(lambda: answers(port))
        client = PollingClient(port)
        client.connect()
        client.subscribe("room")
        assert get(pages, "/push/?channel=room") == (200, "Emitted(1 processes)")
        assert client.event() == ["pushed", "/push/"]
        status, answer = get(pages, "/socket.io/?EIO=4&transport=polling")
        assert (status, "django_socketio.gunicorn.Worker" in answer) == (501, True)
        emperor.end()
        wait_until(lambda: not answers(port))
