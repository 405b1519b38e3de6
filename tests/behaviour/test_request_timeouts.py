"""Clients that open a connection and send nothing, or stop in the middle of a request."""

import logging
import socket
import struct
import time

import gevent
import pytest

from django_socketio.concurrency import log_limits
from django_socketio.server import deadlines
from tests.kit.clients import PollingClient
from tests.kit.http import raw_request, response
from tests.kit.live import connections
from tests.kit.logs import faults
from tests.kit.timeouts import look_at_connections
from tests.kit.waiting import wait_until

TIMEOUT = 0.2
HEAD = b"GET /fields/ HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def server(serve):
    return serve(REQUEST_TIMEOUT=TIMEOUT)


def ends(connection):
    """Wait until the server has closed a connection; return what came before."""
    return b"".join(iter(lambda: connection.recv(4096), b""))


@pytest.mark.parametrize("sent", [b"G", HEAD[:-1], HEAD, HEAD + b"X-Field"])
def test_a_head_that_stops_is_given_up(server, sent):
    assert ends(raw_request(server.port, sent)).startswith(b"HTTP/1.1 400 ")
    wait_until(lambda: connections(server) == 0)


def send_slowly(connection, byte):
    """Send a byte ten times in each time that a client has, until the server has given up."""
    begun = time.monotonic()
    with pytest.raises(ConnectionError):
        while time.monotonic() - begun < 20:
            connection.sendall(byte)
            time.sleep(TIMEOUT / 10)


def test_a_head_that_comes_byte_by_byte_is_given_up(server):
    connection = raw_request(server.port, b"")
    send_slowly(connection, b"G")
    wait_until(lambda: connections(server) == 0)


def post(server, length, sent):
    """Begin to send the body of a POST of a new session; return the connection."""
    path = PollingClient(server.port).path
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode()
    return raw_request(server.port, head + sent)


@pytest.mark.parametrize("length", ["Content-Length: 5", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("sent", [b"", b"4\r\n4"])
def test_a_body_that_stops_is_given_up(server, length, sent):
    assert ends(post(server, length, sent)).startswith(b"HTTP/1.1 400 ")
    wait_until(lambda: connections(server) == 0)


def waits_for_body(server):
    """Return whether the server waits for the body of a request."""
    found = [handler.deadlines for handler in server.server._wsgi.connections]
    return any(not one.reads_head and one._stream.waits_since() for one in found)


@pytest.mark.parametrize("length", ["Content-Length: 5", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("sent", [b"", b"4\r\n4"])
def test_so_is_one_whose_session_has_ended(serve, length, sent):
    server = serve(REQUEST_TIMEOUT=20)
    connection = post(server, length, sent)
    wait_until(lambda: server.call(waits_for_body, server))
    server.call(server.socket_server.engine.stop)
    look_at_connections(server, time.monotonic() + 20)
    assert ends(connection).startswith(b"HTTP/1.1 400 ")
    wait_until(lambda: connections(server) == 0)


def test_a_body_that_comes_byte_by_byte_is_given_up(server):
    client = PollingClient(server.port)
    head = f"POST {client.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n"
    connection = raw_request(server.port, head.encode())
    send_slowly(connection, b"4")
    wait_until(lambda: connections(server) == 0)


def test_half_a_head_behind_a_whole_request_is_given_up(server):
    connection = raw_request(server.port, HEAD + b"\r\n" + HEAD)
    assert response(connection)[0] == 200
    assert ends(connection).startswith(b"HTTP/1.1 400 ")


def test_a_body_that_comes_slowly_is_read(serve):
    server = serve(REQUEST_TIMEOUT=20)
    client = PollingClient(server.port)
    head = f"POST {client.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n"
    connection = raw_request(server.port, head.encode())
    for piece in (b"", b"4", b"0"):
        connection.sendall(piece)
        server.call(gevent.sleep, 0.05)  # it is read by itself
    assert response(connection) == (200, "ok")


def test_a_connection_without_a_request_is_closed(server, monkeypatch):
    monkeypatch.setattr(deadlines, "IDLE_TIMEOUT", TIMEOUT)
    silent, used = raw_request(server.port, b""), raw_request(server.port, HEAD + b"\r\n")
    assert response(used)[0] == 200
    assert ends(silent) == ends(used) == b""
    wait_until(lambda: connections(server) == 0)


def test_a_poll_that_waits_is_no_request_that_stops(server):
    client = PollingClient(server.port)
    client.connect()
    time.sleep(2 * TIMEOUT)
    assert client.subscribe("room") is True


@pytest.mark.parametrize("sent", [b"G", HEAD + b"X-Field"])
def test_the_log_says_why_and_by_which_setting(server, sent, caplog):
    caplog.set_level(logging.INFO, "django_socketio.server")
    ends(raw_request(server.port, sent))
    wait_until(lambda: faults(caplog))
    (record,) = faults(caplog)
    assert record.levelname == "INFO"
    text = "the head of a request took more than 0.2 s (SOCKETIO_REQUEST_TIMEOUT)"
    assert record.getMessage().endswith(text)


def test_the_log_says_that_a_body_stopped(server, caplog):
    caplog.set_level(logging.INFO, "django_socketio.server")
    client = PollingClient(server.port)
    head = f"POST {client.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
    ends(raw_request(server.port, head.encode()))
    wait_until(lambda: "SOCKETIO_REQUEST_TIMEOUT" in caplog.text)
    assert [record.levelname for record in faults(caplog)] == ["INFO"]
    assert "the body of a request came too slowly" in caplog.text


@pytest.mark.parametrize("sent", [HEAD[:-1], HEAD, HEAD + b"X-Field"])
def test_a_client_that_breaks_off_within_a_head_writes_nothing(serve, sent, caplog, capfd):
    server = serve(REQUEST_TIMEOUT=20)
    connection = raw_request(server.port, sent)
    wait_until(lambda: connections(server) == 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    wait_until(lambda: connections(server) == 0)
    assert faults(caplog) == []
    assert "Traceback" not in capfd.readouterr().err


def test_clients_cannot_fill_the_log_with_requests_that_are_none(server, caplog):
    for _ in range(2 * log_limits.WRITTEN):
        ends(raw_request(server.port, b"no request\r\n\r\n"))
    assert [record.levelname for record in faults(caplog)] == ["WARNING"] * log_limits.WRITTEN
    server.stop()  # which ends the interval
    more = f"{log_limits.WRITTEN} more like this within 10 s: Invalid request"
    wait_until(lambda: more in caplog.text)
