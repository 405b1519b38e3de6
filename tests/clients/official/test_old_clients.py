"""The official client of Socket.IO 2, beside clients of today, over each transport."""

import pytest
from django.core.exceptions import PermissionDenied

import django_socketio
from django_socketio.events import on_connect, on_disconnect, on_event, on_message
from tests.kit.http import get

OLD = {"ALLOW_EIO3": True}


@pytest.fixture
def server(serve):
    return serve(**OLD)


@pytest.fixture
def old(node, server, transport):
    """Connect a client of Socket.IO 2: ``old(namespace="/", …)``."""

    def start(namespace="/", **options):
        return node.connect(server, transport, namespace, old=True, **options)

    return start


TEXTS = ["", "žluťoučký kůň \u2028", "🦄 👩👩👧 4:4hey"]
VALUES = [*TEXTS, {"a": [1, None, {"b": "🦄"}]}, b"", b"\x00\xff\x04"]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_values_come_back(old, value):
    @on_event("echo")
    def echo(request, socket, context, *args):
        socket.emit("echoed", *args)
        return args

    client = old()
    assert client.ask("echo", value, "end") == [value, "end"]
    assert client.event() == ["echoed", value, "end"]


def test_several_attachments_in_both_directions(old):
    on_event("swap")(lambda request, socket, context, one, two: (two, {"one": one}))
    assert old().ask("swap", b"1" * 70_000, b"2") == [b"2", {"one": b"1" * 70_000}]


def test_the_server_asks_the_client(old, seen):
    @on_message
    def ask(request, socket, context, message):
        seen(socket.call("question", message, b"binary"))

    client = old()
    client.reply("question", "answer", b"\x01")
    client.emit("message", "hello")
    assert seen.next() == ("answer", b"\x01")


def test_clients_of_two_generations_share_a_channel(old, node, server, transport):
    @on_message(channel="^room-")
    def say(request, socket, context, message):
        socket.send_and_broadcast_channel(message)

    clients = [old(), node.connect(server, transport)]
    for client in clients:
        assert client.ask("subscribe", "room-1") == [True]
    for client, text in zip(clients, ("of old", "of today"), strict=True):
        client.emit("message", text)
        assert [other.event() for other in clients] == [["message", text]] * 2
    server.call(django_socketio.broadcast_channel, b"binary", "room-1")
    assert [client.event() for client in clients] == [["message", b"binary"]] * 2


def test_a_namespace_gets_its_query_as_auth(old, seen):
    @on_connect
    def main(request, socket, context):
        seen("/", socket.auth)

    @on_connect(namespace="/admin")
    def admin(request, socket, context):
        seen("/admin", socket.auth, request.GET["token"])

    old("/admin", query={"token": "ü", "n": 1})
    assert seen.take(2) == [("/", {}), ("/admin", {"token": "ü", "n": "1"}, "ü")]


def test_a_refused_namespace_is_an_error_with_its_text(node, server, transport):
    @on_connect(namespace="/admin")
    def refuse(request, socket, context):
        raise PermissionDenied("Not today")

    client = node.socket(server, transport, "/admin", old=True)
    assert client.next("connect_error") == {"message": "Not today"}


def test_ends_are_told_to_both_sides(old, seen):
    @on_disconnect
    def left(request, socket, context):
        seen(socket.disconnect_reason)

    @on_message
    def leave(request, socket, context, message):
        socket.disconnect()

    client = old()
    client.emit("message", "leave")
    assert client.next("disconnect")["reason"] == "io server disconnect"
    assert seen.next() == "server namespace disconnect"
    other = old()
    other.disconnect()
    assert other.next("disconnect")["reason"] == "io client disconnect"
    assert seen.next() in ("client namespace disconnect", "transport close")


def test_a_client_that_pings_stays_and_is_answered(node, serve, transport):
    server = serve(**OLD, PING_INTERVAL=0.1, PING_TIMEOUT=20)
    client = node.connect(server, transport, old=True)
    for _ in range(3):
        client.next("pong")
    assert not client.has("disconnect")


def test_without_the_setting_the_answer_says_what_to_do(serve):
    server = serve()
    status, body = get(server.port, "/socket.io/?EIO=3&transport=polling")
    assert (status, body["code"]) == (400, 5)
    assert "use a client of Socket.IO 3 or later, or SOCKETIO_ALLOW_EIO3 = True" in body["message"]
