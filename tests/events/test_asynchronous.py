"""Handlers that return a coroutine although they are no coroutine functions: they have not run."""

import functools
from types import SimpleNamespace

import pytest

from django_socketio.events import (
    may_subscribe,
    on_connect,
    on_disconnect,
    on_event,
    on_join,
    on_message,
    on_subscribe,
    presence_info,
)
from django_socketio.events.pipeline import Pipeline
from django_socketio.namespaces import Namespace
from django_socketio.testing import SocketClient

HAS_NOT_RUN = r"\.late has not run: its call returned a .*must be asynchronous as well"


def plain(function):
    """Decorate a function as most decorators do: asynchronous ones are not awaited."""

    @functools.wraps(function)
    def decorated(*args):
        return function(*args)

    return decorated


@plain
async def late(*args):
    raise AssertionError("never called")


class Later:
    """An awaitable that is no coroutine."""

    def __await__(self):
        raise AssertionError("never awaited")


def handle(call, *args):
    subscriptions = SimpleNamespace(names=("room",))
    socket = SimpleNamespace(namespace="/", event_channel=None, subscriptions=subscriptions)
    return call("request", socket, {}, args)


@pytest.mark.parametrize(
    ("event", "call", "args"),
    [
        (on_connect, lambda pipeline: pipeline.connect, ()),
        (on_disconnect, lambda pipeline: pipeline.disconnect, ()),
        (on_message, lambda pipeline: pipeline.messages["message"], (1,)),
        (on_event("typing"), lambda pipeline: pipeline.messages["typing"], (1, 2)),
        (on_subscribe, lambda pipeline: pipeline.subscribe, ("room",)),
        (may_subscribe, lambda pipeline: pipeline.stays, ("room",)),
        (presence_info, lambda pipeline: pipeline.presence_info, ("room",)),
        (lambda function: None, lambda pipeline: pipeline.answer, (late, 1)),
    ],
)
def test_an_event_whose_handler_has_not_run_fails(event, call, args):
    event(late)
    with pytest.raises(TypeError, match=HAS_NOT_RUN):
        handle(call(Pipeline(None)), *args)


def test_so_does_one_with_any_awaitable():
    on_message(lambda *args: Later())
    with pytest.raises(TypeError, match="has not run: its call returned a Later"):
        handle(Pipeline(None).messages["message"], 1)


def test_presence_is_told_by_registrations_that_check_it_as_well():
    on_join(late)
    (registration,) = on_join.handlers
    with pytest.raises(TypeError, match=HAS_NOT_RUN):
        registration.call("room", None)


def test_nobody_is_admitted(caplog):
    class Chat(Namespace, namespace="/chat"):
        @plain
        async def on_connect(self):
            raise AssertionError("never called")

    on_connect(late, namespace="/late")
    on_subscribe(late)
    may_subscribe(late, channel="^asked")
    for namespace in ("/late", "/chat"):
        refused = SocketClient(namespace=namespace, raise_exceptions=False)
        with pytest.raises(Exception, match="Internal error"):
            refused.connect()
    client = SocketClient(raise_exceptions=False)
    client.connect()
    for channel in ("asked", "other"):
        assert client.emit("subscribe", channel) == {"error": "Internal error"}
    assert client.socket.channels == []
    for name in ("late", "Chat.on_connect"):
        assert f"{name} has not run: its call returned a coroutine" in caplog.text
