"""The secret of a socket is good for the same user and the same Django session only."""

import json
from contextlib import suppress

import gevent.event
import pytest
from django.contrib.auth.models import User

from django_socketio import emit
from django_socketio.events import on_connect, on_disconnect, on_event
from django_socketio.security.login import Login
from tests.kit.clients import Closed, WebSocketClient
from tests.kit.waiting import wait_until
from tests.security.conftest import Browser, logged_in, named, run


def come(server, browser, **auth):
    """Connect with the cookie of a browser; return the client, and CONNECT's answer."""
    cookie = browser.headers.get("Cookie")
    client = WebSocketClient(server.port, query="&recovery=1", cookie=cookie)
    return client, json.loads(client.connect(auth=auth)[2:])


def come_until_admitted(server, browser, **auth):
    """Connect again as long as the process that has the socket does not know that it has ended."""

    def answer():
        with suppress(Closed):
            return come(server, browser, **auth)[1]

    return wait_until(answer)


def test_a_stolen_secret_is_of_no_use_to_others_and_still_good_for_its_user(watchful, user):
    ann, bob = logged_in(watchful, user), logged_in(watchful, f"{user}-2")
    again = logged_in(watchful, user)  # the same user in another browser
    client, answer = come(watchful, ann)
    assert client.ask("who") == [user]
    client.abandon()
    for thief in (bob, again, Browser()):
        assert come(watchful, thief, pid=answer["pid"])[1]["sid"] != answer["sid"]
    client, back = come(watchful, ann, pid=answer["pid"])
    assert back == {"sid": answer["sid"], "pid": answer["pid"]}
    assert client.ask("who") == [user]


def test_a_user_who_was_deactivated_meanwhile_does_not_come_back(watchful, user):
    ann = logged_in(watchful, user)
    client, answer = come(watchful, ann)
    assert client.ask("who") == [user]
    client.abandon()
    run(watchful, f"User.objects.filter(username='{user}').update(is_active=False)")
    # The attempt itself ends the login, unless the server has checked it meanwhile.
    again = come_until_admitted(watchful, ann, pid=answer["pid"])
    assert again["sid"] != answer["sid"]


def test_a_user_of_a_token_comes_back_as_this_user(watchful, user):
    logged_in(watchful, user)  # makes the user
    client, answer = come(watchful, Browser(), token=user)
    assert client.ask("who") == [user]
    client.abandon()
    client, back = come(watchful, Browser(), pid=answer["pid"])  # on_connect does not run
    assert (back["sid"], client.ask("who")) == (answer["sid"], [user])


class AllUsers:
    """A backend that also accepts users who may not log in by ``ModelBackend``."""

    def get_user(self, id):
        return User(pk=id, password="x", is_active=False)


def test_a_user_comes_back_by_the_backend_of_before(serve):
    backends = ["django.contrib.auth.backends.ModelBackend", f"{__name__}.AllUsers"]
    server = serve(django={"AUTHENTICATION_BACKENDS": backends})

    @on_connect
    def log_in(request, socket, context):
        user = AllUsers().get_user(1)
        user.backend = backends[1]
        socket.login(user)

    @on_event("who")
    def who(request, socket, context):
        return request.user.pk

    client, answer = come(server, Browser())
    client.abandon()
    client, back = come(server, Browser(), pid=answer["pid"])
    assert (back["sid"], client.ask("who")) == (answer["sid"], [1])


def test_a_client_whose_user_cannot_be_read_gets_an_ordinary_connection(server, caplog):
    on_connect(lambda request, socket, context: socket.login(User(pk=1, password="x")))
    client, answer = come(server, Browser())
    client.abandon()
    assert come(server, Browser(), pid=answer["pid"])[1]["sid"] != answer["sid"]
    wait_until(lambda: "no such table: auth_user" in caplog.text)


@pytest.mark.parametrize("why", ["its handler takes too long", "it has missed too much"])
def test_a_client_that_comes_back_in_vain_is_not_logged_in(serve, monkeypatch, why):
    monkeypatch.setattr("django_socketio.sockets.returning.CLAIM_TIMEOUT", 0.05)
    backends = [f"{__name__}.AllUsers"]
    server = serve(django={"AUTHENTICATION_BACKENDS": backends}, MAX_UNSENT_BYTES=2000)
    gate = server.call(gevent.event.Event)

    @on_connect
    def log_in(request, socket, context):
        if "token" in socket.auth:
            socket.login(AllUsers().get_user(1))

    on_event("wait")(lambda request, socket, context: gate.wait(10))
    on_event("who")(lambda request, socket, context: request.user.pk)

    client, answer = come(server, Browser(), token="x")
    assert client.ask("who") == [1]
    if "handler" in why:
        client.emit("wait")
    client.abandon()
    wait_until(lambda: len(server.socket_server.away) == 1)
    if "missed" in why:
        server.call(lambda: [emit("message", "x" * 400, user=1) for _ in range(5)])
    client, back = come(server, Browser(), pid=answer["pid"])
    assert (back["sid"] == answer["sid"], client.ask("who")) == (False, [None])
    server.call(gate.set)


