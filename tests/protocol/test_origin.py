"""Origins are read as URLs are, and each has one spelling."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_socketio.protocol.http.origin import Origin, parse, parse_pattern

PORTS = {"http": 80, "https": 443}

PIECES = (
    "http WSS app : // / \\ @ [ ] ::1 0:0 . * , :443 :9000 :65536 Example.com evil.example # ? é"
)
pieces = st.lists(st.sampled_from([*PIECES.split(), " ", "\n"]), max_size=4).map("".join)
schemes = st.sampled_from(["http", "https", "ws", "WSS", "app", "file"])
texts = st.one_of(
    st.builds("{}://{}{}".format, schemes, st.sampled_from(["a.example", "[::1]", ""]), pieces),
    st.builds("{}://{}".format, schemes, pieces),
    st.text(max_size=30),
)


@given(texts)
def test_whatever_is_read_is_what_a_reader_of_urls_reads(text):
    origin = parse(text)
    if origin is None:
        return
    seen = urlsplit(text)
    assert seen.username is None
    assert origin.scheme == {"ws": "http", "wss": "https"}.get(seen.scheme, seen.scheme)
    if ":" not in origin.host:
        assert origin.host.lower() == (seen.hostname or "")
    assert int(origin.port or PORTS.get(origin.scheme, 0)) == (
        seen.port if seen.port is not None else PORTS.get(origin.scheme, 0)
    )


@given(texts)
def test_an_origin_has_one_spelling(text):
    origin = parse(text)
    if origin is not None:
        port = f":{origin.port}" if origin.port else ""
        assert parse(f"{origin.scheme}://{origin.host}{port}") == origin


@given(texts, texts)
def test_a_pattern_without_a_star_covers_itself_only(text, other):
    pattern, origin = parse_pattern(text), parse(other)
    if pattern is not None and origin is not None and "*" not in pattern.host:
        assert pattern.covers(origin) == (pattern == origin)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("ws://Example.com:080/a", Origin("http", "example.com", "")),
        ("wss://example.com:80", Origin("https", "example.com", "80")),
        ("http://[0:0::0:1]", Origin("http", "[::1]", "")),
        ("App://Host", Origin("app", "Host", "")),
        ("file:///a.html", Origin("file", "", "")),
        ("http://[::1%25eth0]", None),
        ("http://", None),
        ("null", None),
    ],
)
def test_origins(text, origin):
    assert parse(text) == origin
