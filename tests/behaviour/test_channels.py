"""Channels, broadcasts and out-of-band messages: each test runs over every transport."""

import gevent
import pytest
from django.core.exceptions import PermissionDenied

import django_socketio
from django_socketio import ChannelError, NoSocket
from django_socketio.events import on_event, on_message, on_subscribe
from tests.kit.clients import WebSocketClient


@pytest.fixture
def three(server, connect):
    """Three clients: two on "a" and "b", one on no channel."""
    clients = [connect(server) for _ in range(3)]
    for client in clients[:2]:
        client.subscribe("a")
        client.subscribe("b")
    return clients


def run(code):
    """Have the server run ``code(socket)`` for a client that emits "run"."""

    @on_event("run")
    def handler(request, socket, context):
        code(socket)


def received(clients):
    return [
        [message for message in client.sync() if message.startswith("42")] for client in clients
    ]


HELLO = '42["message","hello"]'


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (lambda s: s.send("hello"), [1, 0, 0]),
        (lambda s: s.broadcast("hello"), [0, 1, 1]),
        (lambda s: s.broadcast_channel("hello", "a"), [0, 1, 0]),
        (lambda s: s.broadcast_channel("hello"), [0, 1, 0]),
        (lambda s: s.send_and_broadcast("hello"), [1, 1, 1]),
        (lambda s: s.send_and_broadcast_channel("hello", "a"), [1, 1, 0]),
        (lambda s: s.send_and_broadcast_channel("hello"), [1, 1, 0]),
    ],
)
def test_who_gets_what(three, code, expected):
    run(code)
    three[0].emit("run")
    assert received(three) == [[HELLO] * count for count in expected]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (lambda s: s.broadcast_channel("hello", "a"), [1, 1, 0]),
        (lambda s: s.broadcast_channel("hello"), [0, 0, 0]),
        (lambda s: s.send_and_broadcast_channel("hello", "a"), [1, 1, 1]),
        (lambda s: s.send_and_broadcast_channel("hello"), [0, 0, 1]),
    ],
)
def test_who_gets_what_of_a_sender_on_no_channel(three, code, expected):
    run(code)
    three[2].emit("run")
    three[2].sync()
    assert received(three[:2]) == [[HELLO] * count for count in expected[:2]]


def test_every_method_takes_an_event(three):
    def code(socket):
        socket.send(1, event="e")
        socket.broadcast(2, event="e")
        socket.broadcast_channel(3, "a", event="e")
        socket.send_and_broadcast(4, event="e")
        socket.send_and_broadcast_channel(5, "a", event="e")

    run(code)
    three[0].emit("run")
    assert three[0].sync() == ['42["e",1]', '42["e",4]', '42["e",5]']
    assert received(three)[1] == ['42["e",2]', '42["e",3]', '42["e",4]', '42["e",5]']


def test_the_sender_sees_its_message_at_the_same_place_as_everyone(server, connect):
    @on_message
    def say(request, socket, context, message):
        socket.send_and_broadcast_channel(message, "a")

    clients = [connect(server) for _ in range(3)]
    for client in clients:
        client.subscribe("a")
    for number in range(10):
        for client in clients:
            client.emit("message", number)
    seen = [[client.event() for _ in range(30)] for client in clients]
    assert seen[0] == seen[1] == seen[2]


def test_binary_reaches_both_transports_in_their_own_form(server, connect):
    client, other = connect(server), WebSocketClient(server.port)
    other.connect()
    for c in (client, other):
        c.subscribe("a")
    server.call(django_socketio.broadcast_channel, b"\x00\x01", "a")
    for c in (client, other):
        assert c.receive() == '451-["message",{"_placeholder":true,"num":0}]'
        assert c.receive() == b"\x00\x01"
    other.abandon()


def test_nothing_leaks_to_a_socket_that_is_refused(server, connect):
    @on_subscribe(channel="^secret")
    def refuse(request, socket, context, channel):
        assert socket.channels == ["secret"]
        django_socketio.broadcast_channel("leak", "secret")
        raise PermissionDenied("Not you")

    client = connect(server)
    assert client.subscribe("secret") == {"error": "Not you"}
    assert client.sync() == []
    with pytest.raises(NoSocket):
        server.call(_outcome, django_socketio.broadcast_channel, "m", "secret").check()


def test_nothing_is_missed_by_a_socket_that_is_accepted(server, connect):
    decide = gevent.event.Event()

    @on_subscribe
    def ponder(request, socket, context, channel):
        decide.wait(5)

    client, other = connect(server), connect(server)
    client.emit("subscribe", "a", id=1)
    other.sync()
    _wait_for_member(server, "a")
    server.call(django_socketio.broadcast_channel, "held", "a")
    server.call(decide.set)
    assert client.receive() == "431[true]"
    assert client.event() == ["message", "held"]


