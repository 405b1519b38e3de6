"""Apache, Caddy and HAProxy before gunicorn, with the configurations of docs/deployment/."""

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import ssl
import tempfile
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.kit.documented import APACHE, CADDY, CONFIGURATION, DJANGO, HAPROXY, replaced
from tests.kit.http import Https
from tests.kit.node import OPTIONS
from tests.kit.programs import Program, free_port
from tests.kit.servers import Gunicorn
from tests.kit.streams import StreamClient
from tests.kit.waiting import wait_until

MODULES = [
    *("mpm_event", "authz_core", "alias", "mime", "headers", "proxy", "proxy_http"),
    *("socache_shmcb", "ssl"),
]
APACHE_HEAD = """
ServerRoot {folder}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
Listen 127.0.0.1:{port}
User www-data
Group www-data
ErrorLog /dev/stderr
ServerName localhost
TypesConfig /dev/null
"""
HAPROXY_HEAD = """
global
    chroot /var/lib/haproxy
    user haproxy
    group haproxy
"""
"""The lines of Debian's section ``global`` that keep HAProxy from files and from Unix sockets."""

CADDY_HEAD = "{\n    admin off\n    auto_https off\n}\n"
FORGED = {
    "X-Forwarded-For": "192.0.2.66",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example.com",
}


@pytest.fixture(scope="module")
def folder(certificate):
    """A folder that the user of Apache may enter, with all that the configurations name."""
    folder = Path(tempfile.mkdtemp(prefix="chat-"))
    folder.chmod(0o755)
    (folder / "gunicorn.conf.py").write_text(CONFIGURATION)
    (folder / "documented.py").write_text("\n".join(DJANGO))
    (folder / "static").mkdir(0o755)
    (folder / "static" / "hello.txt").write_text("hello from a file")
    key, own = certificate
    (folder / "chat.pem").write_text(own.read_text() + key.read_text())
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def gunicorn(folder):
    """gunicorn on a Unix socket, and on a port for HAProxy."""
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(1024)
        environ = {"BEHIND_NGINX": "1", "PYTHONPATH": str(folder)}
        options = ["-c", str(folder / "gunicorn.conf.py"), "--bind", f"fd://{listener.fileno()}"]
        gunicorn = Gunicorn(*options, pass_fds=[listener.fileno()], **environ)
    yield gunicorn
    gunicorn.end()


def apache(folder, certificate, port, _):
    key, own = certificate
    values = {
        "<VirtualHost *:443>": f"<VirtualHost 127.0.0.1:{port}>",
        "/etc/ssl/chat/certificate.pem": own,
        "/etc/ssl/chat/key.pem": key,
        "/srv/chat/static/": f"{folder}/static/",
        "/run/chat/gunicorn.sock": f"{folder}/s",
    }
    lines = [f"LoadModule {one}_module /usr/lib/apache2/modules/mod_{one}.so" for one in MODULES]
    head = APACHE_HEAD.format(folder=folder, port=port)
    (folder / "apache.conf").write_text("\n".join(lines) + head + replaced(APACHE, values))
    return ["apache2", "-D", "FOREGROUND", "-f", str(folder / "apache.conf")]


def caddy(folder, certificate, port, _):
    key, own = certificate
    values = {
        "chat.example.com {": f"https://127.0.0.1:{port} {{\n    tls {own} {key}",
        "/srv/chat/static": f"{folder}/static",
        "/run/chat/gunicorn.sock": f"{folder}/s",
    }
    (folder / "Caddyfile").write_text(CADDY_HEAD + replaced(CADDY, values))
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def haproxy(folder, certificate, port, gunicorn):
    values = {
        "bind :443": f"bind 127.0.0.1:{port}",
        "/etc/ssl/chat/chat.pem": f"{folder}/chat.pem",
        "127.0.0.1:8000": f"127.0.0.1:{gunicorn.port}",
    }
    (folder / "haproxy.cfg").write_text(HAPROXY_HEAD + replaced(HAPROXY, values))
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


