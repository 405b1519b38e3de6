"""Why the doctor thinks that a site has refused a request."""

import pytest

from django_socketio.diagnostics.address import Address, Response
from django_socketio.diagnostics.refusals import explain
from django_socketio.server.view import NO_SOCKETS

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
