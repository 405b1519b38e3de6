"""The gunicorn worker: what gunicorn promises, it keeps with sockets as well."""

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from django_socketio.concurrency import log_limits
from django_socketio.server.garbage import OURS
from tests.kit.clients import Closed, PollingClient, WebSocketClient, join
from tests.kit.frames import FIN, TEXT, client_frame
from tests.kit.http import (
    HANDSHAKE,
    HELLO,
    UPGRADE,
    WEBSOCKET_PATH,
    Https,
    close_all,
    get,
    raw_get,
    raw_request,
    request,
    response,
)
from tests.kit.servers import HAS_CONTROL_SOCKET, Gunicorn
from tests.kit.stalls import Stalls
from tests.kit.waiting import wait_until


def pid_of(client):
    (seen,) = client.ask("seen")
    return seen["pid"]


def on_each_worker(gunicorn):
    """Return a connected WebSocket for each worker, by the worker's process id."""
    clients = {}
    for _ in range(1000):
        client = join(gunicorn)
        if clients.setdefault(pid_of(client), client) is not client:
            client.close()
        if len(clients) == gunicorn.workers:
            return clients
    raise AssertionError(f"only {list(clients)} of {gunicorn.pids} accept connections")


@pytest.fixture(scope="module")
def preloaded(tmp_path_factory):
    """A gunicorn whose arbiter loads the site, and may have a control socket at ``control``."""
    folder = tmp_path_factory.mktemp("preloaded")
    control, config = folder / "control", folder / "config.py"
    config.write_text(f"control_socket = {str(control)!r}\n" if HAS_CONTROL_SOCKET else "")
    server = Gunicorn("-c", str(config), "--preload", control=True)
    server.control = control
    yield server
    close_all()
    server.end()


@pytest.fixture(scope="module")
def loaded_by_the_worker():
    server = Gunicorn()
    yield server
    close_all()
    server.end()


@pytest.fixture(params=["loaded_by_the_worker", "preloaded"])
def one_worker(request):
    """A gunicorn with one worker, for tests that do it no harm."""
    return request.getfixturevalue(request.param)


FORMATS = '%(h)s "%(r)s" %(s)s %(q)s %({referer}i)s %({raw_uri}e)s %({content-type}o)s done'


@pytest.fixture(scope="module")
def two_workers():
    """The same with two workers, and an access log with ``FORMATS``."""
    server = Gunicorn("--access-logformat", FORMATS, workers=2)
    yield server
    close_all()
    server.end()


def test_one_worker_serves_django_and_sockets(one_worker):
    assert get(one_worker.port, "/seen/")[1]["pid"] == one_worker.pids[0]
    socket, polling = join(one_worker), join(one_worker, kind=PollingClient)
    assert socket.ask("message", {"a": [1]}) == [{"a": [1]}]
    upgraded = polling.upgrade()
    assert upgraded.ask("message", "upgraded") == ["upgraded"]
    assert "no relay between them" not in one_worker.output
    assert "Traceback" not in one_worker.output


def test_handlers_run_side_by_side(one_worker):
    sleeper, other = join(one_worker), join(one_worker)
    sleeper.emit("wait", "alone", id=1)
    one_worker.wait_for("waiting: alone")
    assert other.ask("message", "now") == ["now"]
    other.ask("wake", "alone")
    assert sleeper.receive().startswith("431[")


def test_handlers_have_database_connections_of_their_own(one_worker):
    *clients, other = [join(one_worker) for _ in range(4)]
    for client in clients:
        client.emit("wait", "together", id=1)
    one_worker.wait_for("waiting: together", 3)
    other.ask("wake", "together")
    assert len({client.receive() for client in clients}) == 3


def test_several_workers_without_a_relay_are_warned_of_once(two_workers):
    (warning,) = two_workers.wait_for(r"\[WARNING\] (.*)")
    assert warning[1].startswith("2 workers, and no relay between them")
    handlers = r"\d+ handlers in tests\.system\.production\.events"
    assert len(re.findall(handlers, two_workers.output)) == 1
    assert "SOCKETIO_RELAY_URL" in warning[1]


