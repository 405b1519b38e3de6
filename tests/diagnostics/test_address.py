"""The public address: the texts that name one, and servers that answer oddly."""

import http.client
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from django_socketio.diagnostics import polling
from django_socketio.diagnostics.address import MOST_BYTES, Address, Response
from tests.kit.answering import BEGIN, answering


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("https://site.example/é/ö", "/%C3%A9/%C3%B6/"),
        ("https://site.example/a b", "/a%20b/"),
        ("https://site.example/a%20b/", "/a%20b/"),
        ("https://site.example/chat:1/~me", "/chat:1/~me/"),
        ("https://site.example/\x01", "/%01/"),
    ],
)
def test_a_path_is_sent_as_browsers_send_it(text, path):
    assert Address.parse(text).path == path


def test_an_origin_has_no_slash_at_its_end():
    address = Address.parse("https://site.example", "https://pages.example/")
    assert address.origin == "https://pages.example"


@pytest.mark.parametrize(
    ("text", "field", "origin"),
    [
        ("https://München.example", "xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example"),
        ("https://site.example:443", "site.example", "https://site.example"),
        ("http://me:secret@[::1]:8000/", "[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_host_and_origin_are_sent_as_browsers_send_them(text, field, origin):
    address = Address.parse(text)
    assert (address.host_field, address.origin) == (field, origin)


def test_cookies_are_sent_as_browsers_send_them():
    headers = [("Set-Cookie", "b=2; Path=/; Secure; Partitioned"), ("set-cookie", "c=3==")]
    address = Address.parse("https://site.example", cookie="a=1;b=1")
    address = address.with_cookies(Response.of(200, headers, b""))
    assert address.headers["Cookie"] == "a=1; b=2; c=3=="
    assert "Cookie" not in Address.parse("https://site.example").headers


@pytest.mark.parametrize(
    "text", [f"https://{'a' * 70}.example", "https://a..b", "https://a\x00b", "http://:80"]
)
def test_a_host_that_is_none_is_told(text):
    with pytest.raises(CommandError, match="expected a URL such as"):
        call_command("socketio_doctor", text, stdout=StringIO())


@pytest.mark.parametrize("option", ["origin", "cookie"])
@pytest.mark.parametrize("value", ["a=b\nX: y", "a=日本", "a=\x00", "a=é"])
def test_what_no_header_field_can_hold_is_told(option, value):
    with pytest.raises(CommandError, match=f"--{option} takes printable characters"):
        call_command("socketio_doctor", "https://a.example", stdout=StringIO(), **{option: value})


@pytest.mark.parametrize(
    "parts",
    [(BEGIN,), (b"H",), (BEGIN, b"A: b\r\n"), (BEGIN, b"Content-Length: 1000000\r\n\r\n", b"x")],
    ids=["status", "byte", "fields", "body"],
)
def test_an_answer_that_comes_slowly_is_not_waited_for(parts):
    with answering(*parts, pause=0.05) as address, pytest.raises(TimeoutError):
        address.request("/", timeout=0.5)


def test_of_an_endless_answer_the_beginning_is_read():
    with answering(BEGIN, b"\r\n", b"x" * 100_000, pause=0.001) as address:
        assert address.request("/").body == "x" * MOST_BYTES


def test_an_answer_that_is_cut_off_is_none():
    with (
        answering(BEGIN, b"Content-Length: 9\r\n\r\n{}") as address,
        pytest.raises(http.client.IncompleteRead),
    ):
        address.request("/")


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"0[]", b"0{}", b'0{"sid":"a","pingInterval":[]}']
)
def test_another_application_is_told(body):
    with answering(BEGIN, b"\r\n", body) as address:
        (finding,) = polling.examine(address)
    assert "answers something else than Socket.IO" in finding.text
