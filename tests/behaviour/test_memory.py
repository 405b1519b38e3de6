"""What clients choose the names of: the process remembers a bounded number of bytes of it."""

import gc
import re
import tracemalloc
from contextlib import closing
from io import BufferedReader, BytesIO
from itertools import count
from types import SimpleNamespace

import pytest
import websocket
from django.conf import settings
from django.test import RequestFactory

from django_socketio.events import Event, on_connect
from django_socketio.events.handlers import Registration
from django_socketio.events.pipeline import Dispatcher
from django_socketio.events.remembered import REMEMBERED_BYTES
from django_socketio.protocol.http.fields import HeadLimits, read_fields
from django_socketio.security.throttling import Buckets
from django_socketio.server.kept_request import trim
from tests.kit.waiting import wait_until

BOUND = REMEMBERED_BYTES + 1_000_000
"""Bytes that may be left; what is sent in each case is three times as much."""

number = count()


def subscribe():
    event = Event("test")
    event.handlers.add(Registration(print, re.compile("^room-"), "/"))
    dispatcher = Dispatcher(event, (), lambda *args: None)

    def look(text):
        channels = tuple(f"{n}{text[:196]}" for n in range(100))
        socket = SimpleNamespace(
            namespace="/", event_channel=None, subscriptions=SimpleNamespace(names=channels)
        )
        dispatcher.dispatch(None, socket, {}, ())
        return 25_000

    return look


def send_header_fields():
    def send(text):
        line = f"X-{text}: 1\r\n\r\n".encode()
        dict(read_fields(BufferedReader(BytesIO(line)), [], HeadLimits()).environ())
        return len(line)

    return send


def come_from_an_address():
    buckets = Buckets(1, 1, lambda: 0.0)

    def come(text):
        buckets.of(text).take()
        return len(text)

    return come


def send_field_values():
    def send(text):
        trim(RequestFactory().get("/", HTTP_USER_AGENT=text, HTTP_COOKIE=f"a={text[:1000]}"))
        return len(text)

    return send


@pytest.mark.parametrize(
    "kind", [subscribe, send_header_fields, come_from_an_address, send_field_values]
)
def test_names_that_clients_choose_do_not_fill_the_memory(kind):
    use, sent = kind(), 0
    use("warm")
    gc.collect()
    tracemalloc.start()
    try:
        while sent < 3 * BOUND:
            sent += use(f"{next(number)}-".ljust(50_000, "x"))
        gc.collect()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < BOUND


def parse(get_response):
    """Look at cookies and parameters, as many middlewares do, and leave something there."""

    def middleware(request):
        request.COOKIES["left"] = request.GET.get("room", "")
        return get_response(request)

    return middleware


@pytest.fixture
def kept(serve):
    """Open a WebSocket; return what its request keeps parsed, and what a handler then reads."""
    server = serve(
        django={"MIDDLEWARE": [*settings.MIDDLEWARE, "tests.behaviour.test_memory.parse"]}
    )
    found = []

    @on_connect
    def look(request, socket, context):
        parsed = {name for name in ("COOKIES", "GET") if name in vars(request)}
        found.append((parsed, dict(request.COOKIES), request.GET.dict()))

    def connected(query="", cookie=""):
        url = f"ws://127.0.0.1:{server.port}/socket.io/?EIO=4&transport=websocket{query}"
        with closing(websocket.create_connection(url, timeout=5, cookie=cookie)) as client:
            client.send("40")
            wait_until(lambda: found)
        return found.pop()

    return connected


def test_a_socket_keeps_few_cookies_and_parameters_as_middlewares_left_them(kept):
    parsed, cookies, parameters = kept("&room=1", "a=1")
    assert parsed == {"COOKIES", "GET"}
    assert cookies == {"a": "1", "left": "1"}
    assert parameters["room"] == "1"


def test_a_socket_does_not_keep_thousands_of_small_cookies_parsed(kept):
    many = {f"c{n}": "" for n in range(8_000)}
    parsed, cookies, _ = kept("", ";".join(f"{name}=" for name in many))
    assert "COOKIES" not in parsed
    assert cookies == many


def test_nor_parameters(kept):
    parsed, _, parameters = kept("".join(f"&c{n}=" for n in range(900)))
    assert "GET" not in parsed
    assert len(parameters) == 902
