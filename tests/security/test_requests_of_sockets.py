"""What handlers see of users and sessions, and what becomes of what they change."""

import pytest

from tests.kit.clients import PollingClient
from tests.kit.waiting import wait_until
from tests.security.conftest import Browser, ends_soon, logged_in, named, run
from tests.security.middleware import WRAPS


@pytest.fixture
def server(site):
    return site[0]


def test_permissions_are_those_of_now(server, transport, user):
    socket = logged_in(server, user).open(server, transport)
    assert socket.ask("may") == [False]
    assert socket.ask("refused") == [{"error": "you may not"}]
    Browser().get(server, f"/permit/?user={user}")
    assert socket.ask("refused") == ["welcome"]
    assert socket.ask("may") == [True]


def test_an_asynchronous_handler_gets_the_user_of_now(server, user):
    socket = logged_in(server, user).open(server)
    assert socket.ask("async who") == [user]
    run(server, f"User.objects.filter(username='{user}').update(username='{user}-new')")
    assert socket.ask("async who") == [f"{user}-new"]


def test_who_does_not_ask_for_the_user_pays_no_query(server, user):
    socket = logged_in(server, user).open(server)
    assert socket.ask("message", "m") == [False]
    assert socket.ask("who") == [user]
    assert socket.ask("message", "m") == [False]


@pytest.mark.parametrize("event", ["note", "async note"])
def test_what_a_handler_puts_into_the_session_is_saved(server, transport, user, event):
    browser = logged_in(server, user)
    socket = browser.open(server, transport)
    assert socket.ask(event, "remember") == [None]
    assert browser.get(server, "/noted/") == "remember"
    assert socket.ask("noted") == ["remember"]


def test_what_a_view_puts_into_the_session_is_seen_by_the_next_handler(site, user):
    browser = logged_in(site[0], user)
    sockets = [browser.open(server) for server in site]
    sockets[0].ask("note", "one")
    assert sockets[1].ask("noted") == ["one"]
    sockets[1].ask("note", "two")
    assert sockets[0].ask("noted") == ["two"]


def test_what_a_handler_that_fails_puts_into_the_session_is_not_saved(server, user):
    browser = logged_in(server, user)
    socket = browser.open(server)
    assert socket.ask("note and fail", "lost") == [{"error": "Internal error"}]
    assert socket.ask("noted") == [None]
    assert browser.get(server, "/noted/") == ""


def execute(server, sql):
    run(server, f"__import__('django').db.connection.cursor().execute({sql!r})")


def test_a_database_that_takes_no_changes_ends_no_login(server, user):
    browser = logged_in(server, user)
    socket = browser.open(server)
    execute(server, "CREATE TRIGGER t BEFORE UPDATE ON django_session BEGIN SELECT fail(); END")
    try:
        assert socket.ask("note", "lost") == [{"error": "Internal error"}]
    finally:
        execute(server, "DROP TRIGGER t")
    assert socket.ask("noted") == [None]
    assert socket.ask("note", "kept") == [None]
    assert browser.get(server, "/noted/") == "kept"


@pytest.mark.parametrize("is_logged_in", [True, False])
def test_a_handler_that_changes_a_session_that_is_gone_begins_no_other_one(
    server, user, is_logged_in
):
    browser = logged_in(server, user) if is_logged_in else Browser()
    browser.get(server, "/visit/")
    socket = browser.open(server)
    execute(server, f"DELETE FROM django_session WHERE session_key = '{browser.cookie}'")
    count = "__import__('django').apps.apps.get_model('sessions.session').objects.count()"
    before = run(server, count)
    socket.emit("note", "lost")
    assert ends_soon(socket)
    assert run(server, count) == before


def test_a_session_that_a_handler_begins_lasts_as_long_as_the_socket_and_is_warned_of(server):
    socket = Browser().open(server)
    socket.ask("note", "mine")
    assert socket.ask("noted") == ["mine"]
    server.wait_for("Log in, log out and begin sessions in views")