@pytest.mark.parametrize("place", ["here", "there"])
@pytest.mark.parametrize("had_user", [True, False])
def test_a_login_in_another_namespace_meanwhile_ends_no_socket(
    serve, redis, monkeypatch, place, had_user
):
    django = {"AUTHENTICATION_BACKENDS": [f"{__name__}.AllUsers"]}
    servers = {name: serve(django, RELAY_URL=redis.url) for name in ("here", "there")}
    ended, verify = [], Login.verify
    on_disconnect(lambda request, socket, context: ended.append(socket.disconnect_reason))
    if had_user:
        on_connect(lambda request, socket, context: socket.login(AllUsers().get_user(1)))

    def verify_late(login):
        login.log_in(AllUsers().get_user(2))
        return verify(login)

    client, answer = come(servers["here"], Browser())
    client.abandon()
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Login, "verify", verify_late)
        client, back = come(servers[place], Browser(), pid=answer["pid"])
    assert (back["sid"] == answer["sid"]) is had_user
    if not had_user:
        assert come(servers["here"], Browser(), pid=answer["pid"])[1]["sid"] == answer["sid"]
    assert ended == []


@pytest.mark.parametrize("place", ["here", "there"])
def test_a_user_who_is_back_has_all_sockets_of_the_client(serve, redis, place):
    django = {"AUTHENTICATION_BACKENDS": [f"{__name__}.AllUsers"]}
    servers = {name: serve(django, RELAY_URL=redis.url) for name in ("here", "there")}

    on_connect(lambda request, socket, context: socket.login(AllUsers().get_user(1)))
    on_connect(namespace="/b")(lambda request, socket, context: None)
    client, answer = come(servers["here"], Browser())
    client.abandon()
    client = WebSocketClient(servers[place].port, query="&recovery=1")
    client.connect("/b")
    back = json.loads(client.connect(auth={"pid": answer["pid"]})[2:])
    assert back["sid"] == answer["sid"]
    emit("news", user=1, namespace="/b")
    assert client.receive().startswith('42/b,["news"')


# In another process


def test_a_stolen_secret_is_of_no_use_in_another_process_either(site, user):
    ann, bob = logged_in(site[0], user), logged_in(site[0], f"{user}-2")
    again = logged_in(site[0], user)
    client, answer = come(site[0], ann)
    client.abandon()
    for thief in (bob, again, Browser()):
        assert come(site[1], thief, pid=answer["pid"])[1]["sid"] != answer["sid"]
    client, back = come(site[1], ann, pid=answer["pid"])
    assert back == {"sid": answer["sid"], "pid": answer["pid"]}
    assert client.ask("who") == [user]


def test_a_user_who_was_deactivated_meanwhile_does_not_come_back_elsewhere(site, user):
    ann = logged_in(site[0], user)
    client, answer = come(site[0], ann)
    client.abandon()
    run(site[0], f"User.objects.filter(username='{user}').update(is_active=False)")
    # The attempt itself ends the login, unless the server has checked it meanwhile.
    again = come_until_admitted(site[1], ann, pid=answer["pid"])
    assert again["sid"] != answer["sid"]


def test_a_user_of_a_token_comes_back_elsewhere_as_this_user(site, user):
    logged_in(site[0], user)  # makes the user
    client, answer = come(site[0], Browser(), token=user)
    client.abandon()
    client, back = come(site[1], Browser(), pid=answer["pid"])
    assert (back["sid"], client.ask("who")) == (answer["sid"], [user])
    run(site[0], f"emit('message', 'for the user', user={named(user)})")
    assert client.event()[1] == "for the user"


@pytest.mark.parametrize("change", ["is_active=False", "password='!'"])
def test_a_user_of_a_token_who_may_not_log_in_any_more_does_not_come_back(site, user, change):
    logged_in(site[0], user)
    client, answer = come(site[0], Browser(), token=user)
    client.abandon()
    run(site[0], f"User.objects.filter(username='{user}').update({change})")
    assert come(site[1], Browser(), pid=answer["pid"])[1]["sid"] != answer["sid"]
