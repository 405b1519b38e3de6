"""What clients choose the names of: the process remembers a bounded number of bytes of it."""

import gc
import re
import tracemalloc
from io import BufferedReader, BytesIO
from itertools import count

import pytest
from django.test import RequestFactory

from django_socketio.application import trim
from django_socketio.handlers import REMEMBERED_BYTES, Handlers, Registration
from django_socketio.transports.fields import HeadLimits, read_fields
from django_socketio.transports.rates import Buckets

BOUND = REMEMBERED_BYTES + 1_000_000
"""Bytes that may be left; what is sent in each case is ten times as much."""

number = count()


def subscribe():
    handlers = Handlers()
    handlers.add(Registration(print, re.compile("^room-"), "/"))

    def look(text):
        handlers.relevant("/", tuple(f"{n}{text[:196]}" for n in range(100)))
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
        while sent < 10 * BOUND:
            sent += use(f"{next(number)}-".ljust(50_000, "x"))
        gc.collect()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < BOUND
