"""A server process of which everything that sockets leave behind is counted."""

import time

import pytest

from tests.kit.http import close_all, get
from tests.kit.servers import Gunicorn

TIMEOUT = 30


class Site(Gunicorn):
    """One worker, or several."""

    def __init__(self, workers=1, **options):
        environ = {name: str(value) for name, value in options.items()}
        environ["DJANGO_SETTINGS_MODULE"] = "tests.system.faults.settings"
        super().__init__("--access-logfile", "/dev/null", workers=workers, **environ)

    def get(self, path):
        return get(self.port, path)[1]

    def left(self, at_first, how=""):
        """Return what there is more of than at first: name, then, now."""
        now = self.get(f"/census/{how}")
        return [(name, at_first[name], now[name]) for name in now if now[name] > at_first[name]]

    def wait_until_nothing_is_left(self, at_first):
        """Wait until the process holds what it held before; each socket has ended once."""
        deadline = time.monotonic() + TIMEOUT
        # A full census costs the server a twentieth of a second.
        while left := self.left(at_first, "?quick") or self.left(at_first):
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
        assert self.get("/ends/")["wrong"] == []


def warm_up(site):
    """Have all that a process makes only once be made; return what it holds then."""
    from tests.kit.clients import PollingClient, WebSocketClient

    for kind in (WebSocketClient, PollingClient):
        client = kind(site.port)
        client.connect()
        client.subscribe("warm")
        client.close()
    now, same = None, 0
    while same < 8:
        before, now = now, site.get("/census/")
        same = same + 1 if now == before and not now["open_sockets"] else 0
        time.sleep(0.1)
    return now


@pytest.fixture(scope="package")
def lasting():
    """A server, and what it holds while nobody is there."""
    site = Site()
    yield site, warm_up(site)
    close_all()
    site.end()


@pytest.fixture
def start():
    """Start servers with settings of their own."""
    started = []

    def one(**options):
        started.append(Site(**options))
        return started[-1]

    yield one
    close_all()
    for one in started:
        one.end()
