"""Error reports during a handshake are as short, and made as soon, as those of any page."""

import copy
import dataclasses
import logging
import pickle

import django
import pytest
from django.conf import settings
from django.core import mail
from django.http import HttpResponse
from django.urls import path

from tests.kit.clients import PollingClient
from tests.kit.http import HANDSHAKE, get
from tests.project import urls

PAGE = "/fields/"
EVIL = {"Host": "evil.example", "Connection": "Upgrade", "Upgrade": "websocket"}

MARGIN = 6_000
"""Bytes that a report may have more than a page's: frames of the package, and their sources."""

COOKIE = "token=se3ret"

reports = []


def report(get_response):
    """Note what error reports and trackers would make of each request and of its errors."""

    def middleware(request):
        reports.append(walked(request.META))
        return get_response(request)

    return middleware


def failing(get_response):
    """Raise, as a middleware whose database is away."""

    def middleware(request):
        if "HTTP_X_FAILING" in request.META:
            raise ValueError("the middleware failed")
        return get_response(request)

    return middleware


def failing_later(get_response):
    def middleware(request):
        response = get_response(request)
        if "HTTP_X_FAILING" in request.META:
            raise ValueError("the middleware failed")
        return response

    return middleware


def host(request):
    return HttpResponse(request.get_host())


urlpatterns = [*urls.urlpatterns, path("host/", host)]


class TooMuch(Exception):
    """A walk has come to more objects than a request has."""


def walked(value, where=(), found=None):
    """Walk all that a tracker follows; return the texts that it would send.

    Follows mappings, sequences, dataclasses, attributes and slots that have public names; nothing
    is recognised as seen before, as in trackers that copy what they walk.
    """
    found = [] if found is None else found
    found.append(f"{where}: {value!r:.10000}")
    if len(found) > 1_000 or len(where) > 20:
        raise TooMuch(where)
    for name, part in parts(value):
        walked(part, (*where, name), found)
    return found


def parts(value):
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(enumerate(value))
    if isinstance(value, type) or not type(value).__module__.startswith("django_socketio"):
        return []  # what others put there, a server without sockets has as well
    fields = {field.name for field in dataclasses.fields(value)} if is_data(value) else set()
    names = fields | set(getattr(value, "__dict__", ())) | set(getattr(value, "__slots__", ()))
    return [(name, getattr(value, name)) for name in names if name[0] != "_"]


def is_data(value):
    return dataclasses.is_dataclass(value)


def test_a_walk_finds_cycles():
    exchange = {}
    exchange["again"] = exchange
    with pytest.raises(TooMuch):
        walked(exchange)


_LOCAL = "django.core.mail.backends.locmem.EmailBackend"
_ADMIN = "admin@example.com"
REPORTS_BY_MAIL = {
    "ADMINS": [_ADMIN if django.VERSION >= (6, 0) else ("admin", _ADMIN)],
    **(
        {"MAILERS": {"default": {"BACKEND": _LOCAL}}}
        if django.VERSION >= (6, 1)
        else {"EMAIL_BACKEND": _LOCAL}
    ),
}
"""Settings that keep the mail of error reports in ``mail.outbox``."""


@pytest.fixture
def site(serve):
    """Start a site whose errors are mailed to its admins, as Django does by default."""

    def start(*middleware, **django):
        reports.clear()
        options = {
            **REPORTS_BY_MAIL,
            "MIDDLEWARE": [*middleware, *settings.MIDDLEWARE],
            "ROOT_URLCONF": "tests.behaviour.test_error_reports",
        }
        server = serve(django={**options, **django})
        mail.outbox = []
        return server

    yield start
    mail.outbox = []


def mailed():
    (message,) = mail.outbox
    mail.outbox = []
    return message.body


