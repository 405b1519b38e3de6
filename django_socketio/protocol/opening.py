"""The opening handshake of a WebSocket (RFC 6455, section 4.2), by the `websockets` package."""

from collections.abc import Iterable

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from django_socketio.protocol.frames import silent

_FIELDS = ("host", "upgrade", "connection", "origin", "sec-websocket-")


def accept(target: str, headers: Iterable[tuple[str, str]], version: str) -> Response:
    """Return the answer to a handshake request: 101, or what is wrong with it.

    Args:
        version: that of HTTP, as the request line names it.

    """
    response = _answer(target, headers, version)
    if response.status_code != 101:
        # Section 4.4: the client learns which version is spoken.
        response.headers["Sec-WebSocket-Version"] = "13"
    return response


def _answer(target: str, headers: Iterable[tuple[str, str]], version: str) -> Response:
    # Other fields, cookies say, may hold what the library would not take.
    fields = [field for field in headers if field[0].lower().startswith(_FIELDS)]
    protocol = ServerProtocol(logger=silent)
    try:
        return protocol.accept(Request(target, Headers(fields), "GET", version))
    except InvalidHeader:
        return protocol.reject(400, "a field of the handshake has a bad value\n")
