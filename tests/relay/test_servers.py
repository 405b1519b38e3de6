"""Several server processes with Redis between them, as their clients see them."""

import logging
import re

import gevent
import pytest
from greenlet import getcurrent

from django_socketio import NoSocket, RelayError
from django_socketio.concurrency.log_limits import Once
from django_socketio.events import on_error, on_event, on_message, on_subscribe
from django_socketio.relay.envelope import Envelope, EnvelopeKind
from django_socketio.relay.topics import channel_topic, everyone_topic, socket_topic
from django_socketio.security.signals import TOPIC
from tests.kit.clients import WebSocketClient, join
from tests.kit.waiting import wait_until
from tests.relay.conftest import A

OWN = re.compile(rb"\{(self,.*|control,.*)\}")
"""What a server process listens to without any socket."""


@pytest.fixture
def servers(redis_server, serve):
    """Two servers of one site."""
    pair = [serve(RELAY_URL=redis_server.url, RELAY_TIMEOUT=10) for _ in range(2)]
    for server in pair:
        server.wait_for_relay()
    return pair


def publish(server, topic, content):
    """Publish out of band in a server's process; return what it returns, or the error."""

    def run():
        try:
            return server.socket_server.channels.publish(
                Envelope((topic,), "/", "message", (content,))
            )
        except RelayError as error:
            return error

    return server.call(run)


def test_messages_cross_between_servers(servers):
    @on_message
    def say(request, socket, context, message):
        socket.broadcast_channel(message)

    here, there = join(servers[0], "a"), join(servers[1], "a")
    here.emit("message", "hello")
    assert there.event() == ["message", "hello"]
    assert here.sync() == []


class Observed(logging.Handler):
    """Notes for each entry whether the event loop itself, which must not wait, has written it."""

    def __init__(self):
        super().__init__()
        self.in_hub = []

    def emit(self, record):
        if "not handled here" in record.getMessage():
            self.in_hub.append(getcurrent() is gevent.get_hub())


@pytest.fixture
def observed(caplog, monkeypatch):
    monkeypatch.setattr("django_socketio.relay.envelope._ignored_kinds", Once(100))
    caplog.set_level(logging.DEBUG, "django_socketio.relay")
    handler = Observed()
    logging.getLogger("django_socketio.relay").addHandler(handler)
    yield handler
    logging.getLogger("django_socketio.relay").removeHandler(handler)


@pytest.mark.parametrize("topic", [A, TOPIC], ids=["sockets", "processes"])
def test_a_kind_that_is_not_handled_is_told_once_and_not_by_the_event_loop(
    servers, observed, topic
):
    client = join(servers[1], "a")
    for _ in range(3):
        envelope = Envelope((topic,), "/", "message", ("m",), kind=EnvelopeKind.REPLY)
        servers[0].call(lambda envelope=envelope: servers[0].socket_server.relay.publish(envelope))
    publish(servers[0], A, "last")
    assert client.event() == ["message", "last"]
    wait_until(lambda: observed.in_hub)
    assert observed.in_hub == [False]


def test_the_sender_gets_its_own_once_and_at_the_same_place(servers):
    @on_message
    def say(request, socket, context, message):
        socket.send_and_broadcast_channel(message)

    clients = [join(server, "a", "b") for server in servers]
    for number in range(20):
        for client in clients:
            client.emit("message", [client.id, number])
    seen = [[client.event()[1] for _ in range(40)] for client in clients]
    assert seen[0] == seen[1]
    assert [client.sync() for client in clients] == [[], []]


def test_all_kinds_of_topics_cross(servers):
    client = join(servers[1], "a")
    for topic in (channel_topic("/", "a"), everyone_topic("/"), socket_topic("/", client.id)):
        assert publish(servers[0], topic, str(topic)) == 1
        assert client.event() == ["message", str(topic)]


def test_binary_crosses(servers):
    client = join(servers[1], "a")
    publish(servers[0], channel_topic("/", "a"), {"file": b"\x00\xff"})
    assert client.receive() == '451-["message",{"file":{"_placeholder":true,"num":0}}]'
    assert client.receive() == b"\x00\xff"


def test_nobody_is_told_as_nobody(servers):
    client = join(servers[1], "a")
    client.ask("unsubscribe", "a")
    client.close()
    assert servers[1].call(servers[1].socket_server.open_sockets.wait_until_empty, 5)
    wait_until(lambda: publish(servers[0], channel_topic("/", "a"), "m") == 0)


def test_a_channel_is_subscribed_to_in_redis_only_while_somebody_is_on_it(redis_server, servers):
    def wanted():
        names = redis_server.client.pubsub_channels()
        return {name.decode().partition(":")[2] for name in names if not OWN.search(name)}

    client = join(servers[0], "a")
    assert wanted() == {"{channel,/,a}", "{everyone,/}", f"{{socket,/,{client.id}}}"}
    client.close()
    wait_until(lambda: wanted() == set())


def test_what_a_refusal_holds_back_never_arrives(servers):
    from django.core.exceptions import PermissionDenied

    @on_subscribe
    def refuse(request, socket, context, channel):
        publish_here(socket)
        raise PermissionDenied("no")

    def publish_here(socket):
        socket._server.channels.publish(
            Envelope((channel_topic("/", "a"),), "/", "message", ("leak",))
        )

    client = WebSocketClient(servers[0].port)
    client.connect()
    assert client.subscribe("a") == {"error": "no"}
    assert client.sync() == []


def test_servers_go_on_while_redis_is_away_and_meet_again(redis_server, servers):
    errors = []

    @on_event("local")
    def local(request, socket, context):
        return "served"

    @on_error
    def note(request, socket, context, exception):
        errors.append(exception)

    here, there = join(servers[0], "a"), join(servers[1], "a")
    publish(servers[0], channel_topic("/", "a"), "before")
    assert here.event() == there.event() == ["message", "before"]
    redis_server.stop()
    assert isinstance(publish(servers[0], channel_topic("/", "a"), "lost"), RelayError)
    assert here.ask("local") == ["served"]
    late = join(servers[1], "a")
    redis_server.start()
    for server in servers:
        server.wait_for_relay()
    publish(servers[0], channel_topic("/", "a"), "after")
    assert here.event() == there.event() == late.event() == ["message", "after"]
    gaps = {error.channel for error in errors if hasattr(error, "channel")}
    assert gaps == {"a"}


def test_out_of_band_functions_reach_other_processes(redis_server, servers, settings_with_relay):
    import django_socketio
    from django_socketio.channels import current

    client = join(servers[1], "a")
    # What a process that is no server does: a WSGI worker, a Celery task, a shell.
    servers_of_this_process = current.forget_all()
    try:
        assert django_socketio.broadcast_channel("from outside", "a") == 1
        with pytest.raises(NoSocket):
            django_socketio.send("nobody", "m")
    finally:
        for server in servers_of_this_process:
            current.add(server)
    assert client.event() == ["message", "from outside"]


@pytest.fixture
def settings_with_relay(redis_server):
    from django.test import override_settings

    from django_socketio.server import relays

    with override_settings(SOCKETIO_RELAY_URL=redis_server.url):
        yield
    for relay in relays.forget():
        relay.close()
