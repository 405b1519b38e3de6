"""What a WebSocket has read and not delivered goes on in one turn at a time."""

from socket import socketpair

import pytest

from django_socketio.concurrency.timers import Timers
from django_socketio.protocol.websocket.connection import WebSocketProtocol
from django_socketio.transports.websocket import WebSocketTransport
from django_socketio.transports.write_batch import WriteBatch

MESSAGES = bytes.fromhex("8281000000007f8281000000007f") * 40  # more than a batch


class Turns:
    """Notes what is to be called, and calls it when it is told to."""

    def __init__(self):
        self.pieces = []

    def add(self, piece):
        self.pieces.append(piece)

    def run(self):
        pieces, self.pieces = self.pieces, []
        for piece in pieces:
            piece()


class Listener:
    """Takes messages; does something at a certain one."""

    def __init__(self, at=0, act=None):
        self.received = 0
        self._at, self._act = at, act

    def data_received(self, data):
        self.received += 1
        if self.received == self._at:
            self._act()

    def extra_received(self, frames, size):
        """Count nothing."""

    def transport_closed(self, reason, error):
        """Do nothing."""


@pytest.fixture
def transport():
    ours, theirs = socketpair()
    ours.setblocking(False)
    turns = Turns()
    protocol = WebSocketProtocol(1000)
    yield WebSocketTransport(ours, b"", protocol, WriteBatch(), turns, Timers(), 10_000, 60)
    ours.close()
    theirs.close()


def start(transport, listener):
    transport.start(listener)
    transport.feed(MESSAGES)
    assert len(transport._turns.pieces) == 1


def test_a_batch_that_closes_the_connection_is_followed_by_one(transport):
    listener = Listener()
    start(transport, listener)
    listener._at, listener._act = listener.received + 1, transport.close
    transport._turns.run()
    assert len(transport._turns.pieces) == 1


def test_one_that_is_resumed_before_its_turn_is_followed_by_one(transport):
    start(transport, Listener())
    transport.pause()
    transport.resume()
    assert len(transport._turns.pieces) == 1


def test_all_is_delivered_in_the_end(transport):
    listener = Listener()
    start(transport, listener)
    while transport._turns.pieces:
        transport._turns.run()
    assert listener.received == 80
