"""permessage-deflate (RFC 7692) over real connections: handshakes, channels, limits."""

import json
import threading
import tracemalloc
import zlib
from contextlib import suppress
from socket import socketpair

import gevent.event
import pytest
from django.test.utils import override_settings
from websockets.sync.client import connect as websockets_connect

import django_socketio
from django_socketio import exceptions
from django_socketio.concurrency.timers import Timers
from django_socketio.concurrency.turns import Turns
from django_socketio.events import on_disconnect, on_error, on_event
from django_socketio.protocol.websocket.connection import WebSocketProtocol
from django_socketio.protocol.websocket.frames import frame
from django_socketio.transports.deflating import DeflatingTransport
from django_socketio.transports.encoded import EncodedPacket
from django_socketio.transports.websocket import WebSocketTransport
from django_socketio.transports.write_batch import WriteBatch
from tests.kit.clients import PollingClient
from tests.kit.frames import BINARY, CONT, FIN, RSV1, TEXT, compressed, inflated, sent
from tests.kit.http import TIMEOUT, raw_request, response
from tests.kit.live import LiveServer
from tests.kit.raw_websocket import WEBSOCKET_FIELDS, RawWebSocket, request

PATH = "/socket.io/?EIO=4&transport=websocket"
OFFER = "permessage-deflate; client_max_window_bits"
"""What browsers offer."""

AGREED = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; "

ROWS = [{"id": number, "name": f"name {number}", "state": "open"} for number in range(80)]
"""About 4 KB, as JSON."""


def wants(offer):
    return {**WEBSOCKET_FIELDS, "Sec-WebSocket-Extensions": offer}


@pytest.fixture
def server(serve):
    """A server that compresses."""
    return serve(COMPRESSION_THRESHOLD=1024)


class Subscriber(RawWebSocket):
    """On the channel "room", over a WebSocket by hand: frames are seen as they come."""

    def __init__(self, server, offer=OFFER):
        super().__init__(server.port, wants(offer), path=PATH)
        self.frame()
        for packet in ("40", '420["subscribe","room"]'):
            self.send(sent(TEXT, packet.encode()))
            self.answer = self.frame()[1]
        assert self.answer == b"430[true]"

    def whole(self):
        """Return the next frame as its bytes."""
        first, payload = self.frame()
        return bytes([first]) + frame(payload)[1:]


@pytest.fixture
def subscribe(server):
    """Open a subscriber by hand: ``subscribe(offer)``."""
    opened = []

    def open_one(offer=OFFER):
        opened.append(Subscriber(server, offer))
        return opened[-1]

    yield open_one
    for subscriber in opened:
        subscriber.socket.close()


def broadcast(server, message):
    return server.call(django_socketio.broadcast_channel, message, "room")


# The handshake


@pytest.mark.parametrize("offer", [OFFER, "foo\r\nSec-WebSocket-Extensions: permessage-deflate"])
def test_an_offer_is_agreed_to(server, offer):
    connection = RawWebSocket(server.port, wants(offer))
    assert b"\r\nSec-WebSocket-Extensions: " + AGREED in connection.head
    connection.leave()
    connection.socket.close()


@pytest.mark.parametrize("offer", ["permessage-deflate; server_max_window_bits=9", "foo"])
def test_a_connection_whose_offer_cannot_be_met_is_not_compressed(server, subscribe, offer):
    subscriber = subscribe(offer)
    assert b"Sec-WebSocket-Extensions" not in subscriber.head
    broadcast(server, ROWS)
    assert subscriber.frame()[0] == FIN | TEXT
    subscriber.send(compressed(TEXT, b"42[]"))
    assert subscriber.code() == 1002


def test_offers_that_cannot_be_read_are_refused(server):
    connection = raw_request(server.port, request(wants("permessage-deflate; ;"), path=PATH))
    status, answer = response(connection)
    assert status == 400
    assert "Sec-WebSocket-Extensions is expected to be a list" in json.loads(answer)["message"]


# Channels


