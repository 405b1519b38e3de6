"""gunicorn behind nginx, with the configuration that docs/deployment.rst shows."""

import contextlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys

import pytest
from django.core.management import call_command

from tests.kit.clients import PollingClient
from tests.kit.documented import (
    CONFIGURATION,
    DJANGO,
    NGINX,
    NGINX_LIMITS,
    NGINX_METRICS,
    SEVERAL_HOSTS,
    SPLIT,
    replaced,
    surrounded,
)
from tests.kit.http import HANDSHAKE, HELLO, UPGRADE, Https, get
from tests.kit.node import OPTIONS
from tests.kit.programs import Program, free_port
from tests.kit.redis_server import RedisServer
from tests.kit.servers import Gunicorn, Nginx, SyncGunicorn, Uvicorn
from tests.kit.streams import StreamClient
from tests.kit.tasks import ALONE, send_tasks
from tests.kit.waiting import wait_until

CLIENTS = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chat")
    (folder / "gunicorn.conf.py").write_text(CONFIGURATION)
    (folder / "documented.py").write_text("\n".join(DJANGO))
    (folder / "static").mkdir()
    (folder / "static" / "hello.txt").write_text("hello from a file")
    return folder


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    """The Redis between the workers."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def site(folder, certificate, relay):
    """gunicorn and nginx, as documented, with a relay; ``port`` is that of https."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        listener.listen(1024)
        gunicorn = documented_gunicorn(folder, listener, TEST_RELAY_URL=relay.url)
    nginx = documented_nginx(folder, certificate)
    nginx.gunicorn = gunicorn
    yield nginx
    nginx.end()
    gunicorn.end()


def documented_gunicorn(folder, listener, **environ):
    environ = {"BEHIND_NGINX": "1", "PYTHONPATH": str(folder), **environ}
    config = str(folder / "gunicorn.conf.py")
    return Gunicorn("-c", config, listener=listener, workers=2, **environ)


def documented_nginx(folder, certificate):
    port, plain_port = free_port(), free_port()
    text = replaced(NGINX, values_of(folder, certificate, port, plain_port))
    nginx = Nginx(folder, surrounded(folder, text), port)
    nginx.plain_port, nginx.certificate = plain_port, certificate[1]
    return nginx


def values_of(folder, certificate, port, plain_port):
    """Return what the paths and the ports of the documented nginx are here."""
    key, certificate = certificate
    return {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl http2",
        "listen 80": f"listen 127.0.0.1:{plain_port}",
        "/etc/ssl/chat/certificate.pem": certificate,
        "/etc/ssl/chat/key.pem": key,
        "/srv/chat/static/": f"{folder}/static/",
        "/var/log/nginx/access.log": f"{folder}/access.log",
        "unix:/run/chat/gunicorn.sock": f"unix:{folder}/s",
    }


