"""The user of a Django session may not log in any more, and no signal has told that."""

import queue
from unittest import mock

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends import cache
from django.db import DatabaseError

from django_socketio import emit, subscribe
from django_socketio.events import on_connect, on_disconnect, on_event
from django_socketio.security import checking, sessions
from django_socketio.security.login import Login
from tests.kit.clients import WebSocketClient
from tests.kit.waiting import wait_until


class People:
    """A backend without a database, whose users may stop to be accepted."""

    active = True
    meanwhile = staticmethod(lambda: None)

    def get_user(self, id):
        People.meanwhile()
        return User(pk=id, password="x") if People.active else None


@pytest.fixture
def server(serve, monkeypatch):
    monkeypatch.setattr(People, "active", True)
    django = {
        "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
        "AUTHENTICATION_BACKENDS": [f"{__name__}.People"],
        "MIDDLEWARE": [*settings.MIDDLEWARE, "tests.security.middleware.devices"],
    }
    return serve(django, HISTORY={"session=": {"size": 10, "seconds": 60, "replay": 10}})


@pytest.fixture
def session():
    """Return the Django session of a user."""
    session = cache.SessionStore()
    session.update({**sessions.data_of(User(pk=1, password="x")), "team": "team-7"})
    session.save()
    return session


def come(server, session, **options):
    return WebSocketClient(server.port, cookie=f"sessionid={session.session_key}", **options)


def by_a_handler(server, session):
    on_connect(lambda request, socket, context: socket.subscribe(request.session["team"]))
    client = come(server, session)
    client.connect()
    return client


def by_a_view(server, session):
    client = come(server, session)
    client.connect()
    assert server.call(lambda: subscribe("team-7", session=session.session_key)).received == 1
    return client


@pytest.mark.parametrize("opened", [by_a_handler, by_a_view])
def test_an_open_socket_that_loses_its_user_ends_and_comes_back_as_nobody(server, session, opened):
    on_event("who")(lambda request, socket, context: [request.user.pk, *socket.channels])
    client = opened(server, session)
    People.active = False
    client.emit("who")
    assert client.is_closed()
    client = come(server, session)
    client.connect()
    assert client.ask("who")[0][0] is None


def test_a_user_whom_on_connect_does_not_find_is_anonymous(server, session):
    asked = []
    on_connect(lambda request, socket, context: asked.append(request.user.pk))
    People.active = False
    client = come(server, session)
    client.connect()
    assert client.sync() == []
    assert asked == [None]


@pytest.mark.parametrize("then_reads", [False, True])
def test_a_handler_that_flushes_a_session_in_a_cache_ends_the_socket(server, session, then_reads):
    @on_event("flush")
    def flush(request, socket, context):
        request.session.flush()
        return then_reads and request.user.pk

    client = come(server, session)
    client.connect()
    client.emit("flush")
    assert client.is_closed()


@pytest.fixture
def doubted(server, session, monkeypatch):
    """Return a client that has come back, and whose login the check has not examined yet."""
    monkeypatch.setattr(checking, "check", lambda logins: None)
    server.call(server.logins.doubt, "1")

    def open_one():
        client = come(server, session)
        client.connect()
        People.active = False
        return client, server.socket_server.engine.sessions[client.sid].delegate.login

    return open_one


def test_a_login_that_ends_while_its_user_is_read_keeps_its_user(server, doubted, monkeypatch):
    users = queue.Queue()
    monkeypatch.setattr(sessions, "user_by_id", lambda key: User(pk=key))
    on_disconnect(lambda request, socket, context: users.put(request.user.pk))
    on_event("who")(lambda request, socket, context: request.user.pk)
    client, login = doubted()
    monkeypatch.setattr(People, "meanwhile", login.end)
    client.emit("who")
    assert client.is_closed()
    assert users.get(timeout=5) == "1"


def test_a_login_that_cannot_leave_the_topics_of_its_user_ends(doubted, monkeypatch, caplog):
    on_event("who")(lambda request, socket, context: request.user.pk)
    client, _ = doubted()
    monkeypatch.setattr(Login, "audiences", mock.Mock(side_effect=DatabaseError("away")))
    client.emit("who")
    assert client.is_closed()
    wait_until(lambda: "did not leave their user" in caplog.text)


def test_a_socket_that_opens_without_its_user_gets_nothing_of_the_session(
    server, session, monkeypatch
):
    """A middleware takes the user from Django's, so that the user is read for the audiences."""
    server.call(lambda: emit("past", session=session.session_key))
    monkeypatch.setattr(checking, "check", lambda logins: None)  # the check comes later
    server.call(server.logins.doubt, "1")
    People.active = False
    client = come(server, session, header=["X-Device: closure"])
    client.connect()
    assert client.sync() == []
