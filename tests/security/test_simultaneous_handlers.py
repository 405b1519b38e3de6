"""Handlers of two namespaces of one client, which run at the same time with the same request."""

import gevent.event
import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends import cache

from django_socketio.events import on_disconnect, on_event
from django_socketio.security import sessions
from tests.kit.clients import WebSocketClient
from tests.kit.waiting import wait_until

OTHER = {
    "ignores": lambda request: None,
    "reads the user": lambda request: request.user.first_name,
    "reads the session": lambda request: request.session.get("notes"),
    "changes the session": lambda request: request.session.update(other=1),
}


class People:
    """A backend without a database."""

    def get_user(self, id):
        return User(pk=id, password="x")


@pytest.fixture
def site(serve):
    engine, backend = "django.contrib.sessions.backends.cache", f"{__name__}.People"
    django = {"SESSION_ENGINE": engine, "AUTHENTICATION_BACKENDS": [backend]}
    return serve(django=django, LOGIN_CHECK_INTERVAL=1)


@pytest.fixture
def session(site):
    session = cache.SessionStore()
    session.update(sessions.data_of(User(pk=1, password="x")))
    session.save()
    return session


@pytest.fixture
def client(site, session):
    return WebSocketClient(site.port, cookie=f"sessionid={session.session_key}")


@pytest.fixture
def gate(site):
    """Opened by a test; until then, a handler waits."""
    return site.call(gevent.event.Event)


def stored(session):
    return dict(cache.SessionStore(session.session_key).load())


@pytest.mark.parametrize("fails", [False, True], ids=["returns", "fails"])
@pytest.mark.parametrize("other_fails", [False, True], ids=["other returns", "other fails"])
@pytest.mark.parametrize("use", OTHER)
def test_what_one_handler_changes_is_its_own(site, session, gate, client, use, other_fails, fails):
    @on_event("work")
    def work(request, socket, context):
        notes = request.session.setdefault("notes", [])
        notes.append("begun")
        request.user.first_name = "changed"
        socket.emit("begun")
        assert gate.wait(10)
        notes.append("done")
        if fails:
            raise RuntimeError("on purpose")
        return [request.session["notes"], request.user.first_name]

    @on_event("other", namespace="/other")
    def other(request, socket, context):
        assert not OTHER[use](request)
        if other_fails:
            raise ValueError("on purpose")

    client.connect()
    client.connect("/other")
    client.emit("work", id=1)
    assert client.receive() == '42["begun"]'
    client.ask("other", namespace="/other")
    assert "notes" not in stored(session)
    site.call(gate.set)
    assert client.receive() == (
        '431[{"error":"Internal error"}]' if fails else '431[[["begun","done"],"changed"]]'
    )
    assert stored(session).get("notes") == (None if fails else ["begun", "done"])


def test_a_handler_reads_anew_while_another_one_waits(site, session, gate, client):
    @on_event("wait")
    def wait(request, socket, context):
        assert request.session.get("x") is None
        socket.emit("waiting")
        assert gate.wait(10)
        return request.session.get("x")

    @on_event("read", namespace="/other")
    def read(request, socket, context):
        return request.session.get("x")

    client.connect()
    client.connect("/other")
    client.emit("wait", id=1)
    assert client.receive() == '42["waiting"]'
    for value in (1, 2):
        session["x"] = value
        session.save()
        assert client.ask("read", namespace="/other") == [value]
    site.call(gate.set)
    assert client.receive() == "431[null]"


def test_a_last_handler_that_waits_keeps_what_it_changes(site, session, client):
    @on_disconnect
    def leave(request, socket, context):
        notes = request.session.setdefault("notes", [])
        gevent.sleep(0.2)  # in which connections that have ended are looked through
        notes.append("done")

    client.connect()
    client.close()
    wait_until(lambda: "notes" in stored(session))
    assert stored(session)["notes"] == ["done"]
