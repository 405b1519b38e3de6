"""A connection that the server has closed ends once its client has everything, or takes nothing."""

import gc
from socket import socketpair

import pytest

from django_socketio.concurrency.timers import Timers
from django_socketio.concurrency.turns import Turns
from django_socketio.protocol.websocket.connection import WebSocketProtocol
from django_socketio.protocol.websocket.frames import close_frame, frame
from django_socketio.protocol.websocket.message import Message
from django_socketio.transports.encoded import EncodedPacket
from django_socketio.transports.event_stream import EventStreamTransport
from django_socketio.transports.limits import Limits
from django_socketio.transports.websocket import WebSocketTransport
from django_socketio.transports.write_batch import WriteBatch
from tests.kit.frames import BINARY, PING, TEXT, closing, compressed, sent

CONTENT = b"x" * 3_000_000
"""Bytes of which the kernel takes a part only."""


class Pair:
    """A transport and the socket of its client, with a clock that a test sets."""

    def __init__(self):
        self.now = 0.0
        self.timers = Timers(lambda: self.now)
        self.ours, self.client = socketpair()
        self.ours.setblocking(False)
        self.client.setblocking(False)

    def wait(self, seconds):
        """Let time pass, in the steps in which timers are called."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.timers.next_due)
            self.timers.call_due()

    def read(self, size):
        """Read what has come, up to a size; None at the end."""
        try:
            return self.client.recv(size) or None
        except BlockingIOError:
            return b""


def accepted(pair, **options):
    protocol = WebSocketProtocol(1000, **options)
    sending = WriteBatch(), Turns(), pair.timers, 1000, Limits().send_timeout
    return WebSocketTransport(pair.ours, b"", protocol, *sending)


def websocket(pair):
    transport = accepted(pair)
    transport.start(None)
    transport.send(EncodedPacket([CONTENT]))
    return transport, frame(CONTENT) + close_frame(1000, "")


def event_stream(pair):
    transport = EventStreamTransport(pair.ours, b"", WriteBatch(), pair.timers, Limits())
    transport.send(CONTENT)
    return transport, CONTENT


@pytest.fixture
def pair():
    pair = Pair()
    yield pair
    pair.ours.close()
    pair.client.close()


kinds = pytest.mark.parametrize("begin", [websocket, event_stream])


@kinds
def test_a_client_that_reads_slowly_gets_everything(pair, begin):
    transport, content = begin(pair)
    transport.close(1000)
    received = b""
    while len(received) < len(content):
        received += pair.read(200_000)
        pair.wait(50)
    assert received == content
    pair.wait(4)
    assert pair.read(1) is None


@kinds
def test_a_client_that_takes_nothing_is_given_up(pair, begin):
    transport, content = begin(pair)
    transport.close(1000)
    pair.wait(59)
    assert transport.unsent
    pair.wait(2)
    assert not transport.unsent
    size = 0
    while (data := pair.read(1_000_000)) is not None:
        size += len(data)
    assert size < len(content)


def test_a_client_that_does_not_answer_a_close_frame_is_given_up(pair):
    transport, content = websocket(pair)
    while transport.unsent:
        transport.flush()
        pair.read(1_000_000)
    transport.close(1000)
    pair.wait(1.5)
    assert pair.read(1_000_000) == content[-4:]
    pair.wait(1.5)
    assert pair.read(1) is None


FLOODS = {
    "empty messages": sent(TEXT),
    "messages": sent(BINARY, b"x" * 900),
    "fragments": sent(TEXT, b"x", fin=False) + sent(0, b"x"),
    "messages that are long when they are inflated": compressed(TEXT, b"x" * 1000),
    "pings": sent(PING, b"x"),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
@pytest.mark.parametrize("is_read", [True, False])
def test_a_client_that_goes_on_sending_is_reset(pair, flood, is_read):
    transport = accepted(pair, compression=True)
    transport.start(None)
    if not is_read:
        transport.send(EncodedPacket([CONTENT]))
    transport.close(1000)
    transport.flush()
    with pytest.raises(BrokenPipeError):
        for _ in range(10_000):
            pair.client.send(flood)
            transport._read()


def test_a_message_on_its_way_resets_no_closed_connection(pair):
    transport = accepted(pair)
    transport.start(None)
    transport.close(1000)
    transport.flush()
    pair.client.send(sent(TEXT, b"x" * 1000) + sent(PING) * 10 + closing(1000))
    transport._read()
    transport.flush()
    assert pair.read(1000).startswith(close_frame(1000, ""))
    assert pair.read(1) is None
    pair.client.send(b"not refused")


class Pausing:
    """Pauses a transport at the first message."""

    def __init__(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.pause()

    def extra_received(self, frames, size):
        pass

    def transport_closed(self, reason, error):
        pass


RECEIVED = {
    "part of a message": sent(TEXT, b"x" * 900)[:800],
    "part of a fragmented message": sent(TEXT, b"x" * 800, fin=False),
    "messages for a listener that pauses": sent(TEXT, b"x" * 10) * 100,
    "frames of the next turn": sent(PING, b"x" * 10) * 200,
}


def size_of_texts(*objects):
    """Return the size of what objects, and those they refer to, have received."""
    texts = [one for one in objects if isinstance(one, str | bytes | bytearray)]
    others = [one for one in objects if isinstance(one, list | tuple | Message)]
    within = [size_of_texts(*gc.get_referents(one)) for one in others]
    return sum(map(len, texts)) + sum(within)


@pytest.mark.parametrize("received", RECEIVED.values(), ids=RECEIVED)
def test_a_closed_websocket_keeps_nothing_of_what_it_received(pair, received):
    transport = accepted(pair)
    transport.start(Pausing(transport))
    transport.feed(received)
    holders = transport, transport._protocol
    assert sum(size_of_texts(*gc.get_referents(one)) for one in holders) > 500
    transport.give_up()
    assert sum(size_of_texts(*gc.get_referents(one)) for one in holders) < 200
