"""HTTP requests to the endpoint, one by one."""

import http.client
import json
import socket
import ssl
from contextlib import closing

TIMEOUT = 15

_open = []

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET_PATH = "/socket.io/?EIO=4&transport=websocket"

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
"""The fields of a WebSocket handshake."""


def close_later(connection):
    """Leave a connection to ``close_all``."""
    _open.append(connection)


def close_all():
    """Close every connection that a test left open."""
    while _open:
        _open.pop().close()


def exchange(port, method, path, body=None, headers=None):
    """Send one HTTP request on a connection of its own; return the status and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT * 2)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def request(headers, method="GET", version="HTTP/1.1", path="/echo/socket.io"):
    """Return the bytes of a request."""
    lines = [f"{method} {path} {version}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


HELLO = request({"Host": "localhost", **UPGRADE}, path=WEBSOCKET_PATH)
"""A WebSocket handshake."""


def get(port, path, method="GET", body=None, headers=None):
    """Send one HTTP request; return the status and the body, read as JSON if it is."""
    status, content = exchange(port, method, path, body, headers)
    return status, json.loads(content) if content.startswith("{") else content


def response(connection):
    """Read the HTTP response that comes next; return its status and body."""
    with closing(http.client.HTTPResponse(connection)) as answer:
        answer.begin()
        return answer.status, answer.read().decode()


def read_all(connection):
    """Return what comes until the server closes a connection."""
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received


def raw_request(port, request):
    """Send bytes on a new connection; return the connection."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    close_later(connection)
    connection.sendall(request)
    return connection


def raw_get(server, path, headers=""):
    return raw_request(
        server.port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()
    )


class Https:
    """Requests over TLS on one connection, opened again where the server closes it."""

    def __init__(self, port, certificate):
        context = ssl.create_default_context(cafile=certificate)
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=10, context=context
        )

    def __call__(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()


def closed_with(websocket):
    """Return the code and the reason of the close frame that comes next."""
    opcode, payload = websocket.ws.recv_data(control_frame=True)
    assert opcode == 8, (opcode, payload)
    return int.from_bytes(payload[:2]), payload[2:].decode()