def _wait_for_member(server, channel):
    from django_socketio.relay.topics import channel_topic

    def wait():
        while not server.socket_server.channels.members(channel_topic("/", channel)):
            gevent.sleep(0.001)
        return True

    assert server.call(wait)


def test_a_failing_on_subscribe_admits_nobody(server, connect):
    @on_subscribe
    def fail(request, socket, context, channel):
        raise ValueError("no database")

    client = connect(server)
    assert client.subscribe("a") == {"error": "Internal error"}
    assert len(server.socket_server.channels) == 2  # everyone, and the socket's own id


def test_unsubscribing_in_on_subscribe_is_a_refusal_too(server, connect):
    @on_subscribe
    def refuse(request, socket, context, channel):
        socket.unsubscribe(channel)

    assert connect(server).subscribe("a") == {"error": "Permission denied"}


BAD_NAMES = [
    ("", "1 to 200 characters; got 0"),
    ("x" * 201, "1 to 200 characters; got 201"),
    ("a\x00", "no control characters"),
    ("\ud800", "no lone surrogates"),
    (7, "is a string; got int"),
    (None, "is a string; got NoneType"),
    ({"a": 1}, "is a string; got dict"),
]


@pytest.mark.parametrize(("channel", "told"), BAD_NAMES, ids=range(len(BAD_NAMES)))
def test_a_bad_channel_name_is_told(server, connect, channel, told):
    client = connect(server)
    assert told in client.subscribe(channel)["error"]
    assert client.subscribe("good") is True


def test_no_more_channels_than_the_limit(serve, connect):
    client = connect(serve(MAX_CHANNELS=2))
    assert client.subscribe("a") is client.subscribe("b") is True
    assert "SOCKETIO_MAX_CHANNELS" in client.subscribe("c")["error"]
    client.ask("unsubscribe", "a")
    assert client.subscribe("c") is True


def test_the_server_subscribes_and_unsubscribes_without_handlers(server, connect):
    calls = []

    @on_subscribe
    def note(request, socket, context, channel):
        calls.append(channel)

    @on_event("run")
    def handler(request, socket, context):
        with pytest.raises(ChannelError):
            socket.subscribe("")
        return [
            socket.subscribe("a"),
            socket.subscribe("a"),
            socket.channels,
            socket.unsubscribe("a"),
            socket.unsubscribe("a"),
        ]

    assert connect(server).ask("run") == [[True, False, ["a"], True, False]]
    assert calls == []


class _Outcome:
    def __init__(self, value=None, error=None):
        self.value, self.error = value, error

    def check(self):
        if self.error is not None:
            raise self.error
        return self.value


def _outcome(function, *args):
    try:
        return _Outcome(function(*args))
    except Exception as error:
        return _Outcome(error=error)


def test_out_of_band_messages_reach_their_receivers(server, three):
    call = server.call
    assert call(django_socketio.broadcast, "all") == 3
    assert call(django_socketio.broadcast_channel, {"to": "a"}, "a") == 2
    assert call(django_socketio.send, three[2].id, "you", "private") == 1
    assert received(three) == [
        ['42["message","all"]', '42["message",{"to":"a"}]'],
        ['42["message","all"]', '42["message",{"to":"a"}]'],
        ['42["message","all"]', '42["private","you"]'],
    ]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ((django_socketio.broadcast, "m"), "there is no socket"),
        ((django_socketio.broadcast_channel, "m", "a"), "no socket on the channel 'a'"),
        ((django_socketio.send, "nobody", "m"), "no socket with the session id 'nobody'"),
    ],
)
def test_no_socket_is_told(server, call, told):
    with pytest.raises(NoSocket, match=told):
        server.call(_outcome, *call).check()


def test_a_process_without_sockets_says_which_setting_helps():
    with pytest.raises(NoSocket, match="SOCKETIO_RELAY_URL"):
        django_socketio.broadcast("m")


def test_a_view_pushes_to_a_channel(server, connect):
    import urllib.request

    client = connect(server)
    client.subscribe("news")
    url = f"http://127.0.0.1:{server.port}/push/?channel=news&message=hello"
    with urllib.request.urlopen(url) as response:
        assert response.read() == b"1"
    assert client.event() == ["message", "hello"]


def test_namespaces_do_not_mix(server, connect):
    @on_message(namespace="/admin")
    def nothing(request, socket, context, message):
        pass

    client = connect(server)
    client.connect("/admin")
    client.subscribe("a")
    in_admin = {"namespace": "/admin"}
    assert not server.call(lambda: _outcome(_push, "admin", "a", in_admin)).value
    assert server.call(_push, "root", "a", {}) == 1
    assert server.call(lambda: django_socketio.broadcast("admin", **in_admin)) == 1
    assert client.receive() == '42["message","root"]'
    assert client.receive() == '42/admin,["message","admin"]'


def _push(message, channel, options):
    return django_socketio.broadcast_channel(message, channel, **options)
