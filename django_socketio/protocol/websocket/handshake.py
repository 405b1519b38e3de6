"""The opening handshake of a WebSocket: the server's side (RFC 6455, section 4.2)."""

import binascii
from collections.abc import Sequence
from hashlib import sha1
from typing import NamedTuple

from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension, parse_subprotocol
from websockets.typing import ExtensionHeader, ExtensionName, ExtensionParameter

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.http.fields import names
from django_socketio.protocol.websocket.deflate import WINDOW_BITS

NAME = ExtensionName("permessage-deflate")

VERSION = "13"
"""Version of the WebSocket protocol."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_SIZE = 16

_COMPRESSION = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    server_max_window_bits=WINDOW_BITS,
)


class Request(NamedTuple):
    """The fields of a request that opens a WebSocket; a field that the request lacks is empty."""

    http_version: str
    """Version of HTTP, as the request line names it."""
    connection: str
    upgrade: str
    key: str
    """Value of ``Sec-WebSocket-Key``."""
    version: str
    """Value of ``Sec-WebSocket-Version``."""
    extensions: str = ""
    """Value of ``Sec-WebSocket-Extensions``: the client's offers."""
    subprotocols: str = ""
    """Value of ``Sec-WebSocket-Protocol``: the client's offers."""


SUBPROTOCOL = "Sec-WebSocket-Protocol"
"""The header field of subprotocols."""


def accept(
    request: Request, subprotocols: Sequence[str] | None = None
) -> tuple[tuple[str, str], ...]:
    """Return the header fields of the answer to a request: those of a 101.

    For extensions see ``agree_to_compression``.

    Args:
        request: the fields of the request.
        subprotocols: the subprotocols of the server, the preferred one first. The first of them
            that the client offers is chosen, or none. With None, the first subprotocol of the
            client is chosen, whichever it is: browsers fail a connection for which none is.

    Raises:
        ProtocolError: the request does not open a WebSocket of this version.

    """
    _check_upgrade(request)
    _check_key(request.key)
    if request.version != VERSION:
        raise ProtocolError(_unexpected("Sec-WebSocket-Version", VERSION, request.version))
    digest = sha1(request.key.encode() + _GUID, usedforsecurity=False).digest()
    return (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", binascii.b2a_base64(digest, newline=False).decode()),
        *_subprotocol(request.subprotocols, subprotocols),
    )


def _subprotocol(offered: str, known: Sequence[str] | None) -> tuple[tuple[str, str], ...]:
    """Return the header field that chooses a subprotocol, if the client offers one (4.2.2, /5)."""
    if not offered:
        return ()
    expected = "a list of different tokens"
    try:
        names = parse_subprotocol(offered.strip(" \t"))
    except InvalidHeader:
        names = []
    if not names or len(set(names)) < len(names):  # section 4.1, point 10: they must be unique
        raise ProtocolError(_unexpected(SUBPROTOCOL, expected, offered))
    chosen = names if known is None else [name for name in known if name in names]
    return ((SUBPROTOCOL, chosen[0]),) if chosen else ()


def agree_to_compression(extensions: str) -> str | None:
    """Return the ``Sec-WebSocket-Extensions`` of the answer; None if no offer can be met.

    The server takes the first offer of permessage-deflate that it can meet (RFC 7692, section 5.1).
    It compresses each message by itself, with the same window for all clients.

    Raises:
        ProtocolError: the offers are not a list of extensions (RFC 6455, section 9.1).

    """
    for name, offer in _offers(extensions):
        agreed = _agree(offer) if name == NAME else None
        if agreed is not None:
            return build_extension([(NAME, agreed)])
    return None


def _offers(extensions: str) -> list[ExtensionHeader]:
    try:
        return parse_extension(extensions) if extensions else []
    except InvalidHeader:
        expected = "a list of extensions"
        raise ProtocolError(_unexpected("Sec-WebSocket-Extensions", expected, extensions)) from None


def _agree(offer: Sequence[ExtensionParameter]) -> list[ExtensionParameter] | None:
    try:
        agreed, extension = _COMPRESSION.process_request_params(offer, [])
    except NegotiationError:
        return None
    return agreed if extension.local_max_window_bits == WINDOW_BITS else None


def _check_upgrade(request: Request) -> None:
    if request.http_version != "HTTP/1.1":
        raise ProtocolError(f"a WebSocket begins with HTTP/1.1, not {request.http_version[:20]!r}")
    if "upgrade" not in names(request.connection):
        raise ProtocolError(_unexpected("Connection", "Upgrade", request.connection))
    if names(request.upgrade) != ["websocket"]:
        raise ProtocolError(_unexpected("Upgrade", "websocket", request.upgrade))


def _check_key(key: str) -> None:
    try:
        size = len(binascii.a2b_base64(key, strict_mode=True))
    except (binascii.Error, ValueError):  # a ValueError for characters that are not ASCII
        size = 0
    if size != _KEY_SIZE:
        raise ProtocolError(_unexpected("Sec-WebSocket-Key", "16 bytes in base64", key))


def _unexpected(name: str, expected: str, value: str) -> str:
    if not value:
        return f"missing {name}: {expected} is expected"
    return f"{name} is expected to be {expected}, not {value[:60]!r}"
