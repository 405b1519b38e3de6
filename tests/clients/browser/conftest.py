"""Fixtures: Chromium, and pages in it that come from a server of ours."""

import os
import socket
import stat
import threading
from contextlib import closing, suppress
from pathlib import Path
from unittest import mock

import pytest
from django.conf import settings
from django.test.utils import override_settings

from django_socketio.server.dev import DevelopmentServer
from tests.clients.browser.site import Door
from tests.kit.live import LiveServer

HERE = Path(__file__).parent
SHELL = Path("/usr/bin/chromium-headless-shell")
"""Chromium without a user interface, which needs a quarter of the processor time for a page."""

CHROMIUM = Path("/usr/bin/chromium")
"""Chromium as people have it, for tests of what the other lacks."""

ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT = 15  # seconds


# Not of the session: while Playwright runs, its event loop counts as running in the main thread,
# and Django refuses to use a database there. The other folders' tests must not meet it.
@pytest.fixture(scope="package")
def launch():
    """Start a browser, driven by Playwright: ``launch(program) -> Browser``."""
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        pytest.fail("Playwright is missing: run make test, which installs it")
    expect.set_options(timeout=TIMEOUT * 1000)
    with sync_playwright() as playwright:

        def start(program):
            if not program.exists():
                pytest.fail(f"{program} is missing: run make test, which installs it")
            return playwright.chromium.launch(
                executable_path=program,
                args=ARGUMENTS,
                ignore_default_args=["--disable-back-forward-cache"],  # people have it
            )

        yield start


@pytest.fixture(scope="package")
def chromium(launch):
    """The browser of all tests but those that are marked ``whole_chromium``."""
    with closing(launch(SHELL)) as browser:
        yield browser


@pytest.fixture
def whole_chromium(launch):
    """A browser with a user interface, and a cache of the pages before."""
    with closing(launch(CHROMIUM)) as browser:
        yield browser


@pytest.fixture
def browser(request):
    """The browser of a test's own windows."""
    whole = request.node.get_closest_marker("whole_chromium")
    return request.getfixturevalue("whole_chromium" if whole else "chromium")


@pytest.fixture
def page_errors():
    """Exceptions that nobody caught in the pages; a test that wants some takes them out."""
    errors = []
    yield errors
    assert errors == []


@pytest.fixture
def window(browser, page_errors):
    """Open a window of a browser that has never been here: ``window(url) -> Page``."""
    contexts = []

    def open_window(url):
        context = browser.new_context()
        contexts.append(context)
        context.set_default_timeout(TIMEOUT * 1000)
        context.on("weberror", lambda error: page_errors.append(str(error.error)))
        context.add_init_script(path=HERE / "helpers.js")
        page = context.new_page()
        page.goto(url)
        return page

    yield open_window
    for context in contexts:
        context.close()


@pytest.fixture(autouse=True)
def _site():
    """Serve the site of this folder, its door open."""
    middleware = ["tests.clients.browser.site.Door", *settings.MIDDLEWARE]
    with override_settings(ROOT_URLCONF="tests.clients.browser.site", MIDDLEWARE=middleware):
        yield
        Door.keeper = None


class KeptPage:
    """A page that many tests use, one after the other: a new window takes half a second."""

    def __init__(self, browser):
        self.errors = []
        context = browser.new_context()
        context.set_default_timeout(TIMEOUT * 1000)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.add_init_script(path=HERE / "helpers.js")
        self.page = context.new_page()

    def go(self, url):
        self.page.goto(url)
        return self.page

    def leave(self):
        """Leave nothing of a test: storage, cookies, and what the page does."""
        self.page.evaluate("sessionStorage.clear(); localStorage.clear()")
        self.page.goto("about:blank")
        self.page.context.clear_cookies()


@pytest.fixture(scope="package")
def kept_page(chromium):
    kept = KeptPage(chromium)
    yield kept
    kept.page.context.close()


@pytest.fixture
def visit(request, window, kept_page, page_errors):
    """Open a page of a server: ``visit(server, path="/") -> Page``.

    The first page of a test is the kept one, unless the test is marked ``own_window``.
    """
    free = [] if request.node.get_closest_marker("own_window") else [kept_page]
    kept_page.errors = page_errors

    def open_page(server, path="/"):
        url = f"http://127.0.0.1:{server.port}{path}"
        return free.pop().go(url) if free else window(url)

    yield open_page
    if kept_page.page.url != "about:blank":
        kept_page.leave()


@pytest.fixture
def page(visit, server):
    """A page with our client, from a server with the default settings."""
    return visit(server)


@pytest.fixture(params=["websocket", "polling"])
def transport(request):
    """The name of a transport: tests that take it run over each."""
    return request.param


@pytest.fixture
def log():
    """What handlers note."""
    return Log()


@pytest.fixture
def restart(serve):  # whose settings hold until the last server has stopped
    """Start a server again on the port of one that was stopped: ``restart(server)``."""
    servers = []

    def start(server):
        servers.append(start_at(server.port))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def stop(server):
    """End a server, and its connections as the end of its process would."""
    server.stop()
    for fd in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                _shut_down(fd, server.port)


def _shut_down(fd, port):
    with socket.socket(fileno=os.dup(fd)) as connection:
        if connection.getsockname()[1:2] == (port,):
            connection.shutdown(socket.SHUT_RDWR)


def start_at(port):
    """Start a server on a port."""

    def make(django, host, _):
        return DevelopmentServer(django, host, port)

    with mock.patch("django_socketio.server.dev.DevelopmentServer", make):
        return LiveServer()


class Log:
    """What handlers saw, in its order; the test waits for it."""

    def __init__(self):
        self._entries = []
        self._changed = threading.Condition()

    def __call__(self, *entry):
        with self._changed:
            self._entries.append(entry[0] if len(entry) == 1 else entry)
            self._changed.notify_all()

    @property
    def entries(self):
        return list(self._entries)

    def clear(self):
        self._entries.clear()

    def until(self, expected):
        """Wait until the entries are these."""
        with self._changed:
            self._changed.wait_for(lambda: self._entries == expected, TIMEOUT)
        assert self._entries == expected
