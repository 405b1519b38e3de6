"""The answers of a site's own views end where their heads say so."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import gevent
import pytest
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from tests.kit.http import TIMEOUT, get, raw_request, read_all

SECOND = b"GET /after/ HTTP/1.1\r\nHost: localhost\r\n\r\n"


def endless(request, seconds):
    def content():
        for number in itertools.count():
            yield b"%d\n" % number
            if seconds:
                gevent.sleep(seconds)

    return StreamingHttpResponse(content())


def computed(request):
    """A stream that is made without waiting, until another request has been answered."""

    def content():
        others.clear()
        end = time.monotonic() + 20
        while not others and time.monotonic() < end:
            yield b"x"
        yield b"%d others" % len(others)

    return StreamingHttpResponse(content())


others = []
"""The other requests that were answered while a stream was made."""


def after(request):
    others.append(request)
    return HttpResponse("after")


def counted(request, announced):
    return StreamingHttpResponse([b"ab", b"cd"], headers={"Content-Length": str(announced)})


@csrf_exempt
def reading(request):
    """Read the body as WSGI has it, and go on whatever is wrong with it."""
    try:
        return HttpResponse(request.META["wsgi.input"].read())
    except Exception as error:
        return HttpResponse(type(error).__name__, status=500)


urlpatterns = [
    path("endless/", endless, {"seconds": 0.01}),
    path("endless-at-once/", endless, {"seconds": 0}),
    path("computed/", computed),
    path("counted/<int:announced>/", counted),
    path("streamed/", lambda request: StreamingHttpResponse([b"ab", b"cd"])),
    path("reading/", reading),
    path("whole/", lambda request: HttpResponse("whole")),
    path("after/", after),
]


@pytest.fixture
def port(serve):
    return serve({"ROOT_URLCONF": __name__, "MIDDLEWARE": settings.MIDDLEWARE[2:3]}).port


def asked(port, path, method="GET", fields="", version="HTTP/1.1"):
    """Ask, and ask again on the same connection; return the connection."""
    head = f"{method} {path} {version}\r\nHost: localhost\r\n{fields}\r\n"
    return raw_request(port, head.encode() + SECOND)


def until_second(connection):
    """Return what comes up to the end of the second answer."""
    data = b""
    while not data.endswith(b"\r\n\r\nafter"):
        data += connection.recv(4096)
    return data


@pytest.mark.parametrize("path", ["/endless/", "/endless-at-once/"])
def test_head_asks_a_stream_for_nothing(port, path):
    first, second = until_second(asked(port, path, "HEAD")).split(b"\r\n\r\n", 1)
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert second.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_stream_that_is_made_without_waiting_lets_others_have_their_turn(port):
    connection = raw_request(port, b"GET /computed/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert connection.recv(1) == b"H"  # it has begun
    with ThreadPoolExecutor() as pool:
        stream = pool.submit(read_all, connection)
        assert get(port, "/after/") == (200, "after")
        assert stream.result(TIMEOUT).endswith(b"1 others")


def test_what_is_more_than_was_announced_is_not_sent(port):
    data = until_second(asked(port, "/counted/3/"))
    assert b"\r\n\r\nabcHTTP/1.1 200 OK\r\n" in data


def test_what_is_less_than_was_announced_ends_the_connection(port):
    connection = asked(port, "/counted/9/")
    assert read_all(connection).endswith(b"\r\n\r\nabcd")


def test_only_the_end_of_the_connection_ends_a_stream_in_http_1_0(port):
    connection = asked(port, "/streamed/", fields="Connection: keep-alive\r\n", version="HTTP/1.0")
    data = read_all(connection)
    assert b"\r\nConnection: close\r\n" in data
    assert data.endswith(b"\r\n\r\nabcd")


@pytest.mark.parametrize("path", ["/whole/", "/counted/4/"])
def test_a_connection_of_http_1_0_may_be_kept(port, path):
    connection = asked(port, path, fields="Connection: keep-alive\r\n", version="HTTP/1.0")
    assert until_second(connection).count(b"HTTP/1.1 200 OK\r\n") == 2


def test_a_body_that_is_badly_chunked_ends_the_connection_whatever_the_view_makes_of_it(port):
    head = b"POST /reading/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = read_all(raw_request(port, head + b"5 \r\n" + SECOND))
    assert data.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in data
