"""Sites of one and of two server processes, with people who log in over HTTP."""

import http.client
import os
import re
import time
from urllib.parse import quote

import pytest

from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.http import close_all
from tests.kit.programs import PATCHED, Runserver, migrate
from tests.kit.redis_server import RedisServer

SOON = 15.0
"""Seconds within which a socket ends after Django's signal; without it, after a minute."""


class Browser:
    """Keeps its session cookie, and may visit any server of the site."""

    def __init__(self, cookie=""):
        self.cookie = cookie

    def get(self, server, path):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", path, headers=self.headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        assert answer.status == 200, (answer.status, body)
        for name, value in answer.getheaders():
            if name == "Set-Cookie" and value.startswith("sessionid="):
                self.cookie = re.match(r"sessionid=\"?([^;\"]*)", value)[1]
        return body

    @property
    def headers(self):
        return {"Cookie": f"sessionid={self.cookie}"} if self.cookie else {}

    def open(self, server, transport="websocket"):
        """Open a socket."""
        if transport == "websocket":
            client = WebSocketClient(server.port, cookie=self.headers.get("Cookie"))
        else:
            client = PollingClient(server.port, self.headers)
            if transport == "upgraded":
                client = client.upgrade()
        client.connect()
        return client


def logged_in(server, user):
    browser = Browser()
    browser.get(server, f"/log-in/?user={user}")
    return browser


def run(server, code, browser=None):
    """Have a server evaluate an expression; return its value as a text."""
    return (browser or Browser()).get(server, f"/run/?code={quote(code)}")


def named(name):
    """Return the expression of a user, for ``run``."""
    return f"User.objects.get(username='{name}')"


def ends_soon(client):
    """Whether the server ends a connection soon."""
    begun = time.monotonic()
    return client.is_closed() and time.monotonic() - begun < SOON


@pytest.fixture(scope="package")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("trust") / "db.sqlite3"
    environ = {"DJANGO_SETTINGS_MODULE": "tests.security.settings", "TEST_DATABASE": str(path)}
    migrate(environ)
    return environ


@pytest.fixture(scope="package")
def start(database):
    runs = []

    def start(**environ):
        runs.append(Runserver("0", "--noreload", python=PATCHED, **database, **environ))
        return runs[-1]

    yield start
    for one in runs:
        one.end()


@pytest.fixture(scope="package")
def watchful(start):
    """A process that looks at its logins again within half a second."""
    return start(TEST_CHECK_INTERVAL="0.5")


@pytest.fixture(scope="package")
def redis(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="package")
def site(start, redis):
    """Two processes with sessions in the database, and Redis between them."""
    servers = [start(TEST_RELAY_URL=redis.url) for _ in range(2)]
    assert all(server.port for server in servers)
    return servers


@pytest.fixture(autouse=True)
def _closing():
    yield
    close_all()


@pytest.fixture
def user(request):
    """A name that no other test has."""
    return f"u{os.getpid()}-{abs(hash(request.node.nodeid))}"
