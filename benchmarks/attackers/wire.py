"""Plain connections to a server: as little as possible between an attacker and the wire."""

import json
import socket
import struct

PATH = "/socket.io/?EIO=4&transport="
TIMEOUT = 10
"""Seconds that anybody waits for the server."""
TEXT, CONTINUED, PING, FINAL, COMPRESSED = 0x1, 0x0, 0x9, 0x80, 0x40
NO_MASK = bytes(4)


def frame(first, payload):
    """Return a client's frame; its mask changes nothing."""
    length = len(payload)
    if length < 126:
        return bytes((first, 0x80 | length)) + NO_MASK + payload
    if length < 0x10000:
        return struct.pack("!BBH", first, 0xFE, length) + NO_MASK + payload
    return struct.pack("!BBQ", first, 0xFF, length) + NO_MASK + payload


def text(packet):
    """Return a packet as a frame."""
    return frame(FINAL | TEXT, packet.encode())


def connect(port):
    """Return a new TCP connection."""
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def websocket(port, compressed=False):
    """Return a WebSocket that is connected to "/"."""
    connection = connect(port)
    offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if compressed else ""
    connection.sendall(
        f"GET {PATH}websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n{offer}"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    connection.sendall(text("40"))
    receive_until(connection, b"40{")
    return connection


def receive_until(connection, mark):
    """Read until something comes."""
    received = b""
    while mark not in received:
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError(f"the server closed the connection after {received[-200:]!r}")
        received = received[-len(mark) :] + piece


class Polling:
    """A session of long-polling that only posts."""

    def __init__(self, port):
        self._port = port
        self._connection = connect(port)
        body = self._request("GET", f"{PATH}polling")
        self._path = f"{PATH}polling&sid={json.loads(body[1:])['sid']}"
        self.post(b"40")

    def post(self, body, wait=True):
        """Send a POST, and wait for its answer."""
        self._send("POST", self._path, body)
        if wait:
            self._answer()

    def drain(self):
        """Fetch what waits."""
        self._request("GET", self._path)

    def close(self):
        """Break the connection."""
        self._connection.close()

    def _request(self, method, path):
        self._send(method, path)
        return self._answer()

    def _send(self, method, path, body=b""):
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n{length}\r\n"
        self._connection.sendall(head.encode() + body)

    def _answer(self):
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._receive()
        head, _, content = answer.partition(b"\r\n\r\n")
        (length,) = (line for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
        while len(content) < int(length.split(b":")[1]):
            content += self._receive()
        if b" 200 " not in head:
            raise ConnectionError(content.decode())
        return content.decode()

    def _receive(self):
        piece = self._connection.recv(65_536)
        if not piece:
            raise ConnectionError("the server closed the connection")
        return piece


def fill(unit, size=65_536):
    """Return as many whole frames as one read of the server takes."""
    return unit * (size // len(unit))
