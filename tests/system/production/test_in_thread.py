"""``in_thread`` where everything is patched: under gunicorn and ``runserver_socketio``."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.kit.clients import join
from tests.kit.http import close_all, get
from tests.kit.programs import PATCHED, Runserver
from tests.kit.servers import Gunicorn
from tests.system.production.events import digest

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.system.production.settings", "TEST_LOG_ALL": "1"}

SERVERS = {
    "gunicorn": lambda: Gunicorn("--graceful-timeout", "3", **SETTINGS),
    "runserver_socketio": lambda: Runserver("0", "--noreload", python=PATCHED, **SETTINGS),
}


@pytest.fixture(params=SERVERS)
def site(request):
    """A process that logs everything to one stream."""
    server = SERVERS[request.param]()
    yield server
    close_all()
    server.end()


def test_functions_beside_handlers_that_log_and_a_view(site):
    texts = [f"text {number}" for number in range(20)]

    def ask(event, client):
        return [client.ask(event, text)[0] for text in texts]

    with ThreadPoolExecutor(30) as pool:
        computing = [pool.submit(ask, "digest", join(site)) for _ in range(20)]
        logging = [pool.submit(ask, "log", join(site)) for _ in range(10)]
        digests = [digest(text) for text in texts]
        assert get(site.port, "/digest/") == (200, digest("of a view"))
        assert [one.result() for one in computing] == [digests] * 20
        assert [one.result() for one in logging] == [texts] * 10
    site.signal(signal.SIGTERM)
    assert site.wait(10) == 0
    assert site.output.count("found: ") == 400
    assert "Traceback" not in site.output


def test_the_server_stops_in_time_although_a_function_does_not(site):
    hanging, other = join(site), join(site)
    hanging.emit("block in thread")
    site.wait_for("hanging")
    assert len(other.ask("digest", "meanwhile")) == 1
    site.signal(signal.SIGTERM)
    assert site.wait(10) == 0
    assert "gone: " in site.output


def test_what_a_function_must_not_do_is_told(site):
    client = join(site)
    assert client.ask("log in thread", "text") == [{"error": "Internal error"}]
    site.wait_for("ThreadError: logging was used by logging.Logger.info, which runs in a native")
    for _ in range(3):
        client.ask("nap in thread")
    site.wait_for(r"gevent\.hub\.sleep waited with gevent in a native thread")
    client.sync()
    assert site.output.count("waited with gevent in a native thread") == 1
