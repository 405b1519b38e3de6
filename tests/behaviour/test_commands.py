"""``disconnect``, ``subscribe`` and ``unsubscribe``: sockets are moved from anywhere."""

import pytest

from django_socketio import ChannelError, disconnect, subscribe, unsubscribe
from django_socketio.channels.backlogs import Gate
from django_socketio.channels.overlap import Overlap
from django_socketio.events import on_disconnect
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.topics import Topic, TopicKind, channel_topic
from tests.kit.clients import join
from tests.kit.waiting import wait_until


@pytest.fixture
def clients(server):
    clients = [join(server, "a"), join(server)]
    yield clients
    for client in clients:
        client.close()


def channels(server):
    def read():
        return sorted(one.socket.channels for one in server.socket_server.open_sockets)

    return server.call(read)


def test_sockets_of_a_channel_are_disconnected_for_a_reason(server, clients):
    reasons = []
    on_disconnect(lambda request, socket, context: reasons.append(socket.disconnect_reason))
    emitted = server.call(lambda: disconnect(channel="a", reason="banned"))
    assert emitted.received == 1
    assert clients[0].receive() == "41"
    assert clients[1].sync() == []
    wait_until(lambda: reasons)
    assert reasons == ["banned"]
    assert server.call(lambda: disconnect(session_id=clients[1].id)).received == 1
    assert clients[1].receive() == "41"
    wait_until(lambda: len(reasons) == 2)
    assert reasons[1] == "server namespace disconnect"


def test_sockets_are_put_on_a_channel_and_taken_off(server, clients):
    assert server.call(lambda: subscribe("b", channel="a")).received == 1
    wait_until(lambda: channels(server) == [[], ["a", "b"]])
    server.call(lambda: subscribe("b", session_id=[client.id for client in clients]))
    wait_until(lambda: channels(server) == [["a", "b"], ["b"]])
    server.call(lambda: unsubscribe("a", session_id=clients[0].id))
    wait_until(lambda: channels(server) == [["b"], ["b"]])
    server.call(lambda: unsubscribe("b"))
    wait_until(lambda: channels(server) == [[], []])


USER, GROUP = Topic(TopicKind.USER, "/", "7"), Topic(TopicKind.GROUP, "/", "8")


@pytest.mark.parametrize("audiences", [{"user": 7}, {"user": 7, "group": 8}], ids=["user", "both"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [([subscribe, unsubscribe], []), ([subscribe, unsubscribe, subscribe], ["b"])],
    ids=["off", "on again"],
)
def test_commands_keep_their_order_until_the_login_is_examined(
    server, clients, audiences, given, expected
):
    registry = server.socket_server.channels
    socket = next(iter(server.call(registry.members, channel_topic("/", "a"))))
    gates = {topic: Gate(1000, lambda gate: None) for topic in (USER, GROUP)}
    server.call(registry.add_all, gates, socket)
    for command in given:
        server.call(lambda do=command: do("b", **audiences))
    for topic in gates:
        server.call(registry.open_gate, topic, socket)
    clients[0].sync()
    assert socket.channels == ["a", *expected]
    server.call(registry.remove_from_all, gates, socket)


def test_a_command_by_a_channel_whose_log_was_read_is_no_event(server, clients):
    registry, hall = server.socket_server.channels, channel_topic("/", "hall")
    socket = next(iter(server.call(registry.members, channel_topic("/", "a"))))
    server.call(registry.add_all, {USER: Gate(1000, lambda gate: None)}, socket)
    server.call(lambda: registry.add(hall, socket, pending=True) and None)
    server.call(registry.skip, Overlap(hall, StreamPosition("x", 5)), socket)
    server.call(registry.admit, hall, socket)
    server.call(lambda: subscribe("b", user=7))
    server.call(lambda: unsubscribe("b", user=7, channel="hall"))
    server.call(lambda: subscribe("c", user=7, channel="hall"))
    server.call(registry.open_gate, USER, socket)
    assert clients[0].sync() == []
    assert socket.channels == ["a", "c"]
    server.call(registry.remove_from_all, (USER, hall), socket)


def test_too_many_channels_are_logged_and_harm_nobody(serve, caplog):
    server = serve(MAX_CHANNELS=1)
    client = join(server, "a")
    server.call(lambda: subscribe("b", channel="a"))
    wait_until(lambda: "SOCKETIO_MAX_CHANNELS" in caplog.text)
    assert client.sync() == []


def test_nobody_is_no_error(server):
    assert server.call(lambda: disconnect(user=[], channel="nobody")).received == 0


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (disconnect, TypeError),
        (lambda: disconnect(channel="a", reason=b"x"), ValueError),
        (lambda: disconnect(channel="a", reason="x" * 201), ValueError),
        (lambda: subscribe("b"), TypeError),
        (lambda: subscribe("", channel="a"), ChannelError),
        (lambda: unsubscribe(None, channel="a"), ChannelError),
    ],
)
def test_wrong_arguments_are_refused(command, error):
    with pytest.raises(error):
        command()
