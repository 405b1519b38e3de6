"""What becomes of a request for a session of another worker."""

import socket
from types import SimpleNamespace

import pytest

from django_socketio.server import hijack
from django_socketio.server.handoff import router
from django_socketio.server.opaque import Opaque
from django_socketio.transports.http import EngineRequest, RequestError


@pytest.fixture
def handoff(tmp_path):
    return router.Handoff(tmp_path, None)


@pytest.fixture
def owner(tmp_path):
    """The socket of the worker that holds the session."""
    with socket.socket(socket.AF_UNIX) as owner:
        owner.bind(str(tmp_path / "0badbeef"))
        yield owner


REQUEST = EngineRequest(
    "GET", {"sid": "abcdefghij.0badbeef"}, {hijack.KEY: Opaque(SimpleNamespace())}
)


def test_a_worker_that_never_was(handoff):
    assert not handoff.hand_off(REQUEST)


def test_a_worker_that_was_killed(handoff, owner, tmp_path):
    assert not handoff.hand_off(REQUEST)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_accepts_nothing_is_not_taken_for_one_that_has_ended(
    handoff, owner, monkeypatch, caplog
):
    monkeypatch.setattr(router, "TIMEOUT", 0.05)
    made, make = [], hijack.Socket
    monkeypatch.setattr(hijack, "Socket", lambda *args: made.append(make(*args)) or made[-1])
    owner.listen(0)
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(owner.getsockname())  # the backlog is full
        with pytest.raises(RequestError) as caught:
            handoff.hand_off(REQUEST)
    assert caught.value.status == 503
    assert "it accepts no connection" in caplog.text
    assert [one.fileno() for one in made] == [-1]
