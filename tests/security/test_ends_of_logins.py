"""A socket follows its login: in every process, over every transport."""

import threading

import pytest
import websocket

from django_socketio.relay import wire
from django_socketio.relay.envelope import Envelope, EnvelopeKind
from django_socketio.security.signals import TOPIC
from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.programs import manage
from tests.security.conftest import Browser, ends_soon, logged_in, named, run


def test_logging_out_ends_the_sockets_in_every_process(site, transport, user):
    here, there = site
    browser, elsewhere = logged_in(here, user), logged_in(there, user)
    sockets = [browser.open(server, transport) for server in site]
    other = elsewhere.open(here, transport)
    assert [socket.ask("who") for socket in sockets] == [[user], [user]]
    browser.get(here, "/log-out/")
    assert all(ends_soon(socket) for socket in sockets)
    for server in site:
        server.wait_for(f"gone: {user}: session ended")
    assert other.ask("who") == [user]


def test_a_socket_says_why_it_ends(site, user):
    browser = logged_in(site[0], user)
    socket = browser.open(site[0])
    browser.get(site[0], "/log-out/")
    frame = socket.ws.recv_frame()
    assert frame.data == (1008).to_bytes(2, "big") + b"session ended"


def raw_of(browser, server, path):
    headers = [f"{name}: {value}" for name, value in browser.headers.items()]
    return websocket.create_connection(
        f"ws://127.0.0.1:{server.port}{path}", timeout=10, header=headers
    )


def test_raw_websockets_end_with_their_login(site, user):
    here, there = site
    browser = logged_in(here, user)
    sockets = [raw_of(browser, there, path) for path in ("/raw/", "/raw-at-once/")]
    for one in sockets:
        one.send("who")
        assert one.recv() in (f"{user} ", "who")
    run(here, f"User.objects.filter(username='{user}').update(first_name='Ann')")
    sockets[0].send("who, now?")
    assert sockets[0].recv() == f"{user} Ann"
    browser.get(here, "/log-out/")
    for one in sockets:
        assert one.recv_data() == (8, (1008).to_bytes(2, "big") + b"session ended")
        one.shutdown()
    there.wait_for(f"raw: {user}: session ended")


def test_a_raw_websocket_whose_view_finds_the_user_gone_later_ends(site, user):
    raw = raw_of(logged_in(site[0], user), site[0], "/raw/")
    run(site[0], f"User.objects.filter(username='{user}').update(is_active=False)")
    raw.send("who")
    assert raw.recv_data() == (8, (1008).to_bytes(2, "big") + b"session ended")
    raw.shutdown()


def test_who_comes_back_after_logging_out_is_nobody(site, user):
    browser = logged_in(site[0], user)
    stolen = Browser(browser.cookie)
    browser.get(site[0], "/log-out/")
    for client in (browser, stolen):
        assert client.open(site[1]).ask("who") == [""]


@pytest.mark.parametrize("change", ["is_active=False", "password='other'"])
def test_who_comes_back_as_a_user_who_may_not_log_in_is_anonymous(site, user, change):
    here, there = site
    browser = logged_in(here, user)
    run(here, f"User.objects.filter(username='{user}').update({change})")
    socket = WebSocketClient(there.port, cookie=browser.headers["Cookie"])
    socket.send("40/members,")
    assert socket.receive() == '44/members,{"message":"log in"}'
    socket.connect()
    raw = raw_of(browser, there, "/raw-members/")
    assert raw.recv_data() == (8, (1008).to_bytes(2, "big") + b"log in")
    raw.shutdown()
    assert socket.ask("who") == [""]
    run(here, f"emit('for the user', user={named(user)})")
    run(here, f"emit('for the session', session='{browser.cookie}')")
    assert socket.sync() == []
    browser.get(here, f"/log-in/?user={user}-2")
    assert ends_soon(socket)


def test_logging_in_as_somebody_else_ends_the_sockets(site, user):
    here, there = site
    browser = logged_in(here, user)
    socket = browser.open(there)
    browser.get(here, f"/log-in/?user={user}-2")
    assert ends_soon(socket)
    assert browser.open(there).ask("who") == [f"{user}-2"]


def test_logging_in_ends_the_sockets_of_the_visitor_before(site, user):
    browser = Browser()
    browser.get(site[0], "/visit/")
    socket = browser.open(site[1])
    assert socket.ask("who") == [""]
    browser.get(site[0], f"/log-in/?user={user}")
    assert ends_soon(socket)


