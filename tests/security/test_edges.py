"""What handlers that come late, or stay on, may still do."""

import gc
import weakref
from unittest import mock

import gevent.event
import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db.models.signals import post_save

from django_socketio.events import on_connect, on_disconnect, on_event
from django_socketio.security import sessions
from tests.kit.clients import WebSocketClient
from tests.kit.waiting import wait_until


def test_who_connects_as_the_session_ends_is_not_let_in(serve):
    server = serve(WORKERS=1)
    release = server.call(gevent.event.Event)
    seen, waiting = [], []

    @on_event("wait")
    def wait(request, socket, context):
        waiting.append(socket)
        release.wait(10)

    @on_connect
    def let_in(request, socket, context):
        seen.append(socket.auth)

    @on_disconnect
    def gone(request, socket, context):
        seen.append("gone")

    first, second = WebSocketClient(server.port), WebSocketClient(server.port)
    first.connect()
    first.emit("wait")
    wait_until(lambda: waiting)
    second.send('40{"too": "late"}')
    session = server.socket_server.engine.sessions[second.sid]
    wait_until(lambda: len(server.socket_server.open_sockets) == 2)
    server.call(session.delegate.login.end)
    server.call(release.set)
    assert second.is_closed()
    wait_until(lambda: len(server.socket_server.open_sockets) == 1)
    assert seen == [{}]


class People:
    """A backend without a database."""

    def get_user(self, id):
        return User(pk=id, password="x")


def test_an_outage_of_the_cache_of_sessions_ends_no_login(serve, caplog, monkeypatch):
    engine, backend = "django.contrib.sessions.backends.cache", f"{__name__}.People"
    server = serve(django={"SESSION_ENGINE": engine, "AUTHENTICATION_BACKENDS": [backend]})

    @on_event("who")
    def who(request, socket, context):
        return request.user.pk

    session = cache.SessionStore()
    session.update(sessions.data_of(User(pk=1, password="x")))
    session.save()
    client = WebSocketClient(server.port, cookie=f"sessionid={session.session_key}")
    client.connect()
    with monkeypatch.context() as outage:
        outage.setattr(LocMemCache, "get", mock.Mock(side_effect=RuntimeError("away")))
        server.call(lambda: post_save.send(User, instance=User(pk=1), using="default"))
        wait_until(lambda: "Logins could not be checked" in caplog.text)
        assert client.ask("who") == [{"error": "Internal error"}]
    assert client.ask("who") == [1]
    session.flush()
    client.emit("who")
    assert client.is_closed()


@pytest.mark.parametrize("lasts", [True, False], ids=["lasting", "short"])
def test_a_session_that_an_outage_of_its_cache_hides_is_left_as_it_is(serve, monkeypatch, lasts):
    server = serve(django={"SESSION_ENGINE": "django.contrib.sessions.backends.cache"})

    @on_event("note")
    def note(request, socket, context, text):
        request.session["note"] = text

    @on_event("note in an outage")
    def note_in_an_outage(request, socket, context):
        monkeypatch.setattr(LocMemCache, "get", mock.Mock(side_effect=RuntimeError("away")))
        request.session["note"] = "lost"
        if not lasts:
            monkeypatch.undo()

    session = cache.SessionStore()
    session["note"] = "kept"
    session.save()
    client = WebSocketClient(server.port, cookie=f"sessionid={session.session_key}")
    client.connect()
    assert client.ask("note in an outage") == [{"error": "Internal error"}]
    monkeypatch.undo()
    assert cache.SessionStore(session.session_key)["note"] == "kept"
    assert client.ask("note", "changed") == [None]
    assert cache.SessionStore(session.session_key)["note"] == "changed"


def test_a_request_that_is_used_after_the_end_is_let_go(serve):
    server = serve(LOGIN_CHECK_INTERVAL=1)
    kept = []

    @on_connect
    def keep(request, socket, context):
        kept.append(request)

    client = WebSocketClient(server.port)
    client.connect()
    client.close()
    assert server.call(server.socket_server.open_sockets.wait_until_empty, 5)
    touched = server.logins.touched
    assert server.call(lambda: (kept[0].session.get("x"), len(touched))) == (None, 1)
    wait_until(lambda: not touched)


def test_a_request_is_freed_as_its_socket_ends_without_the_garbage_collector(serve):
    server = serve()
    requests = []

    @on_connect
    def use(request, socket, context):
        context["user"] = request.user
        requests.append((weakref.ref(request), request.user.pk, request.session.get("x")))

    gc.collect()
    gc.disable()
    try:
        client = WebSocketClient(server.port)
        client.connect()
        assert requests[0][0]() is not None
        client.close()
        wait_until(lambda: requests[0][0]() is None)
    finally:
        gc.enable()
