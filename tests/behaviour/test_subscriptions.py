"""The topics of a socket, while the relay takes its time to bring or leave one of them."""

import pytest

from django_socketio.channels.registry import Channels
from django_socketio.relay.memory import MemoryRelay
from django_socketio.relay.topics import Topic, TopicKind, channel_topic
from django_socketio.sockets.encoder import Encoder
from django_socketio.sockets.subscriptions import Subscriptions
from tests.kit.receiver import Receiver

USER, OTHER = Topic(TopicKind.USER, "/", "7"), Topic(TopicKind.USER, "/", "8")
HALL = channel_topic("/", "hall")


class Relay(MemoryRelay):
    """Has something done, once, before it comes back from its next command."""

    def __init__(self):
        super().__init__()
        self.meanwhile = None

    def _wait(self):
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()

    def subscribe(self, *args, **options):
        self._wait()
        return super().subscribe(*args, **options)

    def unsubscribe(self, topic):
        super().unsubscribe(topic)
        self._wait()


class Socket(Receiver):
    """A socket, as its subscriptions use it, and the presence of its channels."""

    namespace = "/"

    def __init__(self):
        super().__init__(lambda encoded: encoded.data[1])
        self.present = set()

    def began(self, positions):
        pass

    left = began

    def follow(self, audiences):
        self.subscriptions.follow(audiences, None)


class Presence:
    """Notes on which channels sockets are."""

    def admitted(self, socket, channel):
        socket.present.add(channel)

    def left(self, socket, channel):
        socket.present.discard(channel)

    def ended(self, socket, channels):
        socket.present.difference_update(channels)


@pytest.fixture
def relay():
    return Relay()


@pytest.fixture
def channels(relay):
    channels = Channels(relay, Encoder().delivery, 1_000)
    channels.presence = Presence()
    return channels


@pytest.fixture
def socket(channels):
    socket = Socket()
    socket.subscriptions = Subscriptions(socket, channels, 10, None)
    socket.subscriptions.join_own((USER,))
    return socket


def test_a_socket_that_ends_while_it_leaves_its_user_joins_no_other(channels, relay, socket):
    relay.meanwhile = socket.subscriptions.leave_all
    socket.follow((OTHER,))
    assert len(channels) == 0


@pytest.mark.parametrize("last", [(), (USER,)], ids=["nobody", "the first"])
def test_the_last_of_several_users_counts(channels, relay, socket, last):
    relay.meanwhile = lambda: socket.follow(last)
    socket.follow((OTHER,))
    assert [topic for topic in (USER, OTHER) if channels.has(topic, socket)] == [*last]
    socket.subscriptions.leave_all()
    assert len(channels) == 0


def test_a_user_who_is_back_meanwhile_is_joined_once(channels, relay, socket):
    """What waits for the user's login is not replaced by nothing."""

    def come_back():
        socket.follow(())
        socket.subscriptions.follow((OTHER,), lambda gate: None)

    relay.meanwhile = come_back
    socket.follow((OTHER,))
    assert channels.backlogs(OTHER)[socket] is not None


def test_a_socket_may_end_while_it_leaves_a_channel(channels, relay, socket):
    socket.subscriptions.join("hall")
    relay.meanwhile = socket.subscriptions.leave_all
    assert socket.subscriptions.leave("hall")
    assert (len(channels), socket.present) == (0, set())


@pytest.mark.parametrize("end", ["leave", "leave_all"])
def test_nobody_is_present_on_a_channel_that_was_left_while_it_was_joined(
    channels, relay, socket, end
):
    args = ("hall",) if end == "leave" else ()
    relay.meanwhile = lambda: getattr(socket.subscriptions, end)(*args)
    socket.subscriptions.join("hall")
    assert (channels.has(HALL, socket), socket.present) == (False, set())
