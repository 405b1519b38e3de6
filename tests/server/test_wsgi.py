"""WSGI applications around Django's: handshakes pass them, however they hand the answer on."""

import http.client
import threading

import pytest
from django.core.handlers.wsgi import WSGIHandler

from django_socketio.events import on_message
from django_socketio.server import hijack
from django_socketio.server.handshake import DirectAnswer
from django_socketio.transports.http import Answer
from tests.kit.clients import WebSocketClient
from tests.kit.http import HANDSHAKE, close_all, get, raw_request
from tests.kit.live import LiveServer

django = WSGIHandler()
closed = threading.Event()


def generator(environ, start_response):
    """Call nothing before the answer is asked for."""
    yield from django(environ, start_response)


def slow_start(environ, start_response):
    """Yield nothing, several times, before anything is known of the answer."""
    yield b""
    yield b""
    yield from django(environ, start_response)


def buffering(environ, start_response):
    """Begin the answer when all of it is there."""
    begun = []
    response = django(environ, lambda *args: begun.append(args))
    body = b"".join(response)
    response.close()
    start_response(*begun[0])
    return [body]


def replacing(environ, start_response):
    """Add a field to the head."""

    def start(status, headers, exc_info=None):
        return start_response(status, [*headers, ("X-Seen", "yes")], exc_info)

    return django(environ, start)


def copying(environ, start_response):
    """Give Django an environ of its own."""
    return django(dict(environ), start_response)


def writing(environ, start_response):
    """Use the old way to send a body."""
    begun = []
    response = django(environ, lambda *args: begun.append(args))
    write = start_response(*begun[0])
    for data in response:
        write(data)
    response.close()
    return []


def beginning_twice(environ, start_response):
    """Have another answer at first."""
    start_response("500 Internal Server Error", [])
    return django(environ, lambda status, headers: start_response(status, headers, (None,) * 3))


class Closing:
    """Count on ``close``."""

    def __init__(self, environ, start_response):
        self._response = django(environ, start_response)

    def __iter__(self):
        return iter(self._response)

    def close(self):
        self._response.close()
        closed.set()


def splitting(environ, start_response):
    """Hand a body on byte by byte."""
    for data in django(environ, start_response):
        yield from (data[i : i + 1] for i in range(len(data)))


WRAPPERS = [
    generator,
    slow_start,
    buffering,
    replacing,
    copying,
    writing,
    beginning_twice,
    Closing,
    splitting,
]


@pytest.fixture
def serve_by():
    """Serve a WSGI application: ``serve_by(application)``."""
    servers = []

    def start(application):
        servers.append(LiveServer(application))
        return servers[-1]

    yield start
    close_all()
    for server in servers:
        server.stop()


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda wrapper: wrapper.__name__)
def test_handshakes_pass_a_wrapper(serve_by, connect, wrapper):
    closed.clear()
    server = serve_by(wrapper)
    seen = []

    @on_message
    def echo(request, socket, context, message):
        seen.append(request.META)
        return message

    assert connect(server).ask("message", "hello") == ["hello"]
    if wrapper is Closing:
        assert closed.wait(5)
    (meta,) = seen
    assert not [key for key in meta if key.startswith("django_socketio.")]
    assert get(server.port, "/garbage/")[0] == 200


def test_what_a_wrapper_adds_to_the_head_is_sent(serve_by):
    server = serve_by(replacing)
    assert WebSocketClient(server.port).ws.headers["x-seen"] == "yes"
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", HANDSHAKE)
    assert connection.getresponse().headers["X-Seen"] == "yes"
    connection.close()


def test_a_wrapper_can_refuse_a_handshake(serve_by):
    ended = threading.Event()

    def refusing(environ, start_response):
        try:
            yield from ()
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            yield b"no "
            yield b"entry"
        finally:
            ended.set()

    server = serve_by(refusing)
    assert get(server.port, HANDSHAKE) == (403, "no entry")
    assert ended.wait(5)
    assert not server.socket_server.engine.sessions


def test_a_wrapper_that_has_another_answer_than_the_view_begins_no_session(serve_by):
    def hiding(environ, start_response):
        for _ in django(environ, lambda *args: None):
            pass
        start_response("404 Not Found", [])
        return [b"nothing here"]

    server = serve_by(hiding)
    assert get(server.port, HANDSHAKE) == (404, "nothing here")
    assert not server.socket_server.engine.sessions


def test_a_wrapper_that_begins_no_answer_is_a_clear_error(serve_by, capfd):
    def silent(environ, start_response):
        return [b"body"]

    assert get(serve_by(silent).port, HANDSHAKE)[0] == 500
    assert "did not call start_response" in capfd.readouterr().err


def test_an_error_of_a_wrapper_is_closed_and_raised(serve_by, capfd):
    closed.clear()

    class Failing(Closing):
        def __iter__(self):
            raise RuntimeError("it cannot be read")

    assert get(serve_by(Failing).port, HANDSHAKE)[0] == 500
    assert closed.is_set()
    assert "it cannot be read" in capfd.readouterr().err


def test_an_application_that_begins_no_answer_and_has_no_body_is_an_error(serve_by, capfd):
    assert get(serve_by(lambda environ, start_response: []).port, HANDSHAKE)[0] == 500
    assert "did not call start_response" in capfd.readouterr().err


def read_all(connection):
    with connection, connection.makefile("rb") as file:
        return file.read()


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "404 Not Found"])
@pytest.mark.parametrize("late", [True, False], ids=["generator", "list"])
def test_a_connection_is_hijacked_with_an_answer_of_any_status(serve_by, status, late):
    came = []

    def begin(sock, head, received):
        came.append(received)
        sock.sendall(head + b"data: ours\n\n")
        sock.close()

    def answer(environ, start_response):
        pending = DirectAnswer(Answer(int(status[:3]), hijack=begin))
        hijack.handler_of(environ).pending = pending
        fields = [("Content-Type", "text/event-stream"), ("Content-Length", "5")]
        start_response(status, [*fields, ("X-Of", "it"), ("Connection", "keep-alive")])
        yield b"never"

    server = serve_by(answer if late else lambda *args: list(answer(*args)))
    sent = b"GET /stream/ HTTP/1.1\r\nHost: localhost\r\n\r\nmore"
    head, _, body = read_all(raw_request(server.port, sent)).partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    assert first == f"HTTP/1.1 {status}"
    assert [field for field in fields if not field.startswith("Date: ")] == [
        "Content-Type: text/event-stream",
        "X-Of: it",
        "Connection: close",
    ]
    assert len(fields) == 4
    assert (body, came) == (b"data: ours\n\n", [b"more"])


def test_an_answer_of_another_status_hijacks_nothing(serve_by):
    def answer(environ, start_response):
        pending = DirectAnswer(Answer(200, hijack=lambda *args: pytest.fail("hijacked")))
        hijack.handler_of(environ).pending = pending
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"no entry"]

    assert get(serve_by(answer).port, "/stream/") == (403, "no entry")
