"""Tokens of channels on a site of two processes: one serves the page, the other one the socket."""

import pytest

from tests.security.conftest import Browser, logged_in, run

SIGN = "sign_channel('room-1', request)"


def ask(client, token):
    """Subscribe by a token, and return the server's answer: True, or an error."""
    return client.ask("subscribe", token)[0]


@pytest.fixture
def pages(site):
    return site[0]


@pytest.fixture
def sockets(site):
    return site[1]


def test_the_page_of_another_process(pages, sockets, user):
    browser = logged_in(pages, user)
    client = browser.open(sockets)
    assert ask(client, run(pages, SIGN, browser)) is True
    run(pages, "emit('saved', 1, channel='room-1')")
    assert client.receive() == '42["saved",1]'


def test_a_visitor_gets_a_session_with_the_page(pages, sockets):
    browser = Browser()
    token = run(pages, SIGN, browser)
    assert browser.cookie
    assert ask(browser.open(sockets), token) is True
    assert "for another session" in ask(Browser().open(sockets), token)["error"]


def test_a_token_ends_with_a_logout(pages, sockets, user):
    browser = logged_in(pages, user)
    token = run(pages, SIGN, browser)
    client = browser.open(sockets)
    assert ask(client, token) is True
    browser.get(pages, "/log-out/")
    assert client.is_closed()
    for again in (browser, logged_in(pages, user)):
        assert "for another" in ask(again.open(sockets), token)["error"]