def test_logging_in_again_as_the_same_user_ends_nothing(site, user):
    browser = logged_in(site[0], user)
    socket = browser.open(site[1])
    browser.get(site[0], f"/log-in/?user={user}")
    assert socket.ask("who") == [user]


def test_a_flushed_session_ends_its_sockets(site, user):
    browser = logged_in(site[0], user)
    socket = browser.open(site[1])
    browser.get(site[0], "/flush/")
    assert ends_soon(socket)


@pytest.mark.parametrize("action", ["new-password", "deactivate", "deactivate-slowly", "delete"])
def test_a_user_who_may_not_go_on_is_ended(site, user, action):
    here, there = site
    sockets = [logged_in(server, user).open(server) for server in site]
    witness = logged_in(here, f"{user}-2").open(here)
    Browser().get(there, f"/{action}/?user={user}")
    assert all(ends_soon(socket) for socket in sockets)
    assert witness.ask("who") == [f"{user}-2"]


def test_a_process_without_sockets_tells_too(site, redis, database, user):
    socket = logged_in(site[0], user).open(site[1])
    code = f"""
from django.contrib.auth.models import User
user = User.objects.get(username="{user}")
user.is_active = False
user.save()
"""
    manage({**database, "TEST_RELAY_URL": redis.url}, "shell", "--no-imports", "-c", code)
    assert ends_soon(socket)


def test_who_changes_the_own_password_comes_back(site, user):
    browser = logged_in(site[0], user)
    socket = browser.open(site[0])
    browser.get(site[0], f"/new-password/?user={user}")
    assert ends_soon(socket)
    assert browser.open(site[0]).ask("who") == [user]


@pytest.mark.parametrize("action", ["rename", "deactivate-in-vain"])
def test_a_user_who_is_saved_goes_on(site, user, action):
    socket = logged_in(site[0], user).open(site[0])
    Browser().get(site[1], f"/{action}/?user={user}")
    assert socket.ask("who") == [user]
    assert socket.sync() == []


def test_logging_out_in_a_handler_ends_the_socket(site, user):
    browser = logged_in(site[0], user)
    socket, other = browser.open(site[0]), browser.open(site[1])
    socket.emit("log out")
    assert ends_soon(socket)
    assert ends_soon(other)
    assert browser.open(site[0]).ask("who") == [""]


@pytest.fixture
def overtaken(site, user):
    """Open a client while somebody visits a page."""

    def open_slowly(browser, path, **headers):
        opened = []
        headers = {**browser.headers, "X-Slow": user, **headers}
        thread = threading.Thread(
            target=lambda: opened.append(PollingClient(site[0].port, headers))
        )
        thread.start()
        site[0].wait_for(f"slow: {user}")
        Browser(browser.cookie).get(site[1], path)
        thread.join()
        return opened[0]

    return open_slowly


def test_a_handshake_that_a_logout_overtakes_does_not_outlive_it(site, user, overtaken):
    assert ends_soon(overtaken(logged_in(site[0], user), "/log-out/"))


@pytest.mark.parametrize("action", ["deactivate", "delete"])
def test_a_handshake_that_the_end_of_its_user_overtakes_ends(site, user, overtaken, action):
    browser = logged_in(site[0], user)
    assert ends_soon(overtaken(browser, f"/{action}/?user={user}", **{"X-Read": "user"}))


def test_a_handshake_that_never_knew_its_user_is_anonymous(site, user, overtaken):
    client = overtaken(logged_in(site[0], user), f"/deactivate/?user={user}")
    client.connect()
    run(site[1], f"emit('for the user', user={named(user)})")
    assert client.sync() == []
    assert client.ask("who") == [""]


def test_who_comes_back_after_a_check_is_anonymous(watchful, user):
    browser = logged_in(watchful, user)
    socket = browser.open(watchful)
    run(watchful, f"User.objects.filter(username='{user}').update(is_active=False)")
    assert ends_soon(socket)
    socket = browser.open(watchful)
    run(watchful, f"emit('for the user', user={named(user)})")
    assert socket.sync() == []
    assert socket.ask("who") == [""]


def test_redis_sees_no_keys_of_sessions_and_nothing_of_a_login_that_ends_none(site, redis, user):
    browser = logged_in(site[0], user)
    socket, key = browser.open(site[1]), browser.cookie
    with redis.client.monitor() as commands:
        browser.get(site[0], f"/log-in/?user={user}")  # which saves the user: last_login
        browser.get(site[0], "/log-out/")
        assert ends_soon(socket)
        seen = []
        while not seen or "session ended" not in seen[-1]:
            seen.append(commands.next_command()["command"])
    assert not any(key in command or "user changed" in command for command in seen)


