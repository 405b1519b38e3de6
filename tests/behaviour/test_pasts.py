"""The places for readings of the past of topics."""

import gevent
import pytest
from gevent.event import Event

from django_socketio.channels.recovery import Past, Wanted
from django_socketio.concurrency.executors import InlineExecutor
from django_socketio.relay.envelope import Delivery, Envelope, LogRange, StreamPosition
from django_socketio.relay.topics import channel_topic
from django_socketio.sockets.pasts import AT_ONCE, HEADER, Pasts, Room


class Channels:
    """A relay that answers when the test says so."""

    def __init__(self):
        self.asked = []
        self.answers = Event()

    def past(self, topic, wanted):
        self.asked.append(topic.name)
        self.answers.wait()
        return LogRange((), None, is_complete=True)


class Executor(InlineExecutor):
    """A pool that has no place for workers that come back, until the test says so."""

    is_full = False

    def step_out(self, wait):
        wait()
        if self.is_full:
            raise gevent.Timeout


@pytest.fixture
def channels():
    return Channels()


def test_a_reading_that_is_interrupted_on_its_way_back_leaves_its_place(channels):
    executor = Executor()
    pasts = Pasts(lambda: channels, executor, max_bytes=1000)

    def read(names):
        wanted = Wanted(last=1)
        return [
            gevent.spawn(pasts.read, channel_topic("/", name), wanted, lambda one: True)
            for name in names
        ]

    first = read("abcd"[:AT_ONCE])
    interrupted = read("efgh")
    gevent.sleep(0)  # they wait for a place
    executor.is_full = True
    channels.answers.set()
    gevent.joinall([*first, *interrupted], timeout=5)
    assert [type(one.exception) for one in interrupted] == [gevent.Timeout] * 4
    executor.is_full = False
    second = read("ijkl"[:AT_ONCE])
    gevent.joinall(second, timeout=5)
    assert all(one.successful() for one in second)
    assert channels.asked == [*"abcd", *"ijkl"]


def test_missed_messages_that_have_no_room_are_told_as_incomplete():
    topic, position = channel_topic("/", "a"), StreamPosition("epoch", 2)
    one = Delivery(Envelope((topic,), "/", "said", ()), topic, None, ("1234", (b"567",)))
    missed, since = Past(topic, position, True, (one, one)), Wanted(StreamPosition("epoch", 0))
    nothing = Past(topic, position, True)
    size = HEADER + len("a1234567")
    room = Room(2 * size)
    assert room.take(missed, since) == missed
    assert room.take(missed, since) == Past(topic, position, False)
    assert room.take(nothing, since) == nothing
    assert Room(2 * size, each=1).take(missed, since) == Past(topic, position, False)
    assert Room(2 * size - 1).take(missed, Wanted(last=2)) == missed._replace(deliveries=(one,))
