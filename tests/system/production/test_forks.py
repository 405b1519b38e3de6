"""Children that handlers and views fork: they have nothing of the server's, and end nothing."""

import contextlib
import os
import signal
import socket
import time
from tempfile import TemporaryDirectory

import pytest

from django_socketio.server import forks
from tests.kit.clients import PollingClient, WebSocketClient, join
from tests.kit.http import close_all, get, raw_request, response
from tests.kit.programs import PATCHED, Runserver
from tests.kit.servers import Gunicorn, OtherGunicorn
from tests.kit.streams import StreamClient
from tests.kit.waiting import wait_until

SETTINGS = "tests.system.production.settings"


@pytest.fixture
def start(gunicorn):
    """Start a server: ``start("gunicorn")``, ``start("runserver")``; its children end with it."""
    started = []

    def one(kind, **environ):
        if kind == "gunicorn":
            server = gunicorn(**environ)
        else:
            environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
            server = Runserver("127.0.0.1:0", "--noreload", python=PATCHED, **environ)
            server.wait_for("Quit the server")
        started.append((kind, server))
        return server

    yield one
    for kind, server in started:
        for found in server.wait_for("child (\\d+)", 0):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(found[1]), signal.SIGKILL)
        if kind == "runserver":
            server.end()


@pytest.fixture(scope="module")
def lasting():
    """A gunicorn for tests that do it no harm, and leave no child."""
    server = Gunicorn()
    yield server
    close_all()
    server.end()


KINDS = ["gunicorn", "runserver"]


def fork_long(server, where, client, way="long"):
    """Have a child forked that lives for long; return its process id."""
    if where == "view":
        assert get(server.port, f"/fork/{way}/")[0] == 200
    else:
        client.ask("fork", way)
    (found,) = server.wait_for("child (\\d+)")
    return int(found[1])


@pytest.mark.parametrize(("kind", "where"), [("gunicorn", "handler"), ("runserver", "view")])
def test_a_child_ends_no_socket_and_takes_no_message(start, kind, where):
    server = start(kind)
    clients = [join(server, kind=[WebSocketClient, PollingClient][n % 2]) for n in range(6)]
    child = fork_long(server, where, clients[0])
    number = 0
    while "child is still there" not in server.output:
        number += 1
        for client in clients:
            assert client.ask("message", number) == [number]
        new = join(server, kind=[WebSocketClient, PollingClient][number % 2])
        assert new.ask("message", "new") == ["new"]
        new.close()
        time.sleep(0.02)
    os.kill(child, 0)  # it lives
    gone = len(server.wait_for("gone: ", 0))
    wait_until(lambda: server.output.count("finished: ") >= number)
    assert gone <= number  # none but the new ones
    assert "Parent changed" not in server.output
    assert "Traceback" not in server.output
    assert {client.ask("seen")[0]["pid"] for client in clients} != {child}


@pytest.mark.parametrize("kind", ["gunicorn"])
def test_a_child_holds_no_connection_open(start, kind):
    server = start(kind)
    client, leaver = join(server), join(server)
    request = "GET /seen/ HTTP/1.1\r\nHost: localhost\r\nConnection: {}\r\n\r\n"
    kept = raw_request(server.port, request.format("keep-alive").encode())
    assert response(kept)[0] == 200
    fork_long(server, "handler", client)
    kept.sendall(request.format("close").encode())
    assert b"".join(iter(lambda: kept.recv(65536), b"")).startswith(b"HTTP/1.1 200")  # to its end
    leaver.close()
    server.wait_for("gone: ")


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_ends_before_its_children_and_frees_its_port(start, kind):
    server = start(kind)
    client = join(server)
    child = fork_long(server, "handler", client, "orphan")
    server.signal(signal.SIGTERM)
    assert server.process.wait(10) == 0
    server.wait_for("gone: ")
    assert server.output.count("gone: ") == 1
    with socket.socket() as again, pytest.raises(ConnectionRefusedError):
        again.connect(("127.0.0.1", server.port))
    assert client.is_closed()
    os.kill(child, 0)


