"""What leaves in one ``send``: that of a turn of the event loop, or of two after a broadcast."""

from socket import socketpair

import gevent
import pytest
from gevent.event import Event
from websocket import ABNF

from django_socketio.protocol.websocket.connection import CloseCode
from django_socketio.transports.write_batch import MANY, WriteBatch
from tests.kit.clients import WebSocketClient


class Subscriber:
    """Counts what is pending for it, and notes how much each flush has sent."""

    def __init__(self):
        self.pending = 0
        self.sent = []

    def flush(self):
        """Send all that is pending."""
        self.sent.append(self.pending)
        self.pending = 0


def settle():
    """Let the event loop turn until nothing is left to flush."""
    for _ in range(3):
        gevent.idle()


@pytest.fixture
def broadcasts():
    """Broadcast to some subscribers, then again when a message that has come by then is read."""
    loop = gevent.get_hub().loop
    ours, theirs = socketpair()
    reader = loop.io(ours.fileno(), 1)
    second = Event()

    def run(count):
        batch, subscribers = WriteBatch(), [Subscriber() for _ in range(count)]

        def broadcast():
            for subscriber in subscribers:
                if not subscriber.pending:
                    batch.add(subscriber)
                subscriber.pending += 1

        def read():
            reader.stop()
            loop.run_callback(broadcast)
            loop.run_callback(second.set)

        reader.start(read)
        theirs.send(b"a message")
        loop.run_callback(broadcast)
        assert second.wait(5)
        settle()
        return [subscriber.sent for subscriber in subscribers]

    with ours, theirs:
        yield run
        reader.close()


def test_few_get_what_a_turn_had_for_them_at_its_end(broadcasts):
    assert broadcasts(MANY - 1) == [[1, 1]] * (MANY - 1)


def test_many_get_what_has_come_meanwhile_in_the_same_send(broadcasts):
    assert broadcasts(MANY) == [[2]] * MANY


def test_many_get_theirs_though_nothing_else_comes():
    batch, subscribers = WriteBatch(), [Subscriber() for _ in range(MANY)]
    for subscriber in subscribers:
        batch.add(subscriber)
    settle()
    assert [subscriber.sent for subscriber in subscribers] == [[0]] * MANY


def test_one_that_fails_is_logged_and_the_others_get_theirs(caplog):
    class Broken(Subscriber):
        def flush(self):
            raise RuntimeError("broken")

    batch, subscribers = WriteBatch(), [Broken(), Subscriber()]
    for subscriber in subscribers:
        batch.add(subscriber)
    settle()
    assert subscribers[1].sent == [0]
    assert "broken" in caplog.text


@pytest.mark.parametrize("connected", [True, False])
def test_each_of_many_is_told_that_the_server_stops(server, connected):
    clients = [WebSocketClient(server.port) for _ in range(MANY + 20)]
    for client in clients if connected else []:
        client.connect()
    server.stop()
    for client in clients:
        opcode, payload = client.ws.recv_data(control_frame=True)
        assert (opcode, payload[:2]) == (ABNF.OPCODE_CLOSE, CloseCode.GOING_AWAY.to_bytes(2))
