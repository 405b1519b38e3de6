"""Users whom a handler logs in from a token, by ``socket.login``, without a Django session."""

import json
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models.signals import post_save
from django.test import override_settings

from django_socketio.events import on_connect
from django_socketio.security import checking, sessions
from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.waiting import wait_until
from tests.security.conftest import Browser, ends_soon, logged_in


@pytest.fixture
def settings_of_people():
    with override_settings(AUTHENTICATION_BACKENDS=[path_of(People)]):
        yield


@pytest.fixture
def known(site, user):
    """The name of a user who exists, and has logged out everywhere."""
    logged_in(site[0], user)
    return user


def opened(server, transport="websocket", headers=None):
    if transport == "websocket":
        return WebSocketClient(server.port)
    client = PollingClient(server.port, headers or {})
    return client.upgrade() if transport == "upgraded" else client


def with_token(server, name, transport="websocket", namespace="/"):
    client = opened(server, transport)
    client.connect(namespace, auth={"token": name})
    return client


def test_the_user_of_a_token_stays(site, known, transport):
    client = with_token(site[0], known, transport)
    assert [client.ask("who") for _ in range(3)] == [[known]] * 3
    assert client.ask("async who") == [known]
    assert client.ask("who") == [known]


def test_the_user_is_logged_in_for_this_event_and_for_all_namespaces(site, known):
    client = opened(site[0])
    client.connect()
    client.connect("/other")
    assert client.ask("who", namespace="/other") == [""]
    assert client.ask("log in", known) == [known]
    assert client.ask("who") == client.ask("who", namespace="/other") == [known]


def test_a_user_is_followed_by_another_one(site, known):
    logged_in(site[0], f"{known}-2")
    client = with_token(site[0], known)
    assert client.ask("log in", f"{known}-2") == [f"{known}-2"]
    Browser().get(site[1], f"/deactivate/?user={known}")
    assert client.ask("who") == [f"{known}-2"]
    Browser().get(site[1], f"/deactivate/?user={known}-2")
    assert ends_soon(client)


@pytest.mark.parametrize("action", ["new-password", "deactivate", "delete"])
def test_a_user_who_may_not_go_on_is_ended(site, known, action):
    logged_in(site[0], f"{known}-2")
    here, there = (with_token(server, known) for server in site)
    witness = with_token(site[0], f"{known}-2")
    Browser().get(site[1], f"/{action}/?user={known}")
    assert ends_soon(here)
    assert ends_soon(there)
    assert witness.ask("who") == [f"{known}-2"]


def test_a_login_that_is_renewed_while_it_is_checked_goes_on(site, known):
    client = with_token(site[0], known)
    assert client.ask("change password", "new") == [known]
    assert client.ask("who") == [known]
    Browser().get(site[1], f"/deactivate/?user={known}")
    assert ends_soon(client)


def test_a_user_who_was_deactivated_silently_is_found_by_the_check(watchful, user):
    logged_in(watchful, user)
    client = with_token(watchful, user)
    Browser().get(watchful, f"/deactivate-silently/?user={user}")
    assert ends_soon(client)


def test_users_who_may_not_log_in_are_refused(site, known):
    Browser().get(site[0], f"/deactivate/?user={known}")
    client = opened(site[0])
    client.send("40" + json.dumps({"token": known}))
    assert client.receive() == '44{"message":"Permission denied"}'


def test_a_login_beside_a_session_ends_with_either(site, known):
    browser = Browser()
    browser.get(site[0], "/visit/")
    client = browser.open(site[0])
    assert client.ask("log in", known) == client.ask("who") == [known]
    browser.get(site[1], "/flush/")
    assert ends_soon(client)


def test_logging_out_in_a_handler_ends_the_sockets(site, known):
    client = with_token(site[0], known)
    client.emit("log out")
    assert ends_soon(client)


def test_an_event_that_does_not_use_the_user_causes_no_query(site, known):
    client = with_token(site[0], known)
    assert client.ask("message", "x") == [False]


@pytest.mark.parametrize("when", ["on_connect", "later"])
def test_the_sockets_belong_to_the_audience_of_the_user(site, known, when):
    clients = [with_token(site[0], known) if when == "on_connect" else opened(site[0])]
    if when == "later":
        clients[0].connect()
        assert clients[0].ask("log in", known) == [known]
    code = f"emit('pushed', user=User.objects.get(username='{known}')).received"
    assert Browser().get(site[1], f"/run/?code={quote(code)}") == "1"
    assert clients[0].receive() == '42["pushed"]'


class People:
    """A backend that finds each user, with the password of today."""

    def get_user(self, id):
        return User(pk=id, password="today")


class Tab:
    """A login of a token, beside the Django session that it shares with the other tabs."""

    session_key = "a key"
    name = "0" * 32

    def __init__(self, id, password="today"):
        self.user_id = str(id)
        self.own_data = sessions.data_of(User(pk=id, password=password))
        self.seen = []
        self.confirm = self.seen.append


def test_tabs_of_one_session_are_checked_each(settings_of_people):
    tabs = [Tab(1), Tab(2), Tab(1, "yesterday"), Tab(1)]
    checking.check(tabs)
    assert [tab.seen for tab in tabs] == [[True], [True], [False], [True]]


class Permissions:
    """A backend that only grants permissions."""


def path_of(backend):
    return f"{__name__}.{backend.__name__}"


@pytest.fixture
def settings_of_permissions():
    with override_settings(AUTHENTICATION_BACKENDS=[path_of(Permissions), path_of(People)]):
        yield


def test_a_user_without_a_backend_is_logged_in_by_the_first_that_finds_the_user(
    settings_of_permissions,
):
    data = sessions.data_of(User(pk=1, password="today"))
    assert data[BACKEND_SESSION_KEY] == path_of(People)
    assert sessions.user_of(data).pk == 1


def test_a_user_whom_no_backend_finds_is_refused(settings_of_permissions, monkeypatch):
    monkeypatch.setattr(People, "get_user", lambda self, pk: None)
    with pytest.raises(PermissionDenied):
        sessions.data_of(User(pk=1))


class Broken:
    def get_user(self, id):
        raise AttributeError("on purpose")


def test_a_login_that_cannot_be_checked_hides_no_other_one(serve, monkeypatch, caplog):
    server = serve(django={"AUTHENTICATION_BACKENDS": [path_of(Broken), path_of(People)]})

    @on_connect
    def log_in(request, socket, context):
        user = User(pk=1, password="today")
        user.backend = socket.auth["backend"]
        socket.login(user)

    broken, changed = WebSocketClient(server.port), WebSocketClient(server.port)
    broken.connect(auth={"backend": path_of(Broken)})
    changed.connect(auth={"backend": path_of(People)})
    monkeypatch.setattr(People, "get_user", lambda self, pk: User(pk=pk, password="other"))
    server.call(lambda: post_save.send(User, instance=User(pk=1), using="default"))
    assert changed.is_closed()
    assert broken.sync() == []
    wait_until(lambda: "on purpose" in caplog.text)


def test_what_is_no_saved_user_is_named():
    for value in (None, "ann", AnonymousUser(), SimpleNamespace(pk=1), User(username="ann")):
        with pytest.raises(TypeError, match=r"socket\.login takes a saved auth\.User, not "):
            sessions.data_of(value)
    with pytest.raises(PermissionDenied):
        sessions.data_of(User(pk=1, is_active=False))
    data = sessions.data_of(User(pk=1, password="x"))
    assert sessions.user_id(data) == "1"
