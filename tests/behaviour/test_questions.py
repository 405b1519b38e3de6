"""Calls to sockets whose login is not examined yet."""

import pytest

from django_socketio.channels.backlogs import Gate
from django_socketio.channels.calls import Callers
from django_socketio.channels.encoded_event import EncodedEvent
from django_socketio.channels.overlap import Overlap
from django_socketio.channels.registry import Channels
from django_socketio.concurrency.executors import InlineExecutor
from django_socketio.concurrency.timers import Timers
from django_socketio.relay.envelope import Envelope, EnvelopeKind, ReplyTo, StreamPosition
from django_socketio.relay.memory import MemoryRelay
from django_socketio.relay.topics import Topic, TopicKind, channel_topic
from django_socketio.sockets.acks import Acks
from django_socketio.sockets.life import ENDED
from django_socketio.sockets.questions import Questions

USER, GROUP = Topic(TopicKind.USER, "/", "7"), Topic(TopicKind.GROUP, "/", "8")
HALL = channel_topic("/", "hall")


class FakeSocket:
    """A socket of a user, which notes what it is sent."""

    id = "socket"
    namespace = "/"
    lifecycle = ENDED
    keeps_positions = False

    def __init__(self):
        self.subscriptions, self.audiences = self, (USER, GROUP)
        self.acks = Acks()
        self.sent = []

    def deliver(self, event):
        self.sent.append(event.id)
        return True


class Site:
    """The channels of a process with one socket, whose login nobody has examined."""

    def __init__(self):
        relay = MemoryRelay()
        timers, executor = Timers(lambda: 0.0), InlineExecutor()
        self.channels = Channels(relay, self.encode, 1000)
        self.callers = Callers(lambda: relay)
        self.questions = Questions(self.channels, self.callers, relay.unit, timers, executor)
        self.channels.kinds = {EnvelopeKind.CALL: self.questions.ask}
        self.socket = FakeSocket()
        gates = {topic: Gate(1000, lambda gate: None) for topic in (USER, GROUP)}
        self.channels.add_all(gates, self.socket)

    def encode(self, delivery):
        return EncodedEvent("/", ["who?"], None, '["who?"]', (), delivery)

    def ask(self, *topics):
        """Ask the sockets of topics; return the call."""
        reply_to = ReplyTo(self.callers.name, 60.0, True)
        envelope = Envelope(topics, "/", "who?", (), kind=EnvelopeKind.CALL, reply_to=reply_to)
        call = self.callers.begin(envelope.id, True)
        call.expect(self.channels.publish(envelope))
        return call


@pytest.mark.parametrize("topics", [(USER,), (USER, GROUP)])
def test_a_socket_that_ends_before_it_is_asked_is_not_waited_for(topics):
    site = Site()
    call = site.ask(*topics)
    assert (call.is_done, call.answers.asked) == (False, 1)
    site.channels.remove_from_all([USER, GROUP], site.socket)
    assert (call.is_done, call.answers.left, site.socket.sent) == (True, 1, [])


@pytest.mark.parametrize("topics", [(USER,), (USER, GROUP)])
def test_a_socket_is_asked_once_when_its_login_was_found_to_be_valid(topics):
    site = Site()
    call = site.ask(*topics)
    for topic in (USER, GROUP):
        site.channels.open_gate(topic, site.socket)
    site.channels.remove_from_all([USER, GROUP], site.socket)
    assert site.socket.sent == [0]
    assert (call.is_done, call.answers.left) == (False, 0)
    site.socket.acks.resolve(0, ["me"])
    assert [answer.value for answer in call.answers] == ["me"]


@pytest.mark.parametrize("topics", [(HALL, USER), (USER, HALL)], ids=["first", "last"])
def test_a_socket_that_has_read_the_log_of_a_channel_is_asked_at_once(topics):
    site = Site()
    site.channels.add(HALL, site.socket, pending=True)
    site.channels.skip(Overlap(HALL, StreamPosition("x", 5)), site.socket)
    site.channels.admit(HALL, site.socket)
    call = site.ask(*topics)
    assert site.socket.sent == [0]
    site.socket.acks.resolve(0, ["me"])
    assert [answer.value for answer in call.answers] == ["me"]


@pytest.mark.parametrize("end", [Channels.remove, Channels.admit], ids=["left", "admitted"])
def test_a_socket_is_asked_by_the_audience_that_concerns_it_whatever_a_channel_does(end):
    site = Site()
    site.channels.add(HALL, site.socket, pending=True)
    call = site.ask(HALL, USER)
    end(site.channels, HALL, site.socket)
    assert (call.is_done, site.socket.sent) == (False, [])
    site.channels.open_gate(USER, site.socket)
    assert site.socket.sent == [0]