def test_all_who_agreed_get_the_same_compressed_bytes_and_the_others_theirs(server, subscribe):
    offers = OFFER, "permessage-deflate", "permessage-deflate; server_max_window_bits=12"
    agreed, plain = [subscribe(offer) for offer in offers], subscribe("")
    polling = PollingClient(server.port)
    polling.connect()
    polling.subscribe("room")
    assert broadcast(server, ROWS) == 5
    text = polling.receive()
    assert json.loads(text[2:]) == ["message", ROWS]
    frames = {subscriber.whole() for subscriber in agreed}
    assert len(frames) == 1
    [whole] = frames
    assert whole[0] == FIN | RSV1 | TEXT
    assert inflated(whole, bits=12) == text
    assert len(whole) < len(text) / 3
    assert plain.whole() == frame(text)
    polling.abandon()


def test_short_messages_are_the_same_for_all(server, subscribe):
    agreed, plain = subscribe(), subscribe("")
    broadcast(server, "short")
    assert agreed.whole() == plain.whole() == frame('42["message","short"]')


@pytest.mark.parametrize(("size", "first"), [(1024, FIN | RSV1 | TEXT), (1023, FIN | TEXT)])
def test_the_threshold_is_that_of_the_setting(server, subscribe, size, first):
    agreed = subscribe()
    broadcast(server, "x" * (size - len('42["message",""]')))
    assert agreed.frame()[0] == first


def test_each_packet_of_a_binary_message_is_compressed_or_not_by_itself(server, subscribe):
    agreed = subscribe()
    broadcast(server, [bytes(5000), b"\x00\xff"])
    placeholders = [{"_placeholder": True, "num": number} for number in (0, 1)]
    first, payload = agreed.frame()
    assert (first, json.loads(payload[4:])) == (FIN | TEXT, ["message", placeholders])
    whole = agreed.whole()
    assert (whole[0], inflated(whole)) == (FIN | RSV1 | BINARY, bytes(5000))
    assert agreed.whole() == frame(b"\x00\xff")


def test_a_session_that_moves_to_a_websocket_is_compressed_from_then_on(server):
    polling = PollingClient(server.port)
    polling.connect()
    polling.subscribe("room")
    websocket = RawWebSocket(server.port, wants(OFFER), path=f"{PATH}&sid={polling.sid}")
    websocket.send(sent(TEXT, b"2probe"))
    assert websocket.frame() == (FIN | TEXT, b"3probe")
    websocket.send(sent(TEXT, b"5"))
    websocket.send(sent(TEXT, b'421["unsubscribe"]'))
    while not websocket.frame()[1].startswith(b"431"):
        pass
    broadcast(server, ROWS)
    assert websocket.frame()[0] == FIN | RSV1 | TEXT
    websocket.socket.close()


# What clients send


@pytest.fixture
def client(server):
    """The `websockets` package's client, which compresses all that it sends; it has connected."""
    url = f"ws://127.0.0.1:{server.port}{PATH}"
    with websockets_connect(url, compression="deflate", open_timeout=TIMEOUT) as websocket:
        assert [one.name for one in websocket.protocol.extensions] == ["permessage-deflate"]
        websocket.recv(TIMEOUT)
        websocket.send("40")
        websocket.recv(TIMEOUT)
        yield websocket


@pytest.mark.parametrize("message", ["ü", "x" * 200_000, ROWS])
def test_compressed_messages_reach_handlers_and_come_back(client, message):
    @on_event("echo")
    def echo(request, socket, context, value):
        return value

    client.send("421" + json.dumps(["echo", message]))
    assert json.loads(client.recv(TIMEOUT)[3:]) == [message]


def test_compressed_attachments_and_fragments_reach_handlers(client):
    @on_event("size")
    def size(request, socket, context, value):
        return len(value)

    client.send('451-2["size",{"_placeholder":true,"num":0}]')
    client.send([b"x" * 10_000, bytes(10_000), b"y"])
    assert client.recv(TIMEOUT) == "432[20001]"


