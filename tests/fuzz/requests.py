"""What the engine reads of HTTP requests: queries, bodies, and what of them is logged."""

from io import BytesIO
from urllib.parse import parse_qsl

from django_socketio.exceptions import MessageTooBig
from django_socketio.server.masking import mask_sids
from django_socketio.transports.dialects import Dialects
from django_socketio.transports.http import EngineRequest, RequestError
from tests.fuzz.target import Target

LIMIT = 50


def check_query(data: bytes) -> None:
    """Take a query string."""
    query = data.decode("latin-1")
    request = EngineRequest.of({"REQUEST_METHOD": "GET", "QUERY_STRING": query})
    assert type(request.sid) is str
    try:
        assert request.transport() in ("polling", "websocket")
        assert Dialects().of(request).version == request.query["EIO"] == "4"
    except RequestError as error:
        answer = error.answer()
        assert answer.status == 400
        assert len(answer.body) < 500, answer.body
        assert str(error).isprintable(), error
    check_log(query)


def check_body(data: bytes) -> None:
    """Take a Content-Length and a body, on a line each."""
    length, _, body = data.decode("latin-1").partition("\n")
    environ = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": length}
    request = EngineRequest.of({**environ, "wsgi.input": BytesIO(body.encode("latin-1"))})
    try:
        assert len(request.body(LIMIT)) <= LIMIT
    except MessageTooBig:
        assert len(body) > LIMIT or int(length) > LIMIT


def check_log(query: str) -> None:
    """Check that no sid is logged whole."""
    if any(character.isspace() for character in query):
        return  # no request line has such a query
    masked = mask_sids(f"GET /socket.io/?{query} HTTP/1.1")
    for name, value in parse_qsl(masked.split()[1].partition("?")[2], keep_blank_values=True):
        assert name != "sid" or len(value) <= 5, masked


QUERIES = Target(
    "query strings",
    check_query,
    seeds=(
        b"EIO=4&transport=polling",
        b"EIO=4&transport=websocket&sid=abcdefghijklmnop",
        b"transport=polling&EIO=3&sid=&t=x",
        b"EIO=4&transport=polling&s%69d=abcdefghijkl",
        b"EIO=4&transport=%0aFORGED%1b[2J",
    ),
    tokens=(
        b"&",
        b"=",
        b"%",
        b"sid=secretsecret",
        b"%73id=secretsecret",
        b"&sid=&sid=secret",
        b";",
        b"+",
        b"?",
        b"#",
        b"EIO=4",
        b"%00",
        b"%0a",
        b"%c2%9b",
        b"%ff",
        b"\xb2",
    ),
)

BODIES = Target(
    "request bodies",
    check_body,
    seeds=(b"\n", b"5\nhello", b"0\n", b"51\n" + b"x" * 51, b"3\n\xff\xfe"),
    tokens=(b"-1\n", b"1_0\n", b"99999999999999999999\n", b"\xb2", b"+", b" ", b"0", b"\n"),
)
