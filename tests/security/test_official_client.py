"""What the official client makes of a session that ends: it comes back, as whoever it is now."""

import pytest

from tests.kit.python_socketio import COMES_BACK, PythonClient
from tests.security.conftest import logged_in

AGAIN = {"reconnection": True, "reconnectionDelay": 10, "reconnectionDelayMax": 20}


@pytest.mark.parametrize("action", ["/log-out/", "/log-in/?user=somebody-else"])
def test_the_client_comes_back_as_who_it_is_now(site, user, transport, node, action):
    browser = logged_in(site[0], user)
    client = node.connect(site[1], transport, extraHeaders=browser.headers, **AGAIN)
    assert client.ask("who") == [user]
    browser.get(site[0], action)
    ended = client.next("disconnect")
    # A poll that comes after the end finds no session any more: "transport error".
    assert ended["reason"].startswith("transport")
    assert ended["comesBack"]
    client.wait_connected()
    assert client.ask("who") == [""]  # its cookie is still the old one


@pytest.mark.parametrize("action", ["/log-out/", "/log-in/?user=somebody-else"])
def test_the_python_client_comes_back_as_who_it_is_now(site, user, transport, action):
    browser = logged_in(site[0], user)
    python = PythonClient(transport, **COMES_BACK)
    try:
        python.http.cookies.set("sessionid", browser.cookie)
        python.connect(site[1])
        python.wait_until_connected()
        assert python.ask("who") == user
        browser.get(site[0], action)
        assert python.ended.next() == python.client.reason.TRANSPORT_ERROR
        python.wait_until_connected()
        assert python.ask("who") == ""  # its cookie is still the old one
    finally:
        python.close()
