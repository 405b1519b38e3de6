"""What the doctor finds out about WebSockets."""

import threading

import pytest

from django_socketio.diagnostics import polling, websockets
from django_socketio.diagnostics.address import Address
from django_socketio.diagnostics.websocket_client import Closed, WebSocket


@pytest.fixture
def address(server):
    """The address of a server."""
    return Address.parse(f"http://127.0.0.1:{server.port}")


@pytest.fixture
def _without_posts(monkeypatch):
    """Have the proxy break each connection with the second request of a session."""
    request = Address.request

    def broken(self, target, body=None, **options):
        if body is not None:
            raise ConnectionResetError("broken by the proxy")
        return request(self, target, body, **options)

    monkeypatch.setattr(Address, "request", broken)


def levels(findings):
    return [(one.step, one.level) for one in findings]


def test_a_client_connects_and_upgrades(address):
    assert levels(websockets.examine(address)) == [("websocket", "ok"), ("upgrade", "ok")]


@pytest.mark.usefixtures("_without_posts")
def test_a_session_that_breaks_before_its_upgrade_is_told(address):
    found = list(websockets.examine(address))
    assert levels(found) == [("websocket", "ok"), ("polling", "error")]
    assert "broken by the proxy" in found[1].text


@pytest.mark.usefixtures("_without_posts")
def test_a_session_that_breaks_before_its_wait_is_told(address):
    found = polling.wait_for_ping(address)
    assert (found.step, found.level) == ("polling", "error")
    assert "broken by the proxy" in found.text


def test_a_websocket_is_read_by_the_thread_that_sends_on_it(address, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", None)
    with websockets.open_at(address, "websocket") as websocket:
        assert websocket.receive(20).startswith("0{")
        websocket.send("40")
        assert websocket.receive(20).startswith("40{")


def test_what_the_server_says_when_it_closes_a_websocket_is_kept(address):
    with websockets.open_at(address, "websocket") as websocket:
        websocket.receive(20)
        websocket.send("no packet")
        with pytest.raises(Closed, match="1008"):
            websocket.receive(20)
        with pytest.raises(Closed, match="1008"):
            websocket.send("40")


def test_a_websocket_that_is_closed_before_the_connect_is_told(address, monkeypatch):
    def closed(self, message):
        raise Closed("1001 (going away)")

    monkeypatch.setattr(WebSocket, "send", closed)
    (found,) = websockets.examine(address)
    assert (found.step, found.level) == ("websocket", "error")
    assert found.text.startswith("The WebSocket is closed at once")
