"""HTTP/2 at the public address: which browsers use where they can, by TLS only."""

import struct
from collections.abc import Callable, Iterator

from django_socketio.diagnostics.address import TIMEOUT, Address, ended_after
from django_socketio.diagnostics.findings import Finding, note, ok, warning

HTTP2 = "http2"

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins with (RFC 9113, section 3.4), before its SETTINGS."""

FRAME_HEADER = struct.Struct(">HBBBI")
SETTING = struct.Struct(">HI")
SETTINGS = 0x4
NO_SETTINGS = FRAME_HEADER.pack(0, 0, SETTINGS, 0, 0)
ENABLE_CONNECT_PROTOCOL = 0x8
"""The setting by which a server takes WebSockets in streams of HTTP/2 (RFC 8441, section 3)."""

ONE_BY_ONE = (
    "Browsers use HTTP/1.1. They open at most six connections to a host at the same time, in all "
    "tabs together: further tabs with an event stream or long-polling wait."
)
IN_STREAMS = (
    "Browsers use HTTP/2, and open WebSockets within it (RFC 8441), which this command does not: "
    "it uses HTTP/1.1."
)


def examine(address: Address) -> Iterator[Finding]:
    """Yield whether browsers use HTTP/2, and whether for WebSockets as well."""
    if address.scheme == "https":
        try:
            yield _examine(address)
        except OSError as problem:
            yield warning(HTTP2, f"The address offers HTTP/2, and does not speak it: {problem}")


def _examine(address: Address) -> Finding:
    with address.connect_by_tls(protocols=("h2", "http/1.1")) as connection:
        if connection.selected_alpn_protocol() != "h2":
            return note(HTTP2, ONE_BY_ONE, "nginx: http2 on; (before 1.25.1: listen … ssl http2;)")
        connection.sendall(PREFACE + NO_SETTINGS)
        with ended_after(TIMEOUT, connection), connection.makefile("rb") as stream:
            settings = read_settings(stream.read)
    if settings.get(ENABLE_CONNECT_PROTOCOL):
        remedy = "If WebSockets fail in browsers only, have the proxy not offer RFC 8441."
        return note(HTTP2, IN_STREAMS, remedy)
    return ok(HTTP2, "Browsers use HTTP/2, and connections of HTTP/1.1 for WebSockets.")


def read_settings(read: Callable[[int], bytes]) -> dict[int, int]:
    """Return the settings in the first frame of a server (RFC 9113, sections 4.1 and 6.5).

    Raises:
        ConnectionError: it begins with something else.

    """
    head = read(FRAME_HEADER.size)
    if len(head) < FRAME_HEADER.size:
        raise ConnectionError("the connection ended before the SETTINGS of HTTP/2")
    high, low, kind, _, _ = FRAME_HEADER.unpack(head)
    if kind != SETTINGS:
        raise ConnectionError(f"HTTP/2 begins with SETTINGS, not with {head!r}")
    payload = read((high << 8) + low)
    return dict(SETTING.iter_unpack(payload[: len(payload) // SETTING.size * SETTING.size]))
