"""Header fields are read as RFC 9112 writes them, however they come; what it forbids is refused."""

from io import BufferedReader, BytesIO, RawIOBase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_socketio.protocol.http.fields import Fields, HeadLimits, HeadRefused, read_fields

LIMITS = HeadLimits(fields=3, field=40, size=90)


class Pieces(RawIOBase):
    """A connection on which a number of bytes come at a time."""

    def __init__(self, data, size):
        self._file, self._size = BytesIO(data), size

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self._file.read(min(self._size, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.fixture(params=[1, 7, 10_000])
def read(request):
    """Read fields that come in pieces; return them, the lines, and what follows."""

    def read(data, limits=LIMITS):
        file = BufferedReader(Pieces(data, request.param))
        lines = []
        return read_fields(file, lines, limits), lines, file.read()

    return read


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_fields_end_with_an_empty_line(read, end):
    lines = [b"Host: example.com" + end, b"X-A:1" + end, end]
    fields, read_lines, rest = read(b"".join(lines) + b"body\r\n\r\n")
    assert list(fields.items()) == [("host", "example.com"), ("x-a", "1")]
    assert b"".join(read_lines) == b"".join(lines)
    assert rest == b"body\r\n\r\n"


def test_no_fields(read):
    fields, _, rest = read(b"\r\nmore")
    assert (list(fields.items()), rest) == ([], b"more")


VALUES = {
    b"x: a b ": "a b",
    b"x:\t a\t": "a",
    b"x:": "",
    b"x:  \t ": "",
    b"x: a:b": "a:b",
    b"x: \xe9": "\xe9",
    b"x:\x0ba\x0b": "\x0ba\x0b",  # only spaces and tabs are no part of the value
}


@pytest.mark.parametrize("line", VALUES)
def test_values_lose_the_spaces_around_them(read, line):
    fields, _, _ = read(line + b"\r\n\r\n")
    assert fields.get("x") == VALUES[line]


BAD = [
    b"no colon",
    b": no name",
    b"space : before the colon",
    b"a b: space in the name",
    b"x: a\r\n folded: line",
    b" x: space before the name",
    b"x\xe9: not ASCII",
    b"x: NUL \0",
    b"x: CR \r alone",
    b"x(y): comment",
]


@pytest.mark.parametrize("line", BAD)
def test_what_is_no_field_is_refused(read, line):
    with pytest.raises(ValueError, match="a header field is a name, a colon and a value"):
        read(line + b"\r\n\r\n", HeadLimits())


@pytest.mark.parametrize("data", [b"", b"x: a", b"x: a\r\n", b"x: a\r\n\r"])
def test_fields_that_end_too_early_are_refused(read, data):
    with pytest.raises(ValueError, match=r"ends within its header fields|a header field is a name"):
        read(data)


TOO_LARGE = {
    "fields": (b"a:1\r\n" * 4, "more than 3 header fields"),
    "a long field": (b"a:" + b"1" * 37 + b"\r\n", "a header field of more than 40 bytes"),
    "all fields": ((b"a:" + b"1" * 35 + b"\r\n") * 3, "more than 90 bytes of header fields"),
}


@pytest.mark.parametrize("kind", TOO_LARGE)
def test_heads_that_are_too_large_are_refused_with_431(kind):
    data, problem = TOO_LARGE[kind]
    file = BufferedReader(Pieces(data + b"\r\n", 7))
    with pytest.raises(HeadRefused, match=problem) as error:
        read_fields(file, [], LIMITS)
    assert error.value.status == 431


@pytest.mark.parametrize("kind", ["fields", "a long field"])
def test_so_are_those_that_have_come_at_once(kind):
    data, problem = TOO_LARGE[kind]
    with pytest.raises(HeadRefused, match=problem):
        read_fields(BufferedReader(BytesIO(data + b"\r\n")), [], LIMITS)


def test_as_much_as_the_limits_allow_is_read(read):
    line = b"a:" + b"1" * 36 + b"\r\n"
    fields, _, _ = read(line * 2 + b"b:" + b"2" * 6 + b"\r\n" + b"\r\n")
    assert [len(value) for _, value in fields.items()] == [36, 36, 6]


def test_names_have_no_case_and_several_values():
    fields = Fields()
    for name, value in [("X-A", "1"), ("x-a", "2"), ("X_B", "3"), ("Content-Length", "4")]:
        fields.add(name, value)
    assert fields.get_all("X-a") == ["1", "2"]
    assert (fields.get("x-A"), fields.getheader("x-c"), fields.get("x-c", "-")) == ("1", None, "-")
    assert fields.with_underscores() == [("x_b", "3")]
    assert list(fields.environ()) == [("HTTP_X_A", "1"), ("HTTP_X_A", "2")]
    del fields["x-A"], fields["never"]
    assert fields.get_all("x-a") == []


NAMES = st.text(st.sampled_from("aZ09-!#$%&'*+.^`|~"), min_size=1, max_size=60)
TEXTS = st.text(st.characters(max_codepoint=255, exclude_characters="\0\r\n"), max_size=30)


@given(st.lists(st.tuples(NAMES, TEXTS), max_size=10), st.sampled_from([1, 7, 10_000]))
def test_what_is_written_is_read(pairs, size):
    text = "".join(f"{name}: {value}\r\n" for name, value in pairs) + "\r\n"
    file = BufferedReader(Pieces(text.encode("latin-1"), size))
    fields = read_fields(file, [], HeadLimits())
    for name in {name.lower() for name, _ in pairs}:
        written = [value.strip(" \t") for other, value in pairs if other.lower() == name]
        assert fields.get_all(name) == written
