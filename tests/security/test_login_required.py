"""Anonymous visitors where Django's LoginRequiredMiddleware keeps them out of the site's pages."""

import http.client
from contextlib import closing
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware

from django_socketio.events import on_event
from tests.kit.clients import WebSocketClient
from tests.kit.http import HANDSHAKE, UPGRADE, WEBSOCKET_PATH, exchange, get

HERE = "tests.security.test_login_required."
PLAIN = "django.contrib.auth.middleware.LoginRequiredMiddleware"


def members(get_response):
    """Log in a visitor by a field, so that no database is needed."""

    def middleware(request):
        if "HTTP_X_MEMBER" in request.META:
            request.user = SimpleNamespace(is_authenticated=True, pk=1)
        return get_response(request)

    return middleware


class OfTheSite(LoginRequiredMiddleware):
    """A subclass, as sites write them."""


MEMBER = {"X-Member": "yes"}


@pytest.fixture(params=[PLAIN, f"{HERE}OfTheSite"])
def site(request):
    """The settings of a site that wants all visitors to log in."""
    return {"MIDDLEWARE": [*settings.MIDDLEWARE, f"{HERE}members", request.param]}


def test_a_handshake_is_refused_by_a_sentence_and_a_page_by_a_redirect(serve, site):
    server = serve(django=site)
    for path, fields in ((HANDSHAKE, {}), (WEBSOCKET_PATH, UPGRADE)):
        status, answer = get(server.port, path, headers=fields)
        assert status == 403
        assert "only users who are logged in may connect" in answer["message"]
    assert exchange(server.port, "GET", "/fields/")[0] == 302
    assert get(server.port, HANDSHAKE, headers=MEMBER)[0] == 200


def test_pages_of_allowed_origins_can_ask_and_read_the_sentence(serve, site):
    server = serve(django=site, ALLOWED_ORIGINS=["https://app.example"])
    for method, status in (("OPTIONS", 204), ("GET", 403)):
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)) as page:
            page.request(method, HANDSHAKE, headers={"Origin": "https://app.example"})
            answer = page.getresponse()
            assert answer.status == status
            assert answer.getheader("Access-Control-Allow-Origin") == "https://app.example"


def test_a_setting_opens_the_endpoint_to_anonymous_visitors(serve, site):
    @on_event("who")
    def who(request, socket, context):
        return request.user.is_authenticated

    server = serve(django=site, LOGIN_REQUIRED=False)
    client = WebSocketClient(server.port)
    client.connect()
    assert client.ask("who") == [False]
    assert exchange(server.port, "GET", "/fields/")[0] == 302


def test_the_setting_alone_keeps_anonymous_visitors_out(serve):
    server = serve(LOGIN_REQUIRED=True)
    assert get(server.port, HANDSHAKE)[0] == 403
    assert exchange(server.port, "GET", "/fields/")[0] == 200