@pytest.fixture(scope="module")
def echoed():
    """A connection of the `websockets` package to the raw echo, for many messages."""
    with override_settings(SOCKETIO_COMPRESSION_THRESHOLD=1):
        server = LiveServer()
        url = f"ws://127.0.0.1:{server.port}/echo/socket.io"
        with websockets_connect(url, compression="deflate", open_timeout=TIMEOUT) as connection:
            yield connection
        server.stop()


@pytest.mark.parametrize("size", [0, 1, 16, 125, 126, 1023, 1024, 65_535, 131_072, 900_000])
@pytest.mark.parametrize("kind", [str, bytes])
def test_messages_of_every_size_are_echoed(echoed, size, kind):
    payload = (b"0123456789abcdef%d " * (size // 16 + 1))[:size]
    message = payload.decode() if kind is str else payload
    echoed.send(message)
    assert echoed.recv(TIMEOUT) == message


# Limits


def bomb(size):
    compressor = zlib.compressobj(wbits=-15)
    zeros = bytes(1_000_000)
    data = b"".join(compressor.compress(zeros) for _ in range(size // len(zeros)))
    return data + compressor.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("fragments", [1, 3])
def test_a_bomb_ends_its_connection_only(server, subscribe, fragments):
    errors, reasons = [], []
    on_error(lambda request, socket, context, exception: errors.append(exception))
    on_disconnect(lambda request, socket, context: reasons.append(socket.disconnect_reason))
    thrower, other = subscribe(), subscribe()
    content = bomb(30_000_000)
    step = len(content) // fragments + 1
    for number, start in enumerate(range(0, len(content), step)):
        opcode, reserved = (CONT, 0) if number else (TEXT, RSV1)
        part, fin = content[start : start + step], number == fragments - 1
        thrower.send(sent(opcode, part, fin, key=bytes(4), reserved=reserved))
    assert thrower.code() == 1009
    assert broadcast(server, "still here") == 1
    assert other.frame()[1] == b'42["message","still here"]'
    assert [type(error) for error in errors] == [exceptions.MessageTooBig]
    assert reasons == ["transport error"]


def test_many_small_messages_that_become_large_are_read_as_they_are_handled(server, subscribe):
    taken, go, sizes = threading.Event(), gevent.event.Event(), []

    @on_event("hold")
    def hold(request, socket, context, value):
        taken.set()
        go.wait()
        sizes.append(len(value))

    subscriber, zeros = subscribe(), "0" * 900_000
    one = compressed(TEXT, f'42["hold","{zeros}"]'.encode())
    assert len(one) < 1000
    tracemalloc.start()
    try:
        subscriber.send(one * 60)
        assert taken.wait(TIMEOUT)
        for _ in range(10):
            server.call(gevent.idle)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()
    server.call(go.set)
    subscriber.send(sent(TEXT, b'427["unsubscribe"]'))
    assert subscriber.frame()[1].startswith(b"437")
    assert sizes == [900_000] * 60


@pytest.fixture
def stuck():
    """Return a transport, of this class, whose client reads nothing and whose kernel is full."""
    pairs = []

    def make(kind, *args):
        ours, theirs = socketpair()
        pairs.append((ours, theirs))
        ours.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                ours.send(b"x" * 1000)
        return kind(
            ours, b"", WebSocketProtocol(1000), WriteBatch(), Turns(), Timers(), 10_000, 60, *args
        )

    yield make
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


def taken(transport, message):
    """Return how many messages wait for a client until it is cut off, 100 at most."""
    transport.start(None)
    return [transport.send(EncodedPacket([message])) for _ in range(100)].count(True)


def test_what_waits_for_a_client_is_counted_as_it_leaves(stuck):
    message = "x" * 4000
    assert taken(stuck(WebSocketTransport), message) == 2
    assert taken(stuck(DeflatingTransport, 1024), message) == 100
    assert taken(stuck(DeflatingTransport, 5000), message) == 2