def test_nginx_takes_the_other_pieces(tmp_path):
    upstream = "upstream chat { server 127.0.0.1:1; }"
    server = f"server {{ listen 127.0.0.1:{free_port()}; {NGINX_METRICS} }}"
    paths = f"pid {tmp_path}/nginx.pid;\nerror_log stderr;\n"
    text = f"{paths}{NGINX_LIMITS}http {{ access_log off; {upstream} {server} }}"
    (tmp_path / "nginx.conf").write_text(text)
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    command = [program, "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf", "-e", "stderr"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "test is successful" in done.stderr, done.stderr


@pytest.fixture
def https(site):
    https = Https(site.port, site.certificate)
    yield https
    https.connection.close()


@pytest.fixture
def begin(site, node):
    """Begin to connect the official client through nginx."""

    def begin(transport, port=site.port, **options):
        one = node._new()
        tls = {"ca": site.certificate.read_text()}
        options = {"reconnection": False, **OPTIONS[transport], **tls, **options}
        one.do("connect", url=f"https://127.0.0.1:{port}/", options=options)
        return one

    return begin


@pytest.fixture(scope="module")
def split(site, folder, certificate, relay, tmp_path_factory):
    """nginx with pages on sync workers and on uvicorn, and sockets on the workers of ``site``.

    Returns, for each kind of server, its own port and that of nginx.
    """
    environ = {"BEHIND_NGINX": "1", "PYTHONPATH": str(folder), "TEST_RELAY_URL": relay.url}
    pages = {
        "sync": SyncGunicorn(**environ),
        "uvicorn": Uvicorn("tests.system.production.settings", **environ),
    }
    ports = {kind: free_port() for kind in pages}
    shared, listen, servers = NGINX.partition("server {\n    listen 80")
    upstream, location = SPLIT.strip().split("\n\n")
    text = shared
    for kind, server in pages.items():
        text += replaced(upstream, {"pages": kind, "8001": server.port})
        own = replaced(
            listen + servers, {"location / {\n        proxy_pass http://chat;\n    }": location}
        ).replace("http://pages", f"http://{kind}")
        text += own
        for old, new in values_of(folder, certificate, ports[kind], free_port()).items():
            text = text.replace(old, str(new))
    nginx = Nginx(tmp_path_factory.mktemp("split"), surrounded(folder, text), ports["sync"])
    yield {kind: (server.port, ports[kind]) for kind, server in pages.items()}
    for program in (nginx, *pages.values()):
        program.end()


@pytest.mark.parametrize("kind", ["sync", "uvicorn"])
def test_pages_on_another_server_push_to_sockets_here(split, site, begin, kind):
    own_port, port = split[kind]
    https = Https(port, site.certificate)
    status, page = https("GET", "/page/")
    assert (status, "socketio.js" in page, "data-port" in page) == (200, True, False)
    origin = {"Origin": f"https://127.0.0.1:{port}"}
    client = begin("polling", port=port, extraHeaders=origin)
    client.wait_connected()
    assert client.ask("seen")[0]["pid"] in site.gunicorn.pids
    room = f"room-{kind}"  # a client of the other kind may not have left yet
    client.ask("subscribe", room)
    for path in ("/push/", "/push-async/"):
        answer = https("GET", f"{path}?channel={room}")
        assert answer == (200, "Emitted(1 processes)")
        assert client.next("event") == {"event": ["pushed", path]}
        nobody = https("GET", f"{path}?channel=nobody")
        assert nobody == (200, "Emitted(0 processes)")
    begin("polling", port=port, extraHeaders={"Origin": f"https://127.0.0.1:{site.port}"}).next(
        "connect_error"
    )
    status, text = get(own_port, "/socket.io/?EIO=4&transport=polling")
    assert (status, "django_socketio.gunicorn.Worker" in text) == (501, True)
    https.connection.close()


def test_other_servers_refuse_websockets_of_views_and_serve_their_pages(split):
    for port, _ in split.values():
        assert get(port, "/echo/") == (200, "a page")
    (sync, _), (uvicorn, _) = split["sync"], split["uvicorn"]
    assert get(uvicorn, "/echo/", headers=UPGRADE)[0] == 500
    for path, fields in [("/echo/", UPGRADE), ("/stream/", {})]:
        status, text = get(sync, path, headers=fields)
        assert (status, "django_socketio.gunicorn.Worker" in text) == (501, True), path
    assert StreamClient(sync, method="HEAD").status == 200


def test_a_stream_of_uvicorn_brings_what_other_processes_push(split):
    (sync, _), (uvicorn, _) = split["sync"], split["uvicorn"]
    stream = StreamClient(uvicorn).begin()
    get(sync, "/push/?channel=a&text=1")
    assert stream.event() == ("pushed", '"1"')
    stream.close()
    get(sync, "/push/?channel=a&text=2")
    again = stream.come_back(uvicorn)
    assert again.event() == ("pushed", '"2"')
    again.close()


@pytest.mark.parametrize("transport", ["websocket", "polling", "upgraded"])
def test_the_client_as_nginx_sees_it(site, begin, transport):
    forged = {"X-Forwarded-For": "192.0.2.66", "X-Forwarded-Proto": "http"}
    client = begin(transport, extraHeaders={**forged, "X-Forwarded-Host": "evil.example.com"})
    client.wait_connected()
    (seen,) = client.ask("seen")
    assert seen.pop("pid") in site.gunicorn.pids
    host = f"127.0.0.1:{site.port}"
    assert seen == {"address": "127.0.0.1", "host": host, "scheme": "https"}
    if transport == "upgraded":
        assert client.next("upgrade") == {"transport": "websocket"}


@pytest.mark.parametrize("transport", ["websocket", "polling", "upgraded"])
def test_pages_of_the_same_origin_may_connect_and_others_not(site, begin, transport):
    own = begin(transport, extraHeaders={"Origin": f"https://127.0.0.1:{site.port}"})
    own.wait_connected()
    other = begin(transport, extraHeaders={"Origin": "https://evil.example.com"})
    other.next("connect_error")


def test_official_clients_over_all_transports(begin):
    transports = ["websocket", "polling", "upgraded", "polling"]
    clients = [begin(transports[number % 4]) for number in range(CLIENTS)]
    for client in clients:
        client.wait_connected()
    for client in clients[2::4]:
        assert client.next("upgrade") == {"transport": "websocket"}
    for number, client in enumerate(clients):
        client.do("ask", event=["message", number])
    assert [client.next("answer")["args"] for client in clients] == [[n] for n in range(CLIENTS)]
    pids = {client.ask("seen")[0]["pid"] for client in clients}
    assert len(pids) > 1
    assert not any(client.has("disconnect") for client in clients)


@pytest.fixture
def celery(relay):
    """A Celery worker of the same site, without gunicorn's configuration."""
    environ = {
        "DJANGO_SETTINGS_MODULE": "tests.system.production.settings",
        "TEST_RELAY_URL": relay.url,
        "TEST_REDIS_SOCKET": relay.url.removeprefix("unix://"),
    }
    command = [sys.executable, "-m", "celery", "-A", "tests.relay.celery_app"]
    options = ["--concurrency", "2", "--loglevel", "INFO", *ALONE]
    worker = Program([*command, "worker", *options], **environ)
    worker.quickly = signal.SIGTERM
    worker.wait_for(r"ready\.")
    yield worker
    worker.end()


def test_what_a_celery_task_sends_reaches_clients_of_all_workers(begin, celery, relay):
    transports = ["websocket", "polling", "upgraded", "polling"]
    clients = [begin(transports[number % 4]) for number in range(CLIENTS)]
    for client in clients:
        client.wait_connected()
        client.do("ask", event=["subscribe", "news"])
    for client in clients:
        assert client.next("answer")["args"] == [True]
    news = [(number, "news") for number in range(5)]
    send_tasks(relay, "tests.relay.celery_app.push", [(0, "closed tab"), *news])
    seen = [[client.event()[1] for _ in range(5)] for client in clients]
    assert sorted(seen[0]) == [0, 1, 2, 3, 4]
    assert all(messages == seen[0] for messages in seen)
    celery.wait_for("succeeded", 6)  # the task for the closed tab as well


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_large_messages_pass(begin, transport):
    client = begin(transport)
    client.wait_connected()
    assert client.ask("length", "x" * 900_000) == [900_000]
    assert client.ask("message", b"\0" * 100_000) == [b"\0" * 100_000]


def test_static_files_pages_and_the_way_to_https(site, https):
    assert https("GET", "/static/hello.txt") == (200, "hello from a file")
    assert https("GET", "/seen/")[0] == 200
    connection = http.client.HTTPConnection("127.0.0.1", site.plain_port, timeout=10)
    connection.request("GET", "/seen/?a=1", headers={"Host": "chat.example.com"})
    answer = connection.getresponse()
    connection.close()
    assert answer.status == 301
    assert answer.getheader("Location") == "https://chat.example.com/seen/?a=1"


def test_an_upgrade_over_tls_is_a_websocket(site, begin):
    context = ssl.create_default_context(cafile=site.certificate)
    plain = socket.create_connection(("127.0.0.1", site.port), 10)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        connection.sendall(HELLO.replace(b"localhost", b"chat.example.com"))
        assert connection.recv(12) == b"HTTP/1.1 101"


def test_the_access_log_has_the_clients_address(site, https):
    https("GET", "/seen/?for=the-log")
    site.gunicorn.wait_for(r'\n127\.0\.0\.1 "GET /seen/\?for=the-log HTTP/1\.1" 200 \d+ \d+ms')


def test_nginx_logs_requests_of_sessions_without_their_id(folder, https):
    https("GET", f"{HANDSHAKE}&sid=abcdefghij.00000000")
    log = folder / "access.log"
    wait_until(lambda: '"GET /socket.io/" 400' in log.read_text())
    assert "abcdefghij" not in log.read_text()


def test_an_unknown_session(https):
    status, body = https("GET", f"{HANDSHAKE}&sid=abcdefghij.00000000")
    assert status == 400
    assert "another host" in body


def test_reload_behind_nginx(site, begin, https):
    old = set(site.gunicorn.pids[-2:])
    transports = ["websocket", "polling", "upgraded"] * 3
    clients = [begin(transport, reconnection=True) for transport in transports]
    for client in clients:
        client.wait_connected()
    site.gunicorn.signal(signal.SIGHUP)
    for client in clients:
        assert client.next("disconnect")["reason"].startswith("transport")
        client.wait_connected()
        assert client.ask("seen")[0]["pid"] not in old
        assert https("GET", "/seen/")[0] == 200


# Event streams


def push(site, https, *texts):
    for text in texts:
        assert https("GET", f"/push/?channel=ticks&text={text}")[0] == 200


def test_an_event_stream_is_not_buffered_and_goes_on_after_a_reload(site, https):
    context = ssl.create_default_context(cafile=site.certificate)
    stream = StreamClient(site.port, "/stream/?channel=ticks", tls=context).begin()
    for text in ("1", "2"):
        push(site, https, text)
        assert stream.event() == ("pushed", f'"{text}"')
    ready = site.gunicorn.output.count("Worker ready")
    site.gunicorn.signal(signal.SIGHUP)
    assert stream.rest() == []
    push(site, https, "3")
    site.gunicorn.wait_for("Worker ready", ready + 1)
    assert event_after(stream, site, context) == ("pushed", '"3"')


def event_after(stream, site, context):
    """Return the next event of a stream, as a browser gets it: old workers end it once more."""
    while True:
        again = stream.come_back(site.port, "/stream/?channel=ticks", tls=context)
        with contextlib.suppress(EOFError):
            return again.event()


HTTP2 = """
const session = require("http2").connect(process.argv[1], { rejectUnauthorized: false });
const streams = [0, 1, 2, 3, 4, 5, 6, 7].map(() => session.request({
  ":path": "/stream/?channel=h2", "accept": "text/event-stream" }));
let began = 0;
for (const stream of streams) {
  let text = "";
  stream.on("data", (data) => {
    if (!text && ++began === streams.length) console.log("began");
    text += data;
    const found = /data: (.*)/.exec(text);
    if (found) { console.log("event", found[1]); stream.close(); }
  });
}
"""


def test_streams_share_a_connection_of_http_2(site, https):
    node = Program(["node", "-e", HTTP2, f"https://127.0.0.1:{site.port}"])
    try:
        node.wait_for("began")
        assert https("GET", "/push/?channel=h2&text=hello")[0] == 200
        node.wait_for('event "hello"', 8)
    finally:
        node.quickly = signal.SIGKILL
        node.end()


@pytest.mark.parametrize("kind", ["sync", "uvicorn"])
def test_event_streams_of_servers_of_pages(split, site, https, kind):
    _, port = split[kind]
    context = ssl.create_default_context(cafile=site.certificate)
    stream = StreamClient(port, "/stream/?channel=ticks", tls=context)
    if kind == "sync":
        assert (stream.status, b"django_socketio.gunicorn" in stream.answer.read()) == (501, True)
        return
    stream.begin()
    push(site, https, "1")
    assert stream.event() == ("pushed", '"1"')
    again = stream.come_back(port, "/stream/?channel=ticks", tls=context)
    push(site, https, "2")
    assert again.event() == ("pushed", '"2"')


# Several hosts


class From(PollingClient):
    """A client with an address of its own."""

    def __init__(self, port, address):
        self.address = address
        super().__init__(port)

    def request(self, method, path, body=None):
        source = (self.address, 0)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, 10, source_address=source)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@pytest.fixture(scope="module")
