"""The relay's connection as a dictionary, by redis-py's names."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

import django_socketio
from django_socketio import conf
from django_socketio.relay.redis.connection import url_of
from django_socketio.relay.redis.url import RelayURL
from tests.kit.clients import WebSocketClient

LOGIN = {"username": "me", "password": "p@ss/?#:w&=%d"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, RelayURL("redis", (("localhost", 6379),))),
        (
            {"host": "one", "port": 7000, "db": 3, "password": None},
            RelayURL("redis", (("one", 7000),), database=3),
        ),
        ({"host": "::1", "port": "7000", **LOGIN}, RelayURL("redis", (("::1", 7000),))),
        ({"host": None, "port": None}, RelayURL("redis", (("localhost", 6379),))),
        ({"host": "[::1]"}, RelayURL("redis", (("::1", 6379),))),
        ({"host": "one", "ssl": True, "db": 0}, RelayURL("rediss", (("one", 6379),))),
        (
            {"unix_socket_path": "/run/r s.sock", "db": 5},
            RelayURL("unix", path="/run/r s.sock", database=5),
        ),
    ],
)
def test_a_dictionary_is_a_url_in_another_form(given, expected):
    parsed = RelayURL.parse(url_of(given))
    options = LOGIN if "username" in given else {}
    assert (parsed, parsed.options) == (RelayURL(*_fields(expected, options)), options)


def _fields(url, options):
    return url.scheme, url.hosts, url.path, url.master, url.database, options


def test_options_have_their_names():
    given = {"host": "one", "ssl": True, "ssl_check_hostname": False, "max_connections": 7}
    assert RelayURL.parse(url_of(given)).options == {
        "ssl_check_hostname": False,
        "max_connections": 7,
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"hots": "one"}, "redis:// cannot have the option 'hots'; it may have db, username"),
        ({"socket_timeout": 3}, "'socket_timeout': SOCKETIO_RELAY_TIMEOUT says"),
        ({"db": "x"}, "its option 'db' must be the number of a database, not 'x'"),
        ({"port": 0.5}, "its 'port' must be a number from 1 to 65535, not 0.5"),
        ({"port": 99_999}, "its 'port' must be a number from 1 to 65535, not 99999"),
        ({"port": 0}, "its 'port' must be a number from 1 to 65535, not 0"),
        ({"port": ""}, "its 'port' must be a number from 1 to 65535, not ''"),
        ({"host": ""}, "its 'host' must be a name or an address, not ''"),
        (
            {"host": "one:7000"},
            "must be a name or an address, not 'one:7000'; 'port' is its own key",
        ),
        ({"host": "redis://one"}, "must be a name or an address, not 'redis://one'"),
        ({"host": ["one", "two"]}, "Sentinels and clusters are named by a URL"),
        ({"ssl": 1}, "its 'ssl' must be True or False, not 1"),
        ({"unix_socket_path": "/r", "port": 1}, "'port' does not fit beside 'unix_socket_path'"),
        ({7: 7}, "its keys must be texts such as 'host', not 7"),
        (
            {"password": b"secret"},
            "must be a text, a number, True or False, not a bytes",
        ),
    ],
)
def test_a_dictionary_that_cannot_be_used_is_told(given, told):
    given = {"password": "secret", **given}
    with override_settings(SOCKETIO_RELAY_URL=given), pytest.raises(ImproperlyConfigured) as caught:
        conf.get("RELAY_URL")
    assert str(caught.value).startswith("SOCKETIO_RELAY_URL cannot be used: ")
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_server_connects_by_a_dictionary(redis, serve):
    path = redis.url.removeprefix("unix://")
    server = serve(RELAY_URL={"unix_socket_path": path, "db": 3})
    client = WebSocketClient(server.port)
    client.connect()
    client.subscribe("a")
    assert redis.client.pubsub_channels()
    server.call(lambda: django_socketio.emit("hello", channel="a"))
    assert client.event() == ["hello"]
