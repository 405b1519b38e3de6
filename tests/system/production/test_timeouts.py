"""Deadlines of HTTP clients under gunicorn, with TLS and without, and what TLS clients do wrong."""

import contextlib
import json
import select
import socket
import ssl
import struct
import time
from http.client import HTTPException

import pytest

from tests.kit.http import HANDSHAKE, TIMEOUT, Https, raw_request
from tests.kit.servers import Gunicorn
from tests.kit.waiting import wait_until

SEND_OVERDUE = r"an answer was read too slowly, or not at all for 0.5 s \(SOCKETIO_SEND_TIMEOUT\)"
TLS_OVERDUE = r"its TLS handshake took more than 4 s \(SOCKETIO_REQUEST_TIMEOUT\)"
REQUEST = b"GET /large/ HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def tls(certificate):
    """A gunicorn that ends TLS, with two workers and its own deadlines."""
    key, path = certificate
    options = ["--keyfile", str(key), "--certfile", str(path)]
    server = Gunicorn(*options, workers=2, REQUEST_TIMEOUT="4", SEND_TIMEOUT="2")
    server.certificate = path
    yield server
    server.end()


def count(server, text):
    return server.output.count(text)


def is_gone(connection):
    """Whether the server has closed a connection, which may hold unread bytes."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


def shaken(server):
    """Return a connection after its TLS handshake, with a small window."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
    one.settimeout(TIMEOUT)
    one.connect(("127.0.0.1", server.port))
    return ssl.create_default_context(cafile=server.certificate).wrap_socket(
        one, server_hostname="localhost"
    )


def test_an_answer_that_is_not_read_is_given_up(gunicorn):
    server = gunicorn(SEND_TIMEOUT="0.5")
    with raw_request(server.port, REQUEST) as connection:
        wait_until(lambda: is_gone(connection))
    server.wait_for(SEND_OVERDUE)
    assert "Traceback" not in server.output


def test_an_answer_over_tls_that_is_not_read_is_given_up(tls):
    before = count(tls, "SOCKETIO_SEND_TIMEOUT")
    with shaken(tls) as connection:
        connection.sendall(REQUEST)
        wait_until(lambda: is_gone(connection))
    wait_until(lambda: count(tls, "SOCKETIO_SEND_TIMEOUT") > before)
    assert "Traceback" not in tls.output


def test_an_answer_that_is_carried_for_another_worker_is_given_up(tls):
    before = count(tls, "SOCKETIO_SEND_TIMEOUT")
    with carried_poll(tls) as connection:
        wait_until(lambda: is_gone(connection))
    wait_until(lambda: count(tls, "SOCKETIO_SEND_TIMEOUT") > before)
    assert "Traceback" not in tls.output


def carried_poll(server):
    """Return a connection with a large answer, of a session that the other worker holds."""
    for _ in range(100):
        https = Https(server.port, server.certificate)
        with contextlib.closing(https.connection):
            path = f"{HANDSHAKE}&sid={json.loads(https('GET', HANDSHAKE)[1][1:])['sid']}"
            assert https("POST", path, "40") == (200, "ok")
            assert https("GET", path)[1].startswith("40{")
            assert https("POST", path, f'421["message","{"x" * 900_000}"]') == (200, "ok")
        connection = shaken(server)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        if b"\r\nConnection: close\r\n" in connection.recv(1000):  # as what is carried says
            return connection
        connection.close()
    raise AssertionError("no request came to the other worker")


HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""How a ClientHello begins (RFC 8446, 4.1.2)."""


def test_tls_handshakes_that_stop_or_come_byte_by_byte_are_given_up(tls):
    stopped = [raw_request(tls.port, sent) for sent in (b"", HELLO)]
    begun = time.monotonic()
    with raw_request(tls.port, b"") as connection, pytest.raises(ConnectionError):
        for number in range(10_000):
            connection.sendall((HELLO + bytes(9_999))[number : number + 1])
            time.sleep(0.05)
    assert time.monotonic() - begun < TIMEOUT
    assert [one.recv(1) for one in stopped] == [b""] * 2
    tls.wait_for(TLS_OVERDUE, 3)
    assert "Traceback" not in tls.output


def test_tls_handshakes_that_fail_in_all_places_let_others_come_after_them(gunicorn, certificate):
    key, path = certificate
    options = ["--keyfile", str(key), "--certfile", str(path), "--worker-connections", "2"]
    server = gunicorn(*options, REQUEST_TIMEOUT="0.5")
    silent = [raw_request(server.port, b"") for _ in range(4)]
    assert [one.recv(1) for one in silent] == [b""] * 4
    wait_until(lambda: is_served(server, path))


def is_served(server, certificate):
    """Return whether a client is served that has little time for its handshake."""
    https = Https(server.port, certificate)
    with contextlib.closing(https.connection), contextlib.suppress(OSError, HTTPException):
        return https("GET", HANDSHAKE)[0] == 200


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


GARBAGE = [b"GET / HTTP/1.1\r\n\r\n", b"\x1b[2J\nINFO forged\n" + bytes(99), bytes(range(256))]


def test_garbage_instead_of_a_tls_handshake_is_a_line_each_then_a_number(gunicorn, certificate):
    key, path = certificate
    server = gunicorn("--keyfile", str(key), "--certfile", str(path))
    begun = len(server.output)
    for number in range(12):
        connection = raw_request(server.port, GARBAGE[number % 3])
        with connection, contextlib.suppress(ConnectionError):
            while connection.recv(4096):
                pass
    for sent in (HELLO, b""):
        for end in (reset, socket.socket.close):  # as health checks of load balancers do
            for _ in range(3):
                end(raw_request(server.port, sent))
    https = Https(server.port, path)
    with contextlib.closing(https.connection):
        assert https("GET", "/environ/")[0] == 200
    server.wait_for(r"\[INFO\] A TLS handshake failed", 5)
    server.end()
    server.wait_for("more like this within 10 s: A TLS handshake failed")
    written = server.output[begun:]
    assert written.count("A TLS handshake failed (from") == 6
    assert "Traceback" not in written
    assert "forged" not in written
    assert len(written) < 4_000


def test_a_tls_client_that_breaks_off_or_sends_garbage_later_writes_no_traceback(tls):
    post = b"POST /environ/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"
    for sent in (b"GET / HTTP/1.1\r\n", REQUEST, post, post + b"4"):
        for end in (reset, lambda connection: connection.send(b"garbage" * 99)):
            connection = shaken(tls)
            connection.sendall(sent)
            time.sleep(0.05)
            plain = socket.socket(fileno=connection.detach())
            with plain, contextlib.suppress(OSError):
                end(plain)
                plain.settimeout(TIMEOUT)
                while plain.fileno() >= 0 and plain.recv(65_536):
                    pass
    https = Https(tls.port, tls.certificate)
    with contextlib.closing(https.connection):
        assert https("GET", "/environ/")[0] == 200
    assert "Traceback" not in tls.output