def hosts(site):
    """Two hosts, one with several workers: gunicorn twice, which do not know of one another."""
    hosts = [site.gunicorn, Gunicorn()]
    yield hosts
    hosts[1].end()


@pytest.fixture
def spread(hosts, folder, tmp_path):
    """nginx before the hosts, which spreads requests as its ``upstream`` says."""
    started = []

    def start(upstream):
        places = {"192.0.2.11:8000": f"unix:{folder}/s"}
        places["192.0.2.12:8000"] = f"127.0.0.1:{hosts[1].port}"
        upstream = replaced(upstream, places)
        port = free_port()
        fields = "X-Forwarded-For $remote_addr; proxy_set_header Host $http_host"
        rest = "location / { proxy_pass http://chat; }"
        server = f"listen 127.0.0.1:{port}; proxy_set_header {fields}; {rest}"
        text = f"{upstream}\nserver {{ {server} }}\n"
        started.append(Nginx(tmp_path, surrounded(tmp_path, text), port))
        return started[-1]

    yield start
    for nginx in started:
        nginx.end()


@pytest.mark.parametrize("stickiness", ["hash $remote_addr consistent;", "ip_hash;"])
def test_a_client_stays_on_its_host(hosts, spread, stickiness):
    upstream = SEVERAL_HOSTS.replace("hash $remote_addr consistent;", stickiness)
    nginx = spread(upstream)
    seen_on = set()
    for number in range(16):
        client = From(nginx.port, f"127.0.{number}.{number + 1}")
        client.connect()
        for turn in range(5):
            assert client.ask("message", turn) == [turn]
        (seen,) = client.ask("seen")
        seen_on.add(seen["pid"] in hosts[0].pids)
        client.abandon()
    assert seen_on == {True, False}