class Proxy(Program):
    """A proxy, once it listens."""

    quickly = signal.SIGKILL
    """Apache would wait for its clients."""

    def __init__(self, folder, command, port):
        program = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, f"{command[0]} is missing: run make test, which installs it"
        self.port = port
        home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        super().__init__([program, *command[1:]], folder, **home)
        wait_until(self._listens)

    def _listens(self):
        assert self.process.poll() is None, self.output
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture(scope="module", params=[apache, caddy, haproxy], ids=lambda one: one.__name__)
def proxy(request, folder, certificate, gunicorn):
    port = free_port()
    command = request.param(folder, certificate, port, gunicorn)
    proxy = Proxy(folder, command, port)
    proxy.name, proxy.certificate = request.param.__name__, certificate[1]
    yield proxy
    proxy.end()


@pytest.fixture
def begin(proxy, node):
    """Begin to connect the official client through the proxy."""

    def begin(transport, **options):
        one = node._new()
        tls = {"ca": proxy.certificate.read_text()}
        options = {"reconnection": False, **OPTIONS[transport], **tls, **options}
        one.do("connect", url=f"https://127.0.0.1:{proxy.port}/", options=options)
        return one

    return begin


def test_no_client_chooses_the_script_name(proxy):
    https = Https(proxy.port, proxy.certificate)
    with contextlib.closing(https.connection):
        fields = {"SCRIPT_NAME": "/environ", "PATH_INFO": "/fail/"}
        status, text = https("GET", "/environ/", headers=fields)
    found = json.loads(text)
    assert (status, found["SCRIPT_NAME"], found["PATH_INFO"]) == (200, "", "/environ/")


def test_official_clients_over_all_transports(proxy, begin):
    own = {"Origin": f"https://127.0.0.1:{proxy.port}"}
    clients = [begin(transport, extraHeaders={**FORGED, **own}) for transport in OPTIONS]
    for client in clients:
        client.wait_connected()
        (seen,) = client.ask("seen")
        seen.pop("pid")
        host = f"127.0.0.1:{proxy.port}"
        assert seen == {"address": "127.0.0.1", "host": host, "scheme": "https"}
    assert clients[2].next("upgrade") == {"transport": "websocket"}
    for client in clients[:2]:
        assert client.ask("length", "x" * 900_000) == [900_000]
    other = begin("websocket", extraHeaders={"Origin": "https://evil.example.com"})
    other.next("connect_error")


def test_pages_and_files(proxy):
    https = Https(proxy.port, proxy.certificate)
    assert https("GET", "/page/")[0] == 200
    if proxy.name != "haproxy":
        assert https("GET", "/static/hello.txt") == (200, "hello from a file")
    https.connection.close()


def test_an_event_stream_is_not_buffered(proxy):
    context = ssl.create_default_context(cafile=proxy.certificate)
    host = f"127.0.0.1:{proxy.port}"
    stream = StreamClient(proxy.port, "/stream/?channel=ticks", tls=context, Host=host).begin()
    https = Https(proxy.port, proxy.certificate)
    assert https("GET", "/push/?channel=ticks&text=1")[0] == 200
    assert stream.event() == ("pushed", '"1"')
    stream.close()
    https.connection.close()


def test_the_doctor_finds_nothing_wrong_on_the_way(proxy, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(proxy.certificate))
    out = io.StringIO()
    call_command(
        "socketio_doctor", f"https://127.0.0.1:{proxy.port}", "--quick", "--json", stdout=out
    )
    found = [one for one in json.loads(out.getvalue()) if one["step"] not in ("settings", "tls")]
    steps = [one["step"] for one in found if one["level"] == "ok"]
    assert steps[-5:] == ["polling", "polling", "websocket", "upgrade", "event stream"]
    assert not [one for one in found if one["level"] in ("warning", "error")]