def test_an_anonymous_socket_asks_no_query(server):
    socket = Browser().open(server)
    assert socket.ask("who") == [""]
    assert socket.ask("message", "m") == [False]


def test_what_came_before_the_end_and_was_not_handled_is_dropped(server, user):
    browser = logged_in(server, user)
    socket = browser.open(server)
    socket.emit("shout", f"{user} before")
    socket.emit("log out")
    for _ in range(20):
        socket.emit("shout", f"{user} after")
    assert ends_soon(socket)
    server.wait_for(f"gone: {user}: session ended")
    assert f"{user} before\n" in server.output
    assert f"{user} after\n" not in server.output


LEAVING = {
    "disconnects": lambda client: client.send("41"),
    "closes": lambda client: client.close(),
    "breaks off": lambda client: client.abandon(),
}

ENDS = ["/log-out/", "/flush/", "/new-password/?user={}", "/deactivate/?user={}"]


@pytest.mark.parametrize("leave", LEAVING)
@pytest.mark.parametrize("end", ENDS)
def test_what_waits_when_its_client_leaves_is_dropped_once_the_login_ends(site, user, leave, end):
    server, other = site
    browser = logged_in(server, user)
    socket, witness = browser.open(server), browser.open(server)
    socket.emit("ask the page", f"{user} answered")
    assert socket.receive() == '420["question"]'
    socket.emit("wait", user)
    server.wait_for(f"waiting: {user}\n")
    socket.send("430[]")
    for _ in range(3):
        socket.emit("shout", f"{user} acts")
    LEAVING[leave](socket)
    visitor = Browser() if "user" in end else browser
    visitor.get(other, end.format(user))
    assert witness.is_closed()
    Browser().get(server, f"/open-gate/?user={user}")
    server.wait_for(f"gone: {user}: ", 2)
    assert f"{user} acts\n" not in server.output
    assert f"{user} answered\n" not in server.output


@pytest.mark.parametrize("leave", LEAVING)
def test_what_waits_when_its_client_leaves_is_handled_while_the_login_lasts(server, user, leave):
    socket = logged_in(server, user).open(server)
    socket.emit("wait", user)
    server.wait_for(f"waiting: {user}\n")
    socket.emit("shout", f"{user} acts")
    LEAVING[leave](socket)
    Browser().get(server, f"/open-gate/?user={user}")
    server.wait_for(f"gone: {user}: ")
    assert f"{user} acts\n" in server.output


@pytest.mark.parametrize("header", ["X-Token", "X-Lazy-Token", "X-Lazier-Token"])
def test_users_of_a_middleware_of_the_sites_own_are_read_again(server, user, header):
    logged_in(server, user)
    socket = PollingClient(server.port, {header: user})
    socket.connect()
    assert socket.ask("who") == [user]
    assert socket.ask("may") == [False]
    Browser().get(server, f"/permit/?user={user}")
    assert socket.ask("may") == [True]
    Browser().get(server, f"/delete/?user={user}")
    assert socket.ask("who") == [""]


@pytest.mark.parametrize("way", WRAPS)
def test_a_user_whom_a_middleware_takes_from_djangos_is_read_again(server, user, way):
    browser = logged_in(server, user)
    socket = PollingClient(server.port, {**browser.headers, "X-Device": way})
    socket.connect()
    Browser().get(server, f"/permit/?user={user}")
    assert socket.ask("refused") == ["welcome"]
    run(server, f"{named(user)}.user_permissions.clear()")
    assert socket.ask("refused") == [{"error": "you may not"}]
    run(server, f"User.objects.filter(username='{user}').update(is_active=False)")
    socket.emit("who")
    assert ends_soon(socket)


def test_what_the_last_handler_puts_into_the_session_is_saved(server, user):
    browser = logged_in(server, user)
    socket = browser.open(server)
    socket.ask("last words", "goodbye")
    socket.close()
    server.wait_for(f"gone: {user}: transport close")
    wait_until(lambda: browser.get(server, "/noted/") == "goodbye")
