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
LEAN = ["--disable-site-isolation-trials", "--renderer-process-limit=1", "--in-process-gpu"]
"""Fewer processes, which spares a tenth of the processor time; people's browsers have all."""

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

        def start(program, arguments=()):
            if not program.exists():
                pytest.fail(f"{program} is missing: run make test, which installs it")
            return playwright.chromium.launch(
                executable_path=program,
                args=[*ARGUMENTS, *arguments],
                ignore_default_args=["--disable-back-forward-cache"],  # people have it
            )

        yield start


@pytest.fixture(scope="package")
def chromium(launch):
    """The browser of all tests but those that are marked ``whole_chromium``."""
    with closing(launch(SHELL, LEAN)) as browser:
        yield browser


@pytest.fixture
def whole_chromium(launch):
    """A browser with a user interface, and a cache of the pages before."""
    with closing(launch(CHROMIUM)) as browser:
        yield browser


@pytest.fixture
def browser(request):
    """The browser of a test's windows."""
    return request.getfixturevalue("whole_chromium" if _is_whole(request) else "chromium")


def _is_whole(request):
    return request.node.get_closest_marker("whole_chromium") is not None


@pytest.fixture
def page_errors():
    """Exceptions that nobody caught in the pages; a test that wants some takes them out."""
    errors = []
    yield errors
    assert errors == []


@pytest.fixture(scope="package")
def kept_pages(chromium):
    """Pages in windows that tests use one after the other: a new window takes half a second."""
    pages = []
    yield pages
    for page in pages:
        page.context.close()


def new_page(browser):
    """Return a page in a window that has never been anywhere."""
    # An animation would draw sixty frames a second while a test waits.
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(TIMEOUT * 1000)
    context.add_init_script(path=HERE / "helpers.js")
    return context.new_page()


def leave(page):
    """Leave nothing of a test: tabs, storage, cookies, and what the page does."""
    for tab in page.context.pages:
        if tab is not page:
            tab.close()
    if page.url != "about:blank":
        page.evaluate("sessionStorage.clear(); localStorage.clear()")
        page.goto("about:blank")
    page.context.clear_cookies()


@pytest.fixture
def window(request, browser, page_errors):
    """Open a page in a window that knows nothing: ``window(url) -> Page``.

    The windows are kept for other tests, unless the test is marked ``own_window``.
    """
    is_own = request.node.get_closest_marker("own_window") or _is_whole(request)
    kept = [] if is_own else request.getfixturevalue("kept_pages")
    used = []

    def note(error):
        page_errors.append(str(error.error))

    def open_window(url):
        page = kept.pop() if kept else new_page(browser)
        page.context.on("weberror", note)
        used.append(page)
        page.goto(url)
        return page

    yield open_window
    for page in used:
        if is_own or page.is_closed():
            page.context.close()
        else:
            leave(page)
            page.context.remove_listener("weberror", note)
            kept.append(page)


@pytest.fixture
def visit(window):
    """Open a page of a server: ``visit(server, path="/") -> Page``."""
    return lambda server, path="/": window(f"http://127.0.0.1:{server.port}{path}")


@pytest.fixture(autouse=True)
def _site():
    """Serve the site of this folder, its door open."""
    middleware = ["tests.clients.browser.site.Door", *settings.MIDDLEWARE]
    with override_settings(ROOT_URLCONF="tests.clients.browser.site", MIDDLEWARE=middleware):
        yield
        Door.keeper = None


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
