"""No cache keeps an answer of the endpoint: neither Django's per-site cache, nor one on the way."""

import http.client

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.http import HANDSHAKE, get

GOOD = {"Origin": "https://good.example"}
EVIL = {"Origin": "https://evil.example"}
SESSION = HANDSHAKE + "&sid="


def answer(port, path, method="GET", body=None, headers=None):
    """Send one HTTP request; return the status and the header fields of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, body, {"Host": "localhost", **(headers or {})})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, response.headers


ANSWERS = [
    (200, (HANDSHAKE,)),
    (200, (HANDSHAKE, "GET", None, GOOD)),
    (200, (SESSION,)),
    (200, (SESSION, "POST", '42["event"]')),
    (204, (HANDSHAKE, "OPTIONS", None, GOOD)),
    (204, (SESSION, "OPTIONS", None, GOOD)),
    (400, ("/socket.io/?EIO=3&transport=polling",)),
    (400, ("/socket.io/?EIO=4&transport=none",)),
    (400, (HANDSHAKE, "HEAD")),
    (400, (HANDSHAKE, "POST", "40")),
    (400, (HANDSHAKE + "&sid=unknown",)),
    (400, (SESSION, "PUT")),
    (400, (SESSION, "POST", "no packet")),
    (400, (SESSION, "GET", None, {"Host": "evil.example"})),
    (400, ("/socket.io/?EIO=4&transport=websocket",)),
    (403, (HANDSHAKE, "GET", None, EVIL)),
    (403, (HANDSHAKE, "OPTIONS", None, EVIL)),
    (403, (SESSION, "GET", None, EVIL)),
    (413, (SESSION, "POST", "4" + "x" * 2000)),
]


@pytest.mark.parametrize(("status", "request_"), ANSWERS)
def test_every_answer_says_that_it_is_not_to_be_kept(serve, status, request_):
    server = serve(ALLOWED_ORIGINS=["https://good.example"], MAX_MESSAGE_SIZE=1000)
    path, *rest = request_
    if path == SESSION:
        client = PollingClient(server.port)
        client.post(b"40")  # whose answer a GET finds
        path = client.path
    came, headers = answer(server.port, path, *rest)
    assert came == status
    assert headers.get_all("Cache-Control") == ["private, no-store"]


def test_so_does_the_answer_to_one_connection_too_many(serve):
    server = serve(ADDRESS_CONNECT_RATE=0.1, RATE_BURST=10)
    answer(server.port, HANDSHAKE)
    status, headers = answer(server.port, HANDSHAKE)
    assert status == 429
    assert headers["Retry-After"]
    assert headers["Cache-Control"] == "private, no-store"


def test_so_does_a_server_that_cannot_hold_sockets():
    response = Client().get(HANDSHAKE)
    assert response.status_code == 501
    assert response["Cache-Control"] == "private, no-store"


def test_a_switch_of_protocols_needs_no_such_field(server):
    assert "cache-control" not in WebSocketClient(server.port).ws.getheaders()


CACHED = {
    "MIDDLEWARE": [
        "django.middleware.cache.UpdateCacheMiddleware",
        *settings.MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
}


@pytest.fixture
def cached_server(serve):
    """A server of a site with Django's per-site cache."""
    cache.clear()
    yield serve(django=CACHED)
    cache.clear()


def test_djangos_per_site_cache_keeps_no_handshake(cached_server):
    first, second = (PollingClient(cached_server.port) for _ in range(2))
    assert first.sid != second.sid
    first.connect()
    second.connect()
    assert first.id != second.id


def test_djangos_per_site_cache_keeps_other_pages(cached_server):
    pages = [fields(cached_server.port, number) for number in ("1", "2")]
    assert pages == ["1", "1"]


def fields(port, number):
    """Return the number that a page says it was asked with."""
    return get(port, "/fields/", headers={"Host": "localhost", "X-Number": number})[1][
        "HTTP_X_NUMBER"
    ]
