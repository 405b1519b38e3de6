"""What the doctor tells of HTTP/2, from the bytes of a server."""

import ssl
import threading
from contextlib import suppress
from socket import create_server

import pytest

from django_socketio.diagnostics import http2
from django_socketio.diagnostics.address import Address

SETTINGS = b"\x00\x00\x0c\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"
"""A frame of two settings, with the first of them: 100 streams (RFC 9113, section 6.5.1)."""


@pytest.fixture
def examined(certificate, monkeypatch):
    """Return what is found of a server that answers HTTP/2 with some bytes."""
    key, chain = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    context.set_alpn_protocols(["h2"])

    def examined(answer):
        with create_server(("127.0.0.1", 0)) as listener:
            serving = threading.Thread(target=serve, args=(listener, answer))
            serving.start()
            port = listener.getsockname()[1]
            (finding,) = http2.examine(Address.parse(f"https://127.0.0.1:{port}"))
            serving.join()
        return finding

    def serve(listener, answer):
        connection, _ = listener.accept()
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
            assert secure.recv(1000).startswith(http2.PREFACE)
            secure.sendall(answer)

    return examined


@pytest.mark.parametrize(
    ("answer", "level", "text"),
    [
        (SETTINGS + b"\x00\x08\x00\x00\x00\x01", "note", "WebSockets within it (RFC 8441)"),
        (SETTINGS + b"\x00\x08\x00\x00\x00\x00", "ok", "connections of HTTP/1.1 for WebSockets"),
        (b"", "warning", "ended before the SETTINGS"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "warning", "begins with SETTINGS, not with b'HTTP"),
    ],
)
def test_what_a_server_says_of_websockets_is_told(examined, answer, level, text):
    finding = examined(answer)
    assert (finding.level, text in finding.text) == (level, True), finding


def test_without_tls_browsers_do_not_use_it():
    assert [*http2.examine(Address.parse("http://127.0.0.1:1"))] == []
