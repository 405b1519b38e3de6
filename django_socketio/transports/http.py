"""An HTTP request as the engine reads it, and the engine's answer."""

from collections.abc import Callable, Mapping
from enum import IntEnum
from http import HTTPStatus
from socket import socket
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from django_socketio.concurrency.tallies import REFUSALS
from django_socketio.exceptions import MessageTooBig
from django_socketio.protocol import json
from django_socketio.protocol.websocket import handshake as opening

Environ = dict[str, Any]

POLLING, WEBSOCKET = "polling", "websocket"

PLAIN = "text/plain; charset=UTF-8"

STOPPING = "The server is shutting down"
"""What new clients are told while the server stops."""

OVER = "the session is over"
"""What clients are told of a session that has ended; the reason may follow in parentheses."""

ONLY_POLLING = "This server does not support WebSocket; use transport=polling"
NO_WEBSOCKETS = (
    "This server does not support WebSocket. If gunicorn ends TLS itself (certfile), let a proxy "
    "such as nginx end it"
)
"""What clients of sockets, and of raw WebSockets, are told where connections cannot be hijacked."""

NOT_CACHED = ("Cache-Control", "private, no-store")
"""A header field of every answer. Older versions of Django's cache obey "private" only."""

Hijack = Callable[[socket, bytes, bytes], None]
"""Gets a hijacked connection, the head of the answer, which it sends, and the bytes that
the client sent after its handshake."""


def shown(value: str | None) -> str:
    """Return a value of a client as text for a log and for an answer."""
    return repr(value)[1:-1][:20] if value else "none"


class ErrorCode(IntEnum):
    """The errors of requests, with the numbers of Socket.IO's own server."""

    UNKNOWN_TRANSPORT = 0
    UNKNOWN_SID = 1
    BAD_HANDSHAKE_METHOD = 2
    BAD_REQUEST = 3
    FORBIDDEN = 4
    UNSUPPORTED_PROTOCOL_VERSION = 5


class Answer(NamedTuple):
    """An answer of the engine; middleware may answer instead."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", PLAIN), NOT_CACHED)
    hijack: Hijack | None = None
    """Takes the connection, with the head of the answer, from the HTTP server."""

    on_send: Callable[[], object] | None = None
    """Called where this answer is given, just before it is sent."""

    @property
    def status_line(self) -> str:
        """The status with its phrase, as WSGI wants it."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"


class RequestError(Exception):
    """A request that the engine refuses, with the message for the client and the status.

    ``reason`` is what the refusal is counted by, instead of the code.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        status: int = 400,
        headers: tuple[tuple[str, str], ...] = (),
        reason: str = "",
    ) -> None:
        super().__init__(message)
        self.headers = headers
        self.code = code
        self.status = status
        self.reason = reason or code.name.lower().replace("_", " ")

    def answer(self) -> Answer:
        """Return the refusal, in the form of Socket.IO's own server, and count it."""
        REFUSALS.add(self.reason)
        body = json.dumps({"code": int(self.code), "message": str(self)}).encode()
        fields = ("Content-Type", "application/json"), NOT_CACHED, *self.headers
        return Answer(self.status, body, fields)


def session_over(reason: str | None) -> RequestError:
    """Return the error of a request of a session that has ended."""
    problem = f"Session ID unknown: {OVER} ({reason})"
    return RequestError(ErrorCode.UNKNOWN_SID, problem)


def read_query(text: str) -> dict[str, str]:
    """Return the fields of a query string; of several with one name, the last."""
    if "%" in text or "+" in text:
        return dict(parse_qsl(text, keep_blank_values=True))
    # What clients send needs no decoding, and is read in a third of the time.
    fields = (field.partition("=") for field in text.split("&") if field)
    return {name: value for name, _, value in fields}


class EngineRequest(NamedTuple):
    """A request on the engine's path, read from a WSGI environ."""

    method: str
    query: Mapping[str, str]
    environ: Environ

    @classmethod
    def of(cls, environ: Environ) -> "EngineRequest":
        """Return the request that a WSGI environ describes."""
        return cls(environ["REQUEST_METHOD"], read_query(environ.get("QUERY_STRING", "")), environ)

    def __repr__(self) -> str:
        # Error reports show the variables of each frame.
        return f"<EngineRequest {self.method}>"

    @property
    def sid(self) -> str:
        """The session that the client names, empty for a handshake."""
        return self.query.get("sid", "")

    @property
    def version(self) -> str:
        """The version of Engine.IO that the client names, empty for none."""
        return self.query.get("EIO", "")

    def opening_request(self) -> opening.Request:
        """Return the header fields of a WebSocket handshake."""
        get = self.environ.get
        return opening.Request(
            self.environ["SERVER_PROTOCOL"],
            get("HTTP_CONNECTION", ""),
            get("HTTP_UPGRADE", ""),
            get("HTTP_SEC_WEBSOCKET_KEY", ""),
            get("HTTP_SEC_WEBSOCKET_VERSION", ""),
            get("HTTP_SEC_WEBSOCKET_EXTENSIONS", ""),
            get("HTTP_SEC_WEBSOCKET_PROTOCOL", ""),
        )

    def transport(self) -> str:
        """Return the transport that the client names ("Query parameters").

        Raises:
            RequestError: the transport is not supported.

        """
        transport = self.query.get("transport")
        if transport not in (POLLING, WEBSOCKET):
            raise RequestError(
                ErrorCode.UNKNOWN_TRANSPORT,
                f"Transport unknown: {shown(transport)} came, polling and websocket are spoken",
            )
        return transport

    @property
    def has_body(self) -> bool:
        """Whether the request announces a body."""
        length = self.environ.get("CONTENT_LENGTH") or "0"
        return length != "0" or "HTTP_TRANSFER_ENCODING" in self.environ

    def body(self, limit: int) -> bytes:
        """Return the request's body.

        Raises:
            MessageTooBig: it has more than ``limit`` bytes.

        """
        length = self.environ.get("CONTENT_LENGTH") or ""
        announced = int(length) if length.isdecimal() else 0
        body = b""
        if announced <= limit:
            body = self.environ["wsgi.input"].read(announced if length else limit + 1)
        if max(announced, len(body)) > limit:
            raise MessageTooBig(
                f"a payload has more than {limit} bytes (SOCKETIO_MAX_MESSAGE_SIZE)"
            )
        return body
