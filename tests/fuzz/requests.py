"""What the engine reads of HTTP requests: queries, bodies, and what of them is logged."""

from io import BytesIO
from urllib.parse import parse_qsl

from django_socketio.exceptions import MessageTooBig
from django_socketio.transports.handler import mask_sids
from django_socketio.transports.http import Exchange, RequestError
from tests.fuzz.target import Target

LIMIT = 50


def check(data: bytes) -> None:
    """Take a query, a Content-Length and a body, one after the other on a line each."""
    query, _, rest = data.decode("latin-1").partition("\n")
    length, _, body = rest.partition("\n")
    environ = {"REQUEST_METHOD": "POST", "QUERY_STRING": query, "CONTENT_LENGTH": length}
    exchange = Exchange.of({**environ, "wsgi.input": BytesIO(body.encode("latin-1"))})
    try:
        assert exchange.transport() in ("polling", "websocket")
    except RequestError as error:
        answer = error.answer()
        assert answer.status == 400
        assert len(answer.body) < 500, answer.body
        assert str(error).isprintable(), error
    try:
        assert len(exchange.body(LIMIT)) <= LIMIT
    except MessageTooBig:
        assert len(body) > LIMIT or int(length) > LIMIT
    check_log(query)


def check_log(query: str) -> None:
    """Check that no sid is logged whole."""
    if any(character.isspace() for character in query):
        return  # no request line has such a query
    masked = mask_sids(f"GET /socket.io/?{query} HTTP/1.1")
    for name, value in parse_qsl(masked.split()[1].partition("?")[2], keep_blank_values=True):
        assert name != "sid" or len(value) <= 5, masked


TARGET = Target(
    "http requests",
    check,
    seeds=(
        b"EIO=4&transport=polling\n\n",
        b"EIO=4&transport=websocket&sid=abcdefghijklmnop\n5\nhello",
        b"transport=polling&EIO=3&sid=&t=x\n0\n",
        b"EIO=4&transport=polling&s%69d=abcdefghijkl\n51\n" + b"x" * 51,
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
        b"\xb2",
        b"\n-1\n",
        b"\n1_0\n",
        b"\n99999999999999999999\n",
    ),
)
