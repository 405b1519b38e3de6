"""Anything sent to the endpoint of a server that runs: it answers, and its log has no traceback."""

import pytest

from tests.fuzz.endpoint import SID, TARGET, Endpoint, batches

FOUND = [
    # A body that its client cut short, or whose chunks are none
    b"POST /socket.io/?EIO=4&transport=polling&sid=" + SID + b" HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Length: 20\r\n\r\n40",
    b"POST /socket.io/?EIO=4&transport=polling&sid=" + SID + b" HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n\r\n2\r\n40\r\n0\r\n\r\n",
    b"POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
    # Heads that are none
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n",
    b"GET / HTTP/1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    # A field that WebSocket's answer would quote
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: \x01\r\n"
    b"Connection: Upgrade\r\n\r\n",
]


@pytest.fixture
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


def test_what_was_found_before(endpoint, capfd):
    for data in FOUND:
        assert endpoint.run([data]) == []
    assert "Traceback" not in capfd.readouterr().err


def test_any_bytes(endpoint, capfd):
    for batch in batches(TARGET.inputs(seed=1, count=1000)):
        assert endpoint.run(batch) == []
    assert "Traceback" not in capfd.readouterr().err
