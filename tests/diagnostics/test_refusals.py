"""Why the doctor thinks that a site has refused a request."""

import pytest

from django_socketio.diagnostics.address import TIMEOUT, Address, Response
from django_socketio.diagnostics.refusals import explain
from django_socketio.server import handshake_limit
from django_socketio.server.view import NO_SOCKETS
from django_socketio.transports.http import STOPPING, ErrorCode, RequestError

ADDRESS = Address("http", "chat.example.com", 80, "/socket.io/", "http://chat.example.com")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (NO_SOCKETS, "This server cannot hold sockets."),
        ("Unsupported method", "This server cannot hold sockets: Unsupported method"),
    ],
)
def test_a_server_without_sockets_is_told_once(answer, text):
    finding = explain("polling", ADDRESS, Response.of(501, [], answer.encode()))
    assert finding.text == text
    assert "-k django_socketio.gunicorn.Worker" in finding.remedy


@pytest.mark.parametrize(
    ("message", "remedy"),
    [(handshake_limit.NO_PLACE, "SOCKETIO_WORKERS"), (STOPPING, "after the restart")],
)
def test_a_server_that_takes_no_clients_at_present_is_no_fault_of_the_proxy(message, remedy):
    answer = RequestError(ErrorCode.BAD_REQUEST, message, 503).answer()
    finding = explain("polling", ADDRESS, Response.of(503, [], answer.body))
    assert finding.text == f"The server answers 503: {message}"
    assert remedy in finding.remedy


@pytest.mark.parametrize("body", [b"", b"<h1>Bad Gateway</h1>", b"{}", b"[" * 100_000, b"3"])
def test_another_503_is_that_of_the_proxy(body):
    finding = explain("polling", ADDRESS, Response.of(503, [("Server", "HAProxy")], body))
    assert finding.text == "HAProxy does not reach the server (503)."


def test_the_answer_to_a_handshake_without_a_place_is_waited_for():
    assert handshake_limit.TIMEOUT < TIMEOUT
