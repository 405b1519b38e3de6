"""How the doctor waits for the server's ping, and what it tells where none comes."""

from types import SimpleNamespace

import gevent
import pytest
from django.core.exceptions import PermissionDenied

from django_socketio import emit
from django_socketio.diagnostics import pings, polling, websockets
from django_socketio.diagnostics.address import Address
from django_socketio.diagnostics.pings import PingWait
from django_socketio.events import on_connect


@pytest.fixture
def address(serve):
    """The address of a busy server: each socket gets ten events a second."""
    server = serve(PING_INTERVAL=1.0)
    ticking = server.call(gevent.spawn, tick)
    yield Address.parse(f"http://127.0.0.1:{server.port}")
    server.call(ticking.kill)


def tick():
    while True:
        emit("tick")
        gevent.sleep(0.1)


@pytest.mark.parametrize("wait", [polling.wait_for_ping, websockets.wait_for_ping])
def test_what_comes_before_the_ping_ends_no_wait(address, wait):
    found = wait(address)
    assert found.level == "ok"
    assert "until the next ping" in found.text


@pytest.mark.parametrize("examine", [polling.examine, websockets.examine])
def test_a_ping_may_come_before_the_answer_to_a_connect(serve, examine):
    @on_connect
    def connected(request, socket, context):
        gevent.sleep(0.5)

    server = serve(PING_INTERVAL=0.2)
    found = list(examine(Address.parse(f"http://127.0.0.1:{server.port}")))
    assert [one.level for one in found] == ["ok", "ok"]


@pytest.mark.parametrize("wait", [polling.wait_for_ping, websockets.wait_for_ping])
def test_a_session_that_the_server_ends_is_no_fault_of_a_proxy(serve, wait):
    @on_connect
    def refuse(request, socket, context):
        raise PermissionDenied

    server = serve(PING_INTERVAL=20.0, CONNECT_TIMEOUT=0.5)
    found = wait(Address.parse(f"http://127.0.0.1:{server.port}"))
    assert found.level == "note"
    assert "The server itself ends the session after" in found.text
    assert "--cookie" in found.remedy


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(pings, "time", clock)
    return clock


def test_a_silence_begins_with_the_last_data(clock):
    wait = PingWait("polling", 25.0)
    clock.now += 12
    wait.heard()
    clock.now += 3
    found = wait.cut_off(" (504)")
    assert found.text == (
        "The connection ends after 3.0 s without data (504), before the ping that comes every 25 s."
    )
    assert "SOCKETIO_PING_INTERVAL has to be shorter than 3.0" in found.remedy