def test_without_stickiness_the_400_and_the_log_say_what_is_wrong(hosts, spread):
    nginx = spread(SEVERAL_HOSTS.replace("hash $remote_addr consistent;", ""))
    client = PollingClient(nginx.port)
    answers = [get(nginx.port, f"{HANDSHAKE}&sid={client.sid}", "POST", b"3") for _ in range(4)]
    refused = [answer for status, answer in answers if status == 400]
    assert len(refused) == 2
    assert "belongs to another host" in refused[0]["message"]
    logged = f"session {client.sid[:4]}…, which no worker of this host holds"
    wait_until(lambda: any(logged in host.output for host in hosts))
    assert client.sid not in hosts[0].output + hosts[1].output


def test_the_doctor_finds_nothing_wrong_on_the_way(site, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(site.certificate))
    out = io.StringIO()
    address = f"https://127.0.0.1:{site.port}"
    call_command("socketio_doctor", address, "--quick", "--json", stdout=out)
    found = [one for one in json.loads(out.getvalue()) if one["step"] not in ("settings", "tls")]
    steps = [one["step"] for one in found if one["level"] == "ok"]
    assert steps[-5:] == ["polling", "polling", "websocket", "upgrade", "event stream"]
    assert not [one for one in found if one["level"] in ("warning", "error")]
