"""What the doctor finds out about event streams."""

import pytest
from django.test import override_settings
from django.urls import clear_script_prefix, set_script_prefix

from django_socketio.diagnostics import pings, streams
from django_socketio.diagnostics.address import Address
from tests.kit.answering import BEGIN, answering

HEAD = BEGIN + b"Content-Type: text/event-stream\r\n\r\n"


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    monkeypatch.setattr(streams, "FIRST", 20.0)


@pytest.mark.parametrize("wait", [True, False])
def test_a_stream_of_the_own_server_stays_open(serve, wait):
    server = serve(PING_INTERVAL=0.5)
    found = streams.examine(Address.parse(f"http://127.0.0.1:{server.port}"), "/stream/", wait)
    assert found.level == "ok"
    assert ("stays open for 0.5 s" in found.text) is wait


@override_settings(SOCKETIO_PING_INTERVAL=0.5)
def test_a_stream_that_falls_silent_is_told(monkeypatch):
    monkeypatch.setattr(pings, "TIMEOUT", 0.5)
    with answering(HEAD, b":\n\n", b"", pause=0.1) as address:
        found = streams.examine(address, "/stream/", True)
    assert (found.step, found.level) == ("event stream", "error")
    assert found.text == "No ping comes within 1 s; the server sends one every 0.5 s."


@pytest.mark.parametrize(
    ("fields", "body"),
    [(b"", b":\n\n"), (b"Transfer-Encoding: chunked\r\n", b"3\r\n:\n\n\r\n")],
    ids=["closed", "within chunks"],
)
def test_a_stream_that_is_cut_off_is_told(fields, body):
    with answering(HEAD[:-2], fields + b"\r\n", body) as address:
        found = streams.examine(address, "/stream/", True)
    assert (found.step, found.level) == ("event stream", "error")
    assert found.text.startswith("The connection ends after")


@pytest.mark.parametrize("wait", [True, False])
def test_a_stream_without_content_is_told(wait):
    with answering(HEAD) as address:
        found = streams.examine(address, "/stream/", wait)
    assert (found.level, found.text) == ("error", "/stream/ ends at once.")


def test_a_stream_that_may_end_before_the_ping_is_not_waited_for(serve):
    server = serve(PING_INTERVAL=60.0, STREAM_MAX_AGE=70.0)
    found = streams.examine(Address.parse(f"http://127.0.0.1:{server.port}"), "/stream/", True)
    assert (found.level, found.text) == ("ok", "/stream/ arrives at once.")


def test_a_stream_for_users_sends_others_to_the_login(server):
    address = Address.parse(f"http://127.0.0.1:{server.port}")
    found = streams.examine(address, "/stream/members/", True)
    assert found.level == "note"
    assert found.text.startswith("/stream/members/ redirects to /accounts/login/?next=")
    assert "--cookie" in found.remedy


def test_a_stream_that_redirects_nowhere_is_told():
    with answering(b"HTTP/1.1 302 Found\r\nLocation: https://[\r\n\r\n") as address:
        found = streams.examine(address, "/stream/", True)
    assert (found.level, found.text) == ("note", "/stream/ redirects to https://[")


def test_a_refusal_of_a_stream_may_take_long(monkeypatch):
    monkeypatch.setattr(streams, "FIRST", 0.0)
    with answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\nno server") as address:
        found = streams.examine(address, "/stream/", True)
    assert found.text == "The site answers 503: no server"


def test_a_stream_that_begins_late_is_told(monkeypatch):
    monkeypatch.setattr(streams, "FIRST", 0.0)
    with answering(HEAD, b":\n\n") as address:
        found = streams.examine(address, "/stream/", True)
    assert (found.level, "a proxy holds it back" in found.text) == ("error", True)


@pytest.mark.parametrize(
    ("path", "found"),
    [("/", "/stream/"), ("/chat/socket.io", "/chat/stream/"), ("/other", "/stream/")],
)
def test_a_stream_has_the_prefix_of_the_sockets(path, found):
    assert streams.find(Address.parse(f"https://site.example{path}")) == found


def test_a_stream_has_the_prefix_of_the_settings():
    set_script_prefix("/chat/")
    try:
        assert streams.find(Address.parse("https://site.example")) == "/chat/stream/"
    finally:
        clear_script_prefix()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "/stream/ leads to nothing (404)."),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://a/stream\r\n\r\n", "to http://a/stream;"),
    ],
)
def test_what_is_told_of_a_stream_has_its_own_path(answer, text):
    with answering(answer) as address:
        found = streams.examine(address, "/stream/", True)
    assert text in found.text
    assert "/socket.io/" not in found.text + found.remedy
