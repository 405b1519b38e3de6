"""Reading what comes on a connection that subscribes."""

import socket
import threading
from types import SimpleNamespace

import pytest
from redis._parsers import _RESP2Parser
from redis.exceptions import ConnectionError, InvalidResponse, MovedError, TimeoutError

from django_socketio.relay.redis.incoming import Incoming, IncomingReader

MESSAGES = (
    b"*3\r\n$9\r\nsubscribe\r\n$3\r\na\r\n\r\n:1\r\n"
    b"*3\r\n$7\r\nmessage\r\n$2\r\n\xc3\xbc\r\n$9\r\n1\r\n:7\r\n$2\r\n"
    b"*3\r\n$7\r\nmessage\r\n$0\r\n\r\n$0\r\n\r\n"
    b"*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n"
)
FOUND = [
    Incoming(b"subscribe", "a\r\n", b""),
    Incoming(b"message", "ü", b"1\r\n:7\r\n$2"),
    Incoming(b"message", "", b""),
    Incoming(b"sunsubscribe", "a", b""),
]


class Pieces:
    """A socket on which bytes come in pieces of a size."""

    def __init__(self, data, size):
        self._data, self._size = data, size

    def recv(self, count):
        piece, self._data = self._data[: self._size], self._data[self._size :]
        return piece

    def settimeout(self, seconds):
        """Do nothing: what it has, it has at once."""


def reader_of(sock):
    connection = SimpleNamespace(_sock=sock, socket_timeout=1, _parser=_RESP2Parser(1))
    return IncomingReader(connection, threading.Lock())


@pytest.fixture
def ends():
    """A reader, and the other end of its connection."""
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(1)
        yield reader_of(here), there


def test_messages_are_read_as_they_are(ends):
    reader, there = ends
    assert not reader.can_read(0)
    there.sendall(MESSAGES)
    assert reader.can_read(0)
    assert [reader.read() for _ in FOUND] == FOUND
    assert not reader.can_read(0)


@pytest.mark.parametrize("size", range(1, 40))
def test_messages_may_come_in_any_pieces(size):
    reader = reader_of(Pieces(MESSAGES, size))
    assert [reader.read() for _ in FOUND] == FOUND


def test_a_long_message_is_read(ends):
    reader, _ = ends
    long = b"x" * 3_000_000
    begin = b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$3000000\r\n"
    reader = reader_of(Pieces(begin + long + b"\r\n" + MESSAGES, 65_536))
    assert reader.read() == (b"message", "a", long)
    assert reader.read() == FOUND[0]


def test_an_error_is_raised_and_the_next_message_is_read(ends):
    reader, there = ends
    there.sendall(b"-MOVED 7 127.0.0.1:1\r\n" + MESSAGES)
    with pytest.raises(MovedError):
        reader.read()
    assert reader.read() == FOUND[0]


def test_what_is_no_message_is_refused(ends):
    reader, there = ends
    there.sendall(b"*2\r\n" + b"x" * 200)
    with pytest.raises(InvalidResponse):
        reader.read()


def test_half_a_message_that_goes_on_too_late_is_a_timeout(ends):
    reader, there = ends
    reader._sock.settimeout(0.01)
    there.sendall(MESSAGES[:20])
    with pytest.raises(TimeoutError):
        reader.read()


def test_the_end_of_the_connection_is_an_error(ends):
    reader, there = ends
    there.sendall(MESSAGES[:20])
    there.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionError):
        reader.read()