ENDS = [("end", 7), ("thread", 9), ("exit", 6), ("raise", 1), ("return", 0), ("spawn", "spawned\n")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_that_comes_back_from_its_handler_or_view_ends(start, kind):
    server = start(kind)
    client, polling = join(server), join(server, kind=PollingClient)
    for way, status in [*ENDS, ("preexec", "spawned\n")]:
        assert client.ask("fork", way) == [status]
        assert polling.ask("fork", way) == [status]
        assert get(server.port, f"/fork/{way}/") == (200, {"answer": status}), way
    assert client.ask("message", "alive") == ["alive"]
    assert polling.ask("message", "alive") == ["alive"]
    assert server.output.count("ZeroDivisionError") == 2  # Django does not print that of a view
    assert "gone:" not in server.output


def test_a_child_can_be_terminated(lasting):
    client = join(lasting)
    assert client.ask("terminate") == [-signal.SIGTERM]


def test_a_process_pool_works_in_a_handler(lasting):
    client = join(lasting)
    assert client.ask("pool") == [[0, 1, 4, 9, 16]]


def test_a_child_without_a_relay_reaches_no_socket_and_is_told_so(lasting):
    client, keeping = join(lasting), join(lasting, auth={"_positions": True})
    client.ask("fork", "tell")
    lasting.wait_for("NoSocket: This process holds no sockets.*SOCKETIO_RELAY_URL")
    client.ask("fork", "emit")
    lasting.wait_for("NoRelay: This process holds no sockets.*SOCKETIO_RELAY_URL")
    for number, one in enumerate((client, keeping), 1):
        one.ask("send from child")
        lasting.wait_for("NoSocket: .*forked", number)
        assert one.ask("message", "alive") == ["alive"]


def listening(redis):
    return {client["id"] for client in redis.client.client_list(_type="pubsub")}


def test_a_child_publishes_by_a_connection_of_its_own(start, redis):
    server = start("gunicorn", TEST_RELAY_URL=redis.url)
    client = join(server)
    wait_until(lambda: listening(redis))
    before = listening(redis)
    client.emit("fork", "tell", id=0)
    assert sorted([client.receive()[:2], client.receive()[:2]]) == ["42", "43"]
    server.wait_for("received by 1")
    client.emit("fork", "emit", id=1)
    assert sorted([client.receive()[:2], client.receive()[:2]]) == ["42", "43"]
    server.wait_for("emitted to 1")
    client.ask("fork", "long")
    server.wait_for("child is still there")
    assert listening(redis) == before
    os.kill(server.pids[0], signal.SIGKILL)
    wait_until(lambda: not before & listening(redis))  # no child keeps it
    server.wait_for("Worker ready", 2)


OTHERS = {"threads": ("gthread", "--threads", "4"), "gevent": ("gevent", "--graceful-timeout", "1")}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_child_of_another_server_holds_no_connection_of_its_streams(redis, kind):
    server = OtherGunicorn(*OTHERS[kind], TEST_RELAY_URL=redis.url)
    stream = StreamClient(server.port).begin()
    before = listening(redis)
    child = fork_long(server, "view", None)
    try:
        server.wait_for("child is still there")
        assert listening(redis) == before
        assert get(server.port, "/push/?channel=a&text=x")[0] == 200
        assert stream.event() == ("pushed", '"x"')
        (worker,) = server.wait_for("Booting worker with pid: (\\d+)")
        os.kill(int(worker[1]), signal.SIGKILL)
        wait_until(lambda: not before & listening(redis))
        os.kill(child, 0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        close_all()
        server.end()


def test_a_child_finds_the_unix_sockets_of_its_server():
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/a-name-that-is-longer-than-an-internet-address")
        assert listener.fileno() in forks.descriptors_at([listener.getsockname()])
