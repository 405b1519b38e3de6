"""What is slow at other paths, or in the site's middleware, does not stop handshakes for good."""

import logging
import threading

import pytest
from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.db import InterfaceError
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path, re_path
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from django_socketio import urls
from django_socketio.server import endpoints, handshake_limit
from django_socketio.server import view as views
from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.http import HANDSHAKE, get, raw_request, response
from tests.kit.waiting import wait_until

entered = []
go_on = threading.Event()


def reading(get_response):
    """Read the body of each request, as middlewares do that look for a token in it."""

    def middleware(request):
        entered.append(request.path)
        request.body  # noqa: B018
        return get_response(request)

    return middleware


def waiting(get_response):
    """Wait, as for a database that does not answer, where the request says so."""

    def middleware(request):
        entered.append(request.path)
        if "HTTP_X_WAIT" in request.META:
            import gevent

            while not go_on.is_set():
                gevent.sleep(0.01)
        return get_response(request)

    return middleware


@csrf_exempt
def page(request, rest=""):
    return HttpResponse(request.body)


urlpatterns = [
    path("", include(urls)),
    path("rt/", include(urls)),
    path("never/socket.io", never_cache(views.socketio)),
    path("of/<slug:customer>/", include(urls)),
    re_path("^admin/(.*)$", page),
    *i18n_patterns(path("i18n/", include(urls))),
]


@pytest.fixture
def site(serve):
    entered.clear()
    go_on.clear()

    def start(middleware, **options):
        name = f"{__name__}.{middleware}"
        django = {"ROOT_URLCONF": __name__, "MIDDLEWARE": [name, *settings.MIDDLEWARE]}
        return serve(django=django, WORKERS=2, **options)

    yield start
    go_on.set()


def begin(port, head):
    """Begin a request whose body does not come."""
    return raw_request(port, f"{head}\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n".encode())


def test_slow_posts_to_pages_stop_no_handshake(site):
    server = site("reading")
    for _ in range(3):
        begin(server.port, "POST /admin/x/socket.io/ HTTP/1.1")
    wait_until(lambda: len(entered) == 3)
    WebSocketClient(server.port).connect()
    PollingClient(server.port).connect()


def test_a_page_with_such_a_path_gets_its_body(site):
    server = site("reading")
    assert get(server.port, "/admin/x/socket.io/", "POST", "body") == (200, "body")


BODIES = ["Content-Length: 100", "Transfer-Encoding: chunked", "Content-Length: 0100"]


@pytest.mark.parametrize("field", BODIES)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_handshake_with_a_body_is_refused_before_the_middleware(site, method, field):
    server = site("reading")
    head = f"{method} {HANDSHAKE} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n"
    status, body = response(raw_request(server.port, head.encode()))
    assert status == 400
    assert "A handshake has no body" in body
    assert entered == []


def test_handshakes_that_find_no_place_are_told_and_come_in_later(site, caplog):
    server = site("waiting")
    server.server.application.limit.timeout = 0.2
    head = f"GET {HANDSHAKE} HTTP/1.1\r\nHost: localhost\r\nX-Wait: 1\r\n\r\n".encode()
    slow = [raw_request(server.port, head) for _ in range(2)]
    wait_until(lambda: len(entered) == 2)
    for _ in range(3):
        status, answer = get(server.port, HANDSHAKE)
        assert status == 503
        assert "try again" in answer["message"]
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert "2 others (SOCKETIO_WORKERS)" in record.getMessage()
    assert "0.2 seconds" in record.getMessage()
    go_on.set()
    assert [response(connection)[0] for connection in slow] == [200, 200]
    PollingClient(server.port).connect()


PATHS = [
    ("/socket.io/", True),
    ("/socket.io", True),
    ("/rt/socket.io/", True),
    ("/never/socket.io", True),
    ("/of/us/socket.io/", True),
    ("/de/i18n/socket.io/", True),
    ("/en/i18n/socket.io/", True),
    ("/fr/socket.io/", False),
    ("/admin/x/socket.io/", False),
    ("/nowhere/socket.io/", False),
    ("/\xff/socket.io/", False),
]


@pytest.mark.parametrize(("path_", "ours"), PATHS)
def test_paths_of_the_view_are_known_by_the_urlconf(path_, ours):
    with override_settings(ROOT_URLCONF=__name__):
        found = endpoints.Endpoints()
        for _ in range(2):
            assert found.has({"PATH_INFO": path_, "SCRIPT_NAME": "/site"}) is ours


def test_paths_of_pages_are_not_looked_up(site, monkeypatch):
    looked_up = []
    monkeypatch.setattr(endpoints.Endpoints, "has", lambda self, environ: looked_up.append(environ))
    assert get(site("reading").port, "/admin/x/", "POST", "body") == (200, "body")
    assert looked_up == []


def test_remembered_paths_are_bounded(monkeypatch):
    monkeypatch.setattr(endpoints, "MAX_PATHS", 5)
    with override_settings(ROOT_URLCONF=__name__):
        found = endpoints.Endpoints()
        assert all(found.has({"PATH_INFO": f"/of/c{n}/socket.io/"}) for n in range(20))
        assert len(found._known) <= 5
        assert found.has({"PATH_INFO": f"/of/{'c' * 1000}/socket.io/"})
    assert max(map(len, found._known)) < 1000


def test_a_broken_urlconf_is_for_django_to_report():
    with override_settings(ROOT_URLCONF="tests.has.none"):
        assert not endpoints.Endpoints().has({"PATH_INFO": "/socket.io/"})


def test_a_database_connection_that_cannot_be_closed_costs_no_place(site, monkeypatch):
    server = site("reading")

    def fail():
        raise InterfaceError("closed already")

    with monkeypatch.context() as patch:
        patch.setattr(handshake_limit.database, "give_back", fail)
        for _ in range(3):  # more than there are places
            get(server.port, HANDSHAKE)
    assert get(server.port, HANDSHAKE)[0] == 200
