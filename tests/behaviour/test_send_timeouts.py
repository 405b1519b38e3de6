"""Clients that do not read what they are sent over HTTP, and clients that only read slowly."""

import itertools
import logging
import socket
import threading
import time

import gevent
import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import include, path

from django_socketio import broadcast
from django_socketio.server import sending
from tests.kit.clients import PollingClient
from tests.kit.http import TIMEOUT, response
from tests.kit.live import connections
from tests.kit.logs import faults
from tests.kit.timeouts import look_at_connections
from tests.kit.waiting import wait_until

PIECE = b"x" * 10_000
LARGE = 2_000_000
"""Bytes that no kernel takes from a server whose client has a small window."""

closed = threading.Event()


def endless(request):
    """Stream until the client has gone."""

    def pieces():
        try:
            yield from itertools.repeat(PIECE)
        finally:
            closed.set()

    return StreamingHttpResponse(pieces())


def pausing(request):
    """Stream with pauses of the application's own."""

    def pieces():
        for piece in ("a", "b", "c"):
            yield piece
            gevent.sleep(0.5)

    return StreamingHttpResponse(pieces())


def failing(request):
    def pieces():
        yield PIECE
        raise BrokenPipeError(110, "of the application's own")

    return StreamingHttpResponse(pieces())


urlpatterns = [
    path("", include("django_socketio.urls")),
    path("large/", lambda request: HttpResponse(b"x" * LARGE)),
    path("endless/", endless),
    path("pausing/", pausing),
    path("failing/", failing),
]


@pytest.fixture
def site(serve):
    """Start a server of these views; ``site(seconds)``: its SOCKETIO_SEND_TIMEOUT.

    Pipelined requests hold the event loop for so long on a slow machine that the watchdog says so.
    """
    urls = {"ROOT_URLCONF": __name__}
    return lambda seconds: serve(urls, SEND_TIMEOUT=seconds, BLOCKED_AFTER=0)


@pytest.fixture
def slowly():
    """Open connections whose kernel keeps little for them: ``slowly(server, request)``."""
    opened = []

    def start(server, request):
        one = socket.socket()
        opened.append(one)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
        one.settimeout(TIMEOUT)
        one.connect(("127.0.0.1", server.port))
        one.sendall(request)
        return one

    yield start
    for one in opened:
        one.close()


def get(target, times=1):
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * times


REQUESTS = {
    "a page": get("/large/"),
    "a streamed page": get("/endless/"),
    "many pages that are not there": get("/nothing/", 30_000),
    "an error behind many pages": get("/fields/", 10_000) + b"no request\r\n\r\n",
}


def send_what_fits(connection, request):
    """Send in a thread: a server that waits does not read either."""

    def run():
        try:
            connection.sendall(request)
        except OSError:
            return

    threading.Thread(target=run, daemon=True).start()


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_an_answer_that_is_not_read_is_given_up(site, slowly, request_, caplog, capfd):
    caplog.set_level(logging.INFO, "django_socketio.server")
    server = site(0.2)
    connection = slowly(server, b"")
    connection.settimeout(None)
    send_what_fits(connection, request_)
    wait_until(lambda: "SOCKETIO_SEND_TIMEOUT" in caplog.text)
    wait_until(lambda: connections(server) == 0)
    assert [record.levelname for record in faults(caplog)] == ["INFO"]
    assert "Traceback" not in capfd.readouterr().err


def test_a_polling_answer_that_is_not_read_is_given_up(site, slowly, caplog):
    caplog.set_level(logging.INFO, "django_socketio.server")
    server = site(0.2)
    client = PollingClient(server.port)
    client.send("40")
    assert client.request("GET", client.path)[1].startswith("40")
    server.call(broadcast, "x" * 900_000)
    slowly(server, get(client.path))
    wait_until(lambda: "SOCKETIO_SEND_TIMEOUT" in caplog.text)
    wait_until(lambda: connections(server) == 0)


def test_the_application_hears_that_its_answer_was_given_up(site, slowly):
    closed.clear()
    server = site(0.2)
    slowly(server, get("/endless/"))
    assert closed.wait(TIMEOUT)


def test_an_answer_that_is_given_up_does_not_pass_for_a_whole_one(site, slowly, caplog):
    caplog.set_level(logging.INFO, "django_socketio.server")
    server = site(0.2)
    connection = slowly(server, b"GET /endless/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
    wait_until(lambda: "SOCKETIO_SEND_TIMEOUT" in caplog.text)
    with pytest.raises(ConnectionResetError):
        while connection.recv(4096):
            pass


def read(connection, size):
    while size > 0:
        size -= len(connection.recv(500))


def read_slowly(connection, seconds, size, pause):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert connection.recv(size)
        time.sleep(pause)


def test_a_client_that_reads_slowly_gets_its_answer(site, slowly):
    server = site(20)
    connection = slowly(server, get("/large/"))
    assert connection.recv(500)
    now = time.monotonic()
    for later in range(0, 150, 15):
        look_at_connections(server, now + later)
        # Far less than what the kernel must have free before it wakes the sender.
        read(connection, 20_000)
    assert connections(server) == 1
    received = 0
    while received < LARGE - 500_000:
        received += len(connection.recv(65_536))


def test_a_client_that_reads_next_to_nothing_is_given_up(site, slowly, monkeypatch):
    monkeypatch.setattr(sending, "SLOWEST", 1e9)
    server = site(0.4)
    connection = slowly(server, get("/large/"))
    with pytest.raises(ConnectionResetError):
        read_slowly(connection, TIMEOUT, 5_000, 0.02)


def test_pauses_of_the_application_are_its_own(site, slowly):
    server = site(0.1)
    assert response(slowly(server, get("/pausing/"))) == (200, "abc")


def test_errors_of_the_application_are_still_reported(site, slowly, capfd):
    server = site(0.1)
    connection = slowly(server, get("/failing/"))
    while connection.recv(4096):
        pass
    wait_until(lambda: "of the application's own" in capfd.readouterr().err)