FORGED = [(), (1,), (None,), ([],), ({},), ("x", "y"), ("no digest",), ("g" * 32,), ("é" * 32,)]


def test_forged_ends_of_logins_are_ignored(site, redis, user):
    browser = logged_in(site[0], user)
    socket = browser.open(site[1])
    for command in ("session ended", "user changed", "user logged out", "message"):
        for args in FORGED:
            envelope = wire.encode(Envelope((TOPIC,), "", command, args, kind=EnvelopeKind.CONTROL))
            assert redis.client.publish(f"socketio:{{{TOPIC}}}", b"- 0 " + envelope) == 2
    browser.get(site[0], "/log-out/")
    assert ends_soon(socket)
    site[1].wait_for("Ignored the end of a login")
    for server in site:
        assert "Traceback" not in server.output


# What only time tells


@pytest.mark.parametrize("action", ["deactivate-silently", "expire"])
def test_what_no_signal_tells_is_found(watchful, user, action):
    browser, other = logged_in(watchful, user), logged_in(watchful, f"{user}-2")
    socket, witness = browser.open(watchful), other.open(watchful)
    browser.get(watchful, f"/{action}/?user={user}")
    assert ends_soon(socket)
    watchful.wait_for(f"gone: {user}: session ended")
    assert witness.ask("who") == [f"{user}-2"]


def test_what_another_process_does_is_found_without_a_relay(watchful, site, user):
    browser = logged_in(watchful, user)
    socket = browser.open(watchful)
    browser.get(site[0], "/log-out/")  # whose relay the watchful one lacks
    assert ends_soon(socket)


COUNTING = """
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_socketio.security import sessions
def log_in(number):
    user, session = User.objects.create(username=f"counted-{number}"), SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session.save()
    return session.session_key, str(user.pk)
everybody = dict(map(log_in, range(100)))
with CaptureQueriesContext(connection) as queries:
    assert sessions.users_of(sessions.load(everybody)) == everybody
print(len(queries))
"""


def test_a_hundred_logins_are_looked_at_with_two_queries(database):
    assert manage(database, "shell", "--no-imports", "-c", COUNTING) == "2"


# Other places for sessions


@pytest.fixture(scope="module", params=["cache", "cached_db", "file"])
def elsewhere(request, start, tmp_path_factory):
    return start(TEST_SESSIONS=request.param, TEST_CHECK_INTERVAL="0.5")


def test_signals_tell_where_no_row_is_deleted(start, user):
    server = start(TEST_SESSIONS="cache")
    browser, second = logged_in(server, user), logged_in(server, user)
    sockets = [browser.open(server), second.open(server)]
    browser.get(server, "/log-out/")
    assert ends_soon(sockets[0])
    second.get(server, f"/log-in/?user={user}-2")
    assert ends_soon(sockets[1])


def test_sessions_anywhere_are_followed(elsewhere, user):
    browser, second = logged_in(elsewhere, user), logged_in(elsewhere, user)
    sockets = [browser.open(elsewhere), second.open(elsewhere)]
    assert [socket.ask("who") for socket in sockets] == [[user], [user]]
    browser.get(elsewhere, "/log-out/")
    assert ends_soon(sockets[0])
    second.get(elsewhere, "/flush/")
    assert ends_soon(sockets[1])


@pytest.fixture(scope="module")
def in_cookies(start):
    return start(TEST_SESSIONS="signed_cookies", TEST_CHECK_INTERVAL="0.5")


def test_sessions_in_cookies_are_followed_by_their_user(in_cookies, user):
    browser, second = logged_in(in_cookies, user), logged_in(in_cookies, user)
    stranger = logged_in(in_cookies, f"{user}-2").open(in_cookies)
    sockets = [browser.open(in_cookies), second.open(in_cookies)]
    browser.get(in_cookies, "/visit/")
    browser.get(in_cookies, "/log-out/")
    assert all(ends_soon(socket) for socket in sockets)
    assert second.open(in_cookies).ask("who") == [user]
    assert stranger.ask("who") == [f"{user}-2"]


def test_a_password_ends_sessions_in_cookies(in_cookies, user):
    socket = logged_in(in_cookies, user).open(in_cookies)
    Browser().get(in_cookies, f"/new-password/?user={user}")
    assert ends_soon(socket)
