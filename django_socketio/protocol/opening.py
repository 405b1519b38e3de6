"""The opening handshake of a WebSocket: the server's side (RFC 6455, section 4.2)."""

import binascii
from base64 import b64decode, b64encode
from hashlib import sha1
from typing import NamedTuple

from django_socketio.exceptions import ProtocolError

VERSION = "13"
"""Of the WebSocket protocol."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_SIZE = 16


class Request(NamedTuple):
    """What a request to open a WebSocket says of it; a field that it does not have is empty."""

    http_version: str
    """As the request line names it."""
    connection: str
    upgrade: str
    key: str
    """Of ``Sec-WebSocket-Key``."""
    version: str
    """Of ``Sec-WebSocket-Version``."""


def accept(request: Request) -> tuple[tuple[str, str], ...]:
    """Return the header fields of the answer to a request: those of a 101.

    Extensions and subprotocols are not agreed to, whichever the client offers.

    Raises:
        ProtocolError: it is no request for a WebSocket of this version.

    """
    _check_upgrade(request)
    _check_key(request.key)
    if request.version != VERSION:
        raise ProtocolError(_unexpected("Sec-WebSocket-Version", VERSION, request.version))
    digest = sha1(request.key.encode() + _GUID, usedforsecurity=False).digest()
    return (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", b64encode(digest).decode()),
    )


def _check_upgrade(request: Request) -> None:
    if request.http_version != "HTTP/1.1":
        raise ProtocolError(f"a WebSocket begins with HTTP/1.1, not {request.http_version[:20]!r}")
    if "upgrade" not in _names(request.connection):
        raise ProtocolError(_unexpected("Connection", "Upgrade", request.connection))
    if _names(request.upgrade) != ["websocket"]:
        raise ProtocolError(_unexpected("Upgrade", "websocket", request.upgrade))


def _names(field: str) -> list[str]:
    return [name.strip(" \t").lower() for name in field.split(",")]


def _check_key(key: str) -> None:
    try:
        size = len(b64decode(key, validate=True))
    except (binascii.Error, ValueError):  # which it is for what is not ASCII
        size = 0
    if size != _KEY_SIZE:
        raise ProtocolError(_unexpected("Sec-WebSocket-Key", "16 bytes in base64", key))


def _unexpected(name: str, expected: str, value: str) -> str:
    if not value:
        return f"missing {name}: {expected} is expected"
    return f"{name} is expected to be {expected}, not {value[:60]!r}"