@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["", "preload"])
def test_term_ends_sockets_in_order(gunicorn, preload):
    server = gunicorn(*preload, workers=2)
    sockets = on_each_worker(server)
    polling = join(server, kind=PollingClient)
    polling.sync()  # its GET waits by now, or will
    server.signal(signal.SIGTERM)
    assert all(socket.is_closed() for socket in sockets.values())
    assert polling.is_closed()
    assert server.wait(10) == 0
    assert server.output.count("server shutting down") == 3
    assert server.output.count("finished: ") == server.output.count("gone: ")
    assert "Traceback" not in server.output
    assert "timeout" not in server.output


def idle_and_asking(server, seconds):
    """Return an idle connection, and one whose request takes so long; a socket is there as well."""
    idle = raw_request(server.port, b"GET /seen/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert response(idle)[0] == 200
    join(server)
    path = b"/slow/%d/" % seconds
    asking = raw_request(server.port, b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
    server.wait_for("(?m)^slow$")
    return idle, asking


def test_term_answers_the_requests_that_have_begun_and_waits_for_no_idle_connection(gunicorn):
    server = gunicorn()
    idle, asking = idle_and_asking(server, 1)
    server.signal(signal.SIGTERM)
    answer = http.client.HTTPResponse(asking)
    answer.begin()
    assert (answer.status, answer.read()) == (200, b"slow")
    assert answer.getheader("Connection") == "close"
    assert idle.recv(1) == b""
    assert server.wait(15) == 0  # sooner than the graceful timeout
    assert "finished: " in server.output


LATE = [
    request({"Host": "localhost", **UPGRADE}, path="/echo/"),
    HELLO + client_frame(FIN | TEXT, b"40"),
    request({"Host": "localhost"}, path="/stream/?channel=a"),
]
"""Requests whose connections begin when they are answered: of a view, of Engine.IO, of a stream."""


def test_what_begins_after_the_stop_holds_no_worker_up(gunicorn):
    server = gunicorn(TEST_MIDDLEWARE="tests.system.production.middleware.late")
    connections = [raw_request(server.port, request) for request in LATE]
    server.wait_for("(?m)^answered$", len(LATE))
    server.signal(signal.SIGTERM)
    answers = [connection.recv(12) for connection in connections]
    assert answers == [b"HTTP/1.1 101", b"HTTP/1.1 101", b"HTTP/1.1 200"]
    assert server.wait(10) == 0  # sooner than the graceful timeout
    assert "graceful timeout" not in server.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_quick_signals_wait_for_no_request_but_for_last_handlers(gunicorn, number):
    server = gunicorn()
    idle_and_asking(server, 60)
    server.signal(number)
    assert server.wait(15) == 0
    assert "finished: " in server.output
    assert "slow no more" in server.output


def test_connections_beyond_worker_connections_wait_and_websockets_do_not_count(gunicorn):
    server = gunicorn("--worker-connections", "2")
    sockets = [join(server) for _ in range(5)]
    first, second = (raw_request(server.port, b"GET /se") for _ in range(2))
    third = raw_request(server.port, b"GET /seen/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    third.settimeout(0.3)
    with pytest.raises(TimeoutError):
        third.recv(1)
    assert {pid_of(client) for client in sockets} == set(server.pids)
    first.close()
    third.settimeout(10)
    assert response(third)[0] == 200
    second.close()


def test_a_handler_that_does_not_end_is_given_up_in_time(gunicorn):
    server = gunicorn("--graceful-timeout", "3")
    client = join(server)
    client.emit("nap", 60)
    server.wait_for("(?m)^napping$")
    with Stalls() as stalls:
        server.signal(signal.SIGTERM)
        assert server.wait(15) == 0
    assert "Worker graceful timeout" in server.output
    # The worker has a second less than the arbiter.
    assert "SIGKILL" not in server.output or stalls.seconds > 0.5


SIGNALS_WHILE_PATCHING = """
import os, signal
from gevent import events

def pre_fork(server, worker):
    global number
    number = {1: signal.SIGTERM, 2: signal.SIGINT, 3: signal.SIGQUIT}.get(worker.age)

def told(event):
    if number is not None and isinstance(event, events.GeventWillPatchAllEvent):
        os.kill(os.getpid(), number)

events.subscribers.append(told)
"""


def test_a_worker_that_is_told_to_stop_while_it_starts_does_so(gunicorn, tmp_path):
    config = tmp_path / "config.py"
    config.write_text(SIGNALS_WHILE_PATCHING)
    server = gunicorn("-c", str(config))
    server.wait_for("Worker exiting", 3)
    server.wait_for("Worker ready", 4)
    assert get(server.port, "/seen/")[1]["pid"] == server.pids[-1]
    assert "Traceback" not in server.output


def test_hup_replaces_workers_and_loses_no_request(gunicorn, node):
    server = gunicorn(workers=2)
    old = set(server.pids)
    sockets = [node.connect(server, "websocket", reconnection=True) for _ in range(10)]
    stop, failures = threading.Event(), []

    def keep_asking():
        while not stop.wait(0.01):
            try:
                assert get(server.port, "/seen/")[0] == 200
            except Exception as failure:
                failures.append(repr(failure))

    asking = threading.Thread(target=keep_asking)
    asking.start()
    server.signal(signal.SIGHUP)
    for socket in sockets:
        assert socket.next("disconnect")["reason"] == "transport close"
        socket.wait_connected()
        assert socket.ask("seen")[0]["pid"] not in old
    stop.set()
    asking.join()
    assert failures == []
    assert server.output.count("finished: ") == 10
    assert len(server.wait_for("no relay between them", 2)) == 2  # once for each configuration


def open_sockets(pid):
    """Return how many sockets a process has open, connections and others."""
    links = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.exists()]
    return sum(link.startswith("socket:") for link in links)


def test_a_killed_worker_takes_only_its_own_clients_along(gunicorn, node):
    server = gunicorn(workers=2)
    at_first = {pid: open_sockets(pid) for pid in server.pids}
    # Without connections that stay open: xmlhttprequest-ssl 2.1.2 does not notice if one breaks.
    sockets = [
        node.connect(server, transport, reconnection=True, agent="close")
        for transport in ["websocket", "polling", "upgraded"] * 10
    ]
    pids = [socket.ask("seen")[0]["pid"] for socket in sockets]
    victim = pids[0]
    # Each has one connection, which waits with its own worker.
    wait_until(lambda: open_sockets(victim) == at_first[victim] + pids.count(victim))
    os.kill(victim, signal.SIGKILL)
    for socket, pid in zip(sockets, pids, strict=True):
        if pid == victim:
            assert socket.next("disconnect")["reason"].startswith("transport")
            socket.wait_connected()
            assert socket.ask("seen")[0]["pid"] != victim
    for socket, pid in zip(sockets, pids, strict=True):
        if pid != victim:
            assert socket.ask("seen")[0]["pid"] == pid
            assert not socket.has("disconnect")
    server.wait_for("Worker ready", 3)


def test_a_killed_worker_leaves_neither_sessions_nor_files(gunicorn, tmp_path):
    server = gunicorn("--worker-tmp-dir", str(tmp_path), workers=2)
    (directory,) = tmp_path.iterdir()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert len(list(directory.iterdir())) == 4  # two sockets of each worker
    clients = [join(server, kind=PollingClient) for _ in range(20)]
    victim = pid_of(clients[0])
    for client in clients:
        client.abandon()
    os.kill(victim, signal.SIGKILL)
    server.wait_for("was sent SIGKILL")
    server.wait_for("Worker ready", 3)
    assert_unknown(server, clients[0].sid)
    server.signal(signal.SIGTERM)
    server.wait()
    assert list(tmp_path.iterdir()) == []


def assert_unknown(server, sid):
    """Ask for a session which was that of a killed worker; the log tells it without its id."""
    for _ in range(40):
        status, answer = get(server.port, f"{HANDSHAKE}&sid={sid}", "POST", b"40")
        assert (status, answer["code"]) == (400, 1)
        assert answer["message"].startswith("Session ID unknown")
    told = f"session {sid[:4]}…, which no worker of this host holds"
    assert 1 <= server.output.count(told) <= log_limits.WRITTEN * server.workers
    assert sid not in server.output


def test_max_requests_restarts_gracefully(gunicorn):
    server = gunicorn("--max-requests", "5")
    (first,) = server.pids
    socket = join(server)  # request 1
    for _ in range(4):
        assert get(server.port, "/seen/")[1]["pid"] == first
    assert socket.is_closed()
    server.wait_for(f"finished: {first}")
    server.wait_for("Autorestarting worker after current request")
    server.wait_for("Worker ready", 2)
    assert get(server.port, "/seen/")[1]["pid"] == server.pids[1]
    assert "timeout" not in server.output


def sign_of_life(pid):
    """Return the path of the file by whose time a worker shows its arbiter that it lives."""
    (path,) = [
        fd
        for fd in Path(f"/proc/{pid}/fd").iterdir()
        if fd.exists() and "/wgunicorn-" in os.readlink(fd)
    ]
    return path


def test_a_blocked_worker_is_killed_and_one_with_idle_sockets_is_not(gunicorn):
    server = gunicorn("--timeout", "40", workers=2)
    sockets = on_each_worker(server)
    (victim, blocked), (survivor, idle) = sockets.items()
    blocked.emit("block")
    server.wait_for(f"blocking {victim}")
    for pid in (victim, survivor):
        os.utime(sign_of_life(pid), (time.monotonic() - 30,) * 2)  # 10 seconds are left
    wait_until(lambda: sign_of_life(survivor).stat().st_mtime > time.monotonic() - 20)
    os.utime(sign_of_life(victim), (time.monotonic() - 41,) * 2)
    server.wait_for(rf"WORKER TIMEOUT \(pid:{victim}\)")
    server.wait_for("Worker ready", 3)
    assert blocked.is_closed()
    assert pid_of(idle) == survivor
    assert f"TIMEOUT (pid:{survivor})" not in server.output


def last_beat(pid):
    """Return the time of a worker's last sign of life, from the file that the arbiter reads."""
    descriptors = Path(f"/proc/{pid}/fd").iterdir()
    (beat,) = [one for one in descriptors if "wgunicorn-" in os.readlink(one)]
    return beat.stat().st_mtime


def test_a_worker_gives_signs_of_life_more_often_than_its_timeout_asks_for(gunicorn):
    server = gunicorn("--timeout", "1")
    beats = [last_beat(server.pids[-1])]

    def beats_twice():
        beats.append(last_beat(server.pids[-1]))
        return 0 < beats[-1] - beats[-2] < 0.75

    wait_until(beats_twice, lambda: sorted(set(beats)))


def test_no_client_writes_lines_of_gunicorns_logs(one_worker):
    user = base64.b64encode(b"joe\nforged: user\x1b[2J:password").decode()
    fields = f"Host: localhost\r\nAuthorization: Basic {user}\r\nReferer: \x1b[2J\x85\r\n"
    for head in ("GET /?%0aforged HTTP/1.1", "GET /?\x85\x9b2J HTTP/1.1", "G\x1b[2J / HTTP/1.1"):
        request = f"{head}\r\nX-Head: \x1b\r\n{fields}Connection: close\r\n\r\n"
        with raw_request(one_worker.port, request.encode("latin-1")) as connection:
            response(connection)
    one_worker.wait_for(r"\[2J / HTTP/1.1. 400")
    assert not [line for line in one_worker.output.splitlines() if line.startswith("forged")]
    assert "\x1b" not in one_worker.output
    assert "\x9b" not in one_worker.output


def test_access_log(two_workers):
    server = two_workers
    polling = join(server, kind=PollingClient)
    upgraded = polling.upgrade()
    assert upgraded.ask("message", 1) == [1]
    encoded = polling.path.replace("sid=", "%73id=")
    referer = {"Referer": f"http://127.0.0.1{polling.path}"}
    assert get(server.port, encoded, headers=referer)[0] == 400
    connection = raw_get(server, "/seen/?sides=all", "Referer: before\r\n")
    assert response(connection)[0] == 200
    server.wait_for("sides=all HTTP/1.1. 200 .* before .* application/json done")
    connection.sendall(b"nonsense\r\n\r\n")
    assert response(connection)[0] == 400
    server.wait_for(r"nonsense.* 400 \S+ - +- done")
    (line,) = server.wait_for(r'127.0.0.1 "GET .*transport=websocket.*')
    assert f"sid={polling.sid[:4]}… HTTP/1.1" in line[0]
    assert '" 101 ' in line[0]
    assert polling.sid not in server.output
    assert polling.sid[5:] not in server.output
    assert len(server.wait_for(f'"GET .*%73id={polling.sid[:4]}…')) == 1  # also if handed off
    assert "Traceback" not in server.output


def test_tls_ended_by_gunicorn_leaves_long_polling(gunicorn, certificate):
    key, certificate = certificate
    server = gunicorn("--keyfile", str(key), "--certfile", str(certificate), workers=2)
    assert server.output.count("let a proxy such as nginx end TLS") == 1
    https = Https(server.port, certificate)
    with contextlib.closing(https.connection):
        for number in range(8):
            poll_over_tls(https, number)
        status, body = https("GET", WEBSOCKET_PATH, headers=UPGRADE)
        assert status == 400
        assert "does not support WebSocket; use transport=polling" in json.loads(body)["message"]
        status, body = https("GET", "/echo/", headers=UPGRADE)
        assert status == 501
        assert "does not support WebSocket. If gunicorn ends TLS" in json.loads(body)["message"]
    assert "Traceback" not in server.output


def poll_over_tls(https, number):
    """Speak to a session, most likely one of another worker than the connection's."""
    handshake = json.loads(https("GET", HANDSHAKE)[1][1:])
    assert handshake["upgrades"] == []
    path = f"{HANDSHAKE}&sid={handshake['sid']}"
    assert https("POST", path, "40") == (200, "ok")
    assert https("GET", path)[1].startswith("40{")
    message = "x" * 100_000 + str(number)
    assert https("POST", path, f'421["message","{message}"]') == (200, "ok")
    assert https("GET", path) == (200, f'431["{message}"]')
    assert https("POST", path, '422["seen"]') == (200, "ok")
    (seen,) = json.loads(https("GET", path)[1][3:])
    assert (seen["address"], seen["scheme"]) == ("127.0.0.1", "https")
    https("POST", path, "1")


def test_a_killed_arbiter_leaves_nothing_behind(gunicorn, tmp_path):
    server = gunicorn("--worker-tmp-dir", str(tmp_path), workers=2)
    socket = join(server)
    server.signal(signal.SIGKILL)
    assert socket.is_closed()
    server.wait_for("Worker exiting", 2)
    server.wait()  # until the workers have closed their output as well
    assert "finished: " in server.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not HAS_CONTROL_SOCKET, reason="this gunicorn has no control socket")
def test_no_control_socket_where_the_arbiter_preloads(preloaded):
    join(preloaded)
    assert "No control socket" in preloaded.output
    assert not preloaded.control.exists()


def test_garbage_is_collected_less_often_in_a_worker(one_worker):
    assert get(one_worker.port, "/garbage/")[1] == {"thresholds": list(OURS)}


def works(client):
    try:
        return client.ask("message", "works") == ["works"]
    except Closed:
        return False


KINDS = (WebSocketClient, PollingClient)


def on_worker(server, pid, kind, count):
    """Return so many clients whose sockets a worker has."""
    clients = []
    while len(clients) < count:
        client = join(server, kind=kind)
        if pid_of(client) == pid:
            clients.append(client)
        else:
            client.close()
    return clients


def test_a_worker_that_drains_ends_its_sockets_one_after_the_other(gunicorn):
    server = gunicorn(workers=2, DRAIN_SECONDS="4")  # the other one accepts what the first hands on
    pid = server.pids[0]
    open_at = {kind: [on_worker(server, pid, kind, 6)] for kind in KINDS}
    os.kill(pid, signal.SIGTERM)
    server.wait_for("Ending the sockets within 4 s")
    while any(steps[-1] for steps in open_at.values()):
        time.sleep(0.3)  # of 4 seconds
        for steps in open_at.values():
            steps.append([client for client in steps[-1] if works(client)])
    for kind, steps in open_at.items():
        assert len({len(clients) for clients in steps}) > 2, (kind, open_at)
    server.wait_for("Worker ready", 3)
    assert all(works(join(server, kind=kind)) for kind in KINDS)


def test_an_interrupt_ends_the_draining(gunicorn):
    server = gunicorn(DRAIN_SECONDS="20")
    clients = [join(server) for _ in range(3)]
    server.signal(signal.SIGTERM)
    server.wait_for("Ending the sockets within 20 s")
    server.signal(signal.SIGINT)
    server.wait(5)
    assert all(client.is_closed() for client in clients)
