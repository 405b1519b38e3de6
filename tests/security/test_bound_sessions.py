"""A polling session belongs to the browser that began it: the sid alone is not enough."""

import http.client
import re

import pytest

from tests.kit.clients import PollingClient
from tests.kit.http import UPGRADE
from tests.kit.servers import Gunicorn
from tests.security.conftest import Browser, logged_in, run


def ask(client, method, headers, path=None):
    """Send one request of a session as somebody else; return its status."""
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)
    body = b'42["note","stolen"]' if method == "POST" else None
    connection.request(method, path or client.path, body, headers)
    status = connection.getresponse().status
    connection.close()
    return status


def refusals(client, headers):
    websocket = client.path.replace("polling", "websocket")
    return [
        ask(client, "POST", headers),
        ask(client, "GET", headers),
        ask(client, "GET", {**headers, **UPGRADE}, websocket),
    ]


@pytest.fixture
def others(site, user):
    """What somebody may send who has got hold of a sid."""
    return [{}, logged_in(site[0], f"{user}-2").headers, {"Cookie": "sessionid=made-up"}]


def test_requests_with_another_cookie_are_refused_and_change_nothing(site, user, others):
    browser = logged_in(site[0], user)
    client = PollingClient(site[0].port, browser.headers)
    client.connect()
    for headers in others:
        assert refusals(client, headers) == [403, 403, 403]
    assert client.ask("noted") == [None]
    assert client.upgrade().ask("who") == [user]
    site[0].wait_for(f"<Session {client.sid[:4]}… polling>: a request refused: its cookie")
    assert client.sid not in site[0].output


def test_a_session_without_a_cookie_takes_none(site, user):
    client = PollingClient(site[0].port)
    client.connect()
    assert refusals(client, logged_in(site[0], user).headers) == [403, 403, 403]
    assert client.ask("who") == [""]


def test_a_handshake_that_deletes_a_dead_cookie_is_followed_by_requests_without_it(site, user):
    browser = logged_in(site[0], user)
    dead = Browser(browser.cookie).headers
    browser.get(site[0], "/log-out/")
    client = PollingClient(site[1].port, dead)
    client.headers = {}
    client.connect()
    assert client.ask("who") == [""]
    client.headers = dead  # a client that keeps no cookies sends its own again
    assert client.ask("who") == [""]
    assert refusals(client, logged_in(site[0], user).headers) == [403, 403, 403]
    client.headers = {}
    assert client.upgrade().ask("who") == [""]


def test_other_cookies_may_come_and_go(site, user):
    browser = logged_in(site[0], user)
    client = PollingClient(site[0].port, browser.headers)
    client.connect()
    client.headers = {"Cookie": f"theme=dark; sessionid={browser.cookie}; csrftoken=x"}
    assert client.ask("who") == [user]


def test_a_login_during_a_polling_session_ends_it(site, user):
    browser = Browser()
    browser.get(site[0], "/visit/")
    client = PollingClient(site[0].port, browser.headers)
    client.connect()
    browser.get(site[0], f"/log-in/?user={user}")
    assert client.is_closed()
    assert browser.open(site[0], "polling").ask("who") == [user]


@pytest.fixture(scope="module")
def in_cookies(start):
    return start(TEST_SESSIONS="signed_cookies")


@pytest.mark.parametrize("may_log_in", [True, False])
def test_a_session_in_a_cookie_may_change_but_not_its_user(in_cookies, user, may_log_in):
    server = in_cookies
    browser, other = logged_in(server, user), logged_in(server, f"{user}-2")
    run(server, f"User.objects.filter(username='{user}').update(is_active={may_log_in})")
    client = PollingClient(server.port, browser.headers)
    client.send("40/members,")  # whose handler reads the user
    assert client.receive()[:2] == ("40" if may_log_in else "44")
    client.connect()
    name = user if may_log_in else ""
    assert client.ask("who") == [name]
    before = browser.cookie
    browser.get(server, "/visit/")
    assert browser.cookie != before
    client.headers = browser.headers
    assert client.ask("who") == [name]
    for headers in ({}, other.headers, {"Cookie": "sessionid=made-up"}):
        assert refusals(client, headers) == [403, 403, 403]


def test_a_connection_that_was_handed_off_is_judged_by_the_worker_that_holds_the_session(
    database, user
):
    gunicorn = Gunicorn(workers=2, **database, TEST_SESSIONS="db")
    try:
        browser = logged_in(gunicorn, user)
        client = PollingClient(gunicorn.port, browser.headers)
        client.connect()
        for _ in range(10):  # whichever worker accepts them
            assert refusals(client, logged_in(gunicorn, f"{user}-2").headers) == [403, 403, 403]
            assert client.ask("who") == [user]
        sids = re.findall(r"sid=([^&\s]*)", gunicorn.output)
        assert sids
        assert all(len(sid) <= 5 for sid in sids)
    finally:
        gunicorn.end()
