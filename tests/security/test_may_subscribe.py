"""The predicates of channels: who may subscribe."""

import logging

import pytest
from django.core.exceptions import PermissionDenied

from django_socketio.checks.channels import check_open_channels, check_personal_channels
from django_socketio.checks.handlers import check_handlers
from django_socketio.events import may_subscribe, on_message, on_subscribe, on_unsubscribe
from django_socketio.testing import SocketClient

DENIED = {"error": "Permission denied"}


@pytest.fixture
def client():
    one = SocketClient(headers={"X-Name": "ann"})
    one.connect()
    return one


def subscribe(client, channel):
    return client.emit("subscribe", channel)


def test_a_predicate_admits_and_refuses_before_the_handlers(client, caplog):
    caplog.set_level(logging.INFO, "django_socketio")
    seen = []

    @may_subscribe(channel="^room-")
    def members_only(request, channel):
        return channel == f"room-{request.headers['X-Name']}"

    @on_subscribe
    def note(request, socket, context, channel):
        seen.append(channel)

    @on_unsubscribe
    def left(request, socket, context, channel):
        seen.append(f"left {channel}")

    assert subscribe(client, "room-ann") is True
    assert subscribe(client, "room-bob") == DENIED
    assert subscribe(client, "lobby") is True
    assert seen == ["room-ann", "lobby"]
    assert client.socket.channels == ["room-ann", "lobby"]
    assert "subscribe to 'room-bob' refused by @may_subscribe" in caplog.text


def test_every_predicate_of_a_channel_must_admit(client):
    asked = []

    @may_subscribe
    def first(request, channel):
        asked.append("first")
        return "a" in channel

    @may_subscribe(channel="^.*b")
    def second(request, channel):
        asked.append("second")
        return channel != "ab!"

    assert subscribe(client, "ab") is True
    assert subscribe(client, "ab!") == DENIED
    assert subscribe(client, "b") == DENIED
    assert subscribe(client, "a") is True


def test_predicates_are_of_one_namespace(client):
    @may_subscribe(namespace="/admin")
    def never(request, channel):
        return False

    assert subscribe(client, "room-1") is True
    admin = SocketClient(namespace="/admin")
    admin.connect()
    assert subscribe(admin, "room-1") == DENIED


def test_a_coroutine_function_can_be_a_predicate(client):
    @may_subscribe
    async def one(request, channel):
        return channel == "open"

    assert subscribe(client, "open") is True
    assert subscribe(client, "closed") == DENIED


def test_a_predicate_may_refuse_with_a_text(client):
    @may_subscribe
    def one(request, channel):
        raise PermissionDenied("for members")

    assert subscribe(client, "room-1") == {"error": "for members"}


@pytest.mark.parametrize("answer", [None, "yes", 1, ["room-1"]])
def test_an_answer_that_is_no_bool_admits_nobody(caplog, answer):
    client = SocketClient(raise_exceptions=False)
    client.connect()

    @may_subscribe
    def one(request, channel):
        return answer

    assert subscribe(client, "room-1") == {"error": "Internal error"}
    assert f"must return True or False (@may_subscribe), not {answer!r}" in caplog.text
    assert client.socket.channels == []


def test_a_handler_that_subscribes_a_socket_is_not_asked(client):
    @may_subscribe
    def never(request, channel):
        return False

    @on_message
    def join(request, socket, context, message):
        return socket.subscribe(message)

    assert client.send("room-1") is True


def test_the_function_can_be_used_as_before_and_unregistered(client):
    @may_subscribe
    def never(request, channel):
        return False

    assert never(None, "room-1") is False
    may_subscribe.disconnect(never)
    assert subscribe(client, "room-1") is True


def test_a_pattern_of_a_predicate_names_channels_for_default_deny(serve, connect):
    @may_subscribe(channel="^room-")
    def rooms(request, channel):
        return channel != "room-2"

    client = connect(serve(DEFAULT_DENY=True))
    assert client.subscribe("room-1") is True
    assert client.subscribe("room-2") == DENIED
    assert client.subscribe("lobby") == DENIED


def test_the_checks_know_predicates():
    @on_message(channel="^user-1")
    def say(request, socket, context, message): ...

    assert [one.id for one in check_personal_channels()] == ["django_socketio.W011"]
    assert [one.id for one in check_open_channels()] == ["django_socketio.W012"]

    @may_subscribe(channel="^user-")
    def own(request, channel):
        return True

    @may_subscribe
    def wrong(request, socket, channel):
        return True

    assert check_personal_channels() == check_open_channels() == []
    (error,) = check_handlers()
    assert error.id == "django_socketio.E004"
    assert "called with the arguments (request, channel)" in error.msg
