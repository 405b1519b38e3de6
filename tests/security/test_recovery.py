"""The secret of a socket is good for the same user and the same Django session only."""

import json
from contextlib import suppress

import pytest

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