@pytest.mark.parametrize("url", [HANDSHAKE, HANDSHAKE.replace("polling", "websocket")])
def test_nothing_of_the_server_is_in_the_way_of_a_walk(site, url):
    server = site("tests.behaviour.test_error_reports.report")
    get(server.port, url)
    get(server.port, PAGE)
    handshake, page = reports
    assert len(handshake) < len(page) + 10
    assert sum(map(len, handshake)) < sum(map(len, page)) + 1_000
    ours = [text for text in handshake if text.startswith("('django_socketio.")]
    assert len(ours) == 1
    assert all(text.endswith(": <django_socketio>") for text in ours)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_the_servers_objects_are_not_copied(how):
    from django_socketio.server.opaque import Opaque

    kept = Opaque({"sid": "secret"})
    assert how({"key": kept})["key"] is kept
    assert "secret" not in f"{kept!r}{kept}"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(kept)


@pytest.mark.parametrize("middlewares", [True, False], ids=["middleware", "view"])
def test_a_wrong_host_is_answered_and_mailed_as_for_a_page(site, caplog, middlewares):
    server = site() if middlewares else site(MIDDLEWARE=[])
    status, _ = get(server.port, HANDSHAKE, headers=EVIL)
    assert status == 400
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.name == "django.security.DisallowedHost"
    report = mailed()
    assert "evil.example" in report
    assert len(report) < len(report_of_page(server)) + MARGIN


def report_of_page(server):
    """Return what Django mails if a page fails."""
    get(server.port, "/host/", headers=EVIL)
    return mailed()


def test_so_is_a_wrong_host_of_a_session(site, caplog):
    server = site()
    client = PollingClient(server.port)
    for method in ("GET", "POST"):
        caplog.clear()
        status, answer = get(server.port, client.path, method, headers=EVIL)
        assert (status, answer["message"]) == (400, "Host not allowed")
        (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert record.name == "django.security.DisallowedHost"
        assert client.sid not in mailed()
    client.connect()


@pytest.mark.parametrize("debug", [True, False])
def test_an_error_during_a_preflight_shows_no_sid(site, debug):
    server = site("tests.behaviour.test_error_reports.failing", DEBUG=debug)
    client = PollingClient(server.port)
    status, body = get(server.port, client.path, "OPTIONS", headers={"X-Failing": "1"})
    assert status == 500
    report = body if debug else mailed()
    assert "the middleware failed" in report
    assert client.sid not in report


@pytest.mark.parametrize("middleware", ["failing", "failing_later"])
def test_an_error_of_a_middleware_is_mailed_as_for_a_page(site, middleware):
    server = site(f"tests.behaviour.test_error_reports.{middleware}")
    sizes = []
    for url in (HANDSHAKE, PAGE):
        assert get(server.port, url, headers={"X-Failing": "1"})[0] == 500
        sizes.append(len(mailed()))
    assert sizes[0] < sizes[1] + MARGIN


@pytest.mark.parametrize("headers", [{"X-Failing": "1"}, EVIL], ids=["error", "host"])
def test_djangos_debug_page_is_as_long_as_for_a_page(site, headers):
    server = site("tests.behaviour.test_error_reports.failing", DEBUG=True)
    sizes = []
    for url in (HANDSHAKE, "/nothing/"):
        status, body = get(server.port, url, headers=headers)
        assert status == (500 if "X-Failing" in headers else 400)
        sizes.append(len(body))
    assert sizes[0] < sizes[1] + MARGIN


def test_an_error_in_the_engine_is_reported_without_the_servers_objects(site, monkeypatch):
    server = site(DEBUG=True)

    def fail(exchange):
        raise ValueError("no database")

    monkeypatch.setattr(server.socket_server.engine, "welcome", fail)
    status, body = get(server.port, HANDSHAKE, headers={"Cookie": COOKIE})
    assert status == 500
    assert "no database" in body
    frames = body[body.index("Traceback") : body.index("Request information")]
    assert COOKIE not in frames
    assert len(body) < 200_000
