"""The way of an event to its handlers, and the layers around it: no server is needed."""

import re
from types import SimpleNamespace

import pytest

from django_socketio import events
from django_socketio.events import on_connect, on_event, on_message, on_subscribe
from django_socketio.events.handlers import Registration
from django_socketio.events.pipeline import UNHANDLED, Layers, Pipeline


def socket_on(*channels):
    subscriptions = SimpleNamespace(names=channels, begin=None, asked=())
    subscriptions.join = lambda channel, pending: True
    subscriptions.read_replay = lambda channel: None
    socket = SimpleNamespace(namespace="/", event_channel=None, subscriptions=subscriptions)
    socket.tells_positions = False
    return socket


def pipeline_of(unhandled=lambda socket, name: None, **layers):
    return Pipeline(None, Layers(**layers), unhandled)


def send(pipeline, name, *args, channels=()):
    return pipeline.messages[name]("request", socket_on(*channels), {}, args)


class Recorder:
    """Makes layers that note when they are applied and when they run."""

    def __init__(self):
        self.applied, self.ran = [], []

    def layer(self, kind):
        def around(call, target):
            self.applied.append((kind, getattr(target, "name", target)))

            def note(*args):
                self.ran.append(kind)
                return call(*args)

            return note

        return around

    def of_handlers(self, call, handler):
        self.applied.append(("handler", handler.function.__name__))
        return call


@pytest.fixture
def recorder():
    return Recorder()


def test_each_kind_of_layer_stands_around_the_next(recorder):
    @on_event("typing")
    def typing(request, socket, context, *args):
        recorder.ran.append("function")
        return args

    pipeline = pipeline_of(
        messages=[recorder.layer("message")],
        events=[recorder.layer("outer"), recorder.layer("inner")],
        handlers=[recorder.layer("handler")],
    )
    assert send(pipeline, "typing", 1, 2) == (1, 2)
    assert recorder.ran == ["message", "outer", "inner", "handler", "function"]


def test_layers_are_applied_once_however_many_events_come(recorder):
    @on_message
    def echo(request, socket, context, message):
        return message

    pipeline = pipeline_of(
        messages=[recorder.layer("message")],
        events=[recorder.layer("event")],
        handlers=[recorder.of_handlers],
    )
    assert send(pipeline, "message", "first") == "first"
    applied = list(recorder.applied)
    assert ("message", "message") in applied
    assert ("event", "on_event('message')") in applied
    assert applied.count(("handler", "echo")) == 1
    assert [send(pipeline, "message", number) for number in range(3)] == [0, 1, 2]
    assert recorder.applied == applied


def test_a_layer_that_has_nothing_to_do_for_a_handler_costs_nothing():
    around = {}

    @on_event("plain")
    def plain(request, socket, context):
        return around["plain"]

    def only_for_others(call, handler):
        around[handler.function.__name__] = call
        return call

    pipeline = pipeline_of(handlers=[only_for_others])
    bare = send(pipeline, "plain")
    assert send(pipeline, "plain") is bare
    assert pipeline.messages["plain"] is pipeline.messages["plain"]
    (composed,) = pipeline.messages["plain"].__self__._calls.values()
    assert composed is bare


def test_a_layer_answers_or_refuses_in_the_place_of_the_handlers():
    @on_event("typing")
    def typing(request, socket, context):
        raise AssertionError("called")

    pipeline = pipeline_of(events=[lambda call, event: lambda *args: "instead"])
    assert send(pipeline, "typing") == "instead"


def test_an_event_layer_runs_also_where_there_are_no_handlers(recorder):
    pipeline = pipeline_of(events=[recorder.layer("event")])
    pipeline.connect("request", socket_on(), {}, ())
    assert recorder.ran == ["event"]


def test_names_that_clients_choose_are_layered_and_not_kept(recorder):
    unhandled = []
    pipeline = pipeline_of(
        lambda socket, name: unhandled.append(name), messages=[recorder.layer("message")]
    )
    kept = dict(pipeline.messages)
    for number in range(3):
        assert send(pipeline, f"unknown {number}") is UNHANDLED
    assert unhandled == ["unknown 0", "unknown 1", "unknown 2"]
    assert recorder.ran == ["message"] * 3
    assert pipeline.messages == kept


def test_subscribing_is_a_message_of_which_on_subscribe_is_the_event(recorder):
    @on_subscribe
    def admit(request, socket, context, channel):
        recorder.ran.append(channel)

    pipeline = pipeline_of(messages=[recorder.layer("message")], events=[recorder.layer("event")])
    assert send(pipeline, "subscribe", "room", channels=("room",)) is True
    assert recorder.ran == ["message", "event", "room"]


def test_a_callback_has_layers_as_handlers_have(recorder):
    pipeline = pipeline_of(events=[recorder.layer("event")], handlers=[recorder.layer("handler")])
    assert pipeline.answer("request", socket_on(), {}, (pow, 2, 5)) == 32
    assert recorder.ran == ["event", "handler"]


def test_handlers_that_come_and_go_are_seen():
    pipeline = pipeline_of()

    def first(request, socket, context):
        return "first"

    assert send(pipeline, "late") is UNHANDLED
    on_event("late")(first)
    assert send(pipeline, "late") == "first"
    on_event.named("late").disconnect(first)
    assert send(pipeline, "late") is UNHANDLED
    on_event("late", channel="^a")(first)
    assert send(pipeline, "late", channels=("a",)) == "first"
    assert send(pipeline, "late", channels=("b", "a")) == "first"
    assert send(pipeline, "late", channels=("b",)) is UNHANDLED


def test_servers_do_not_share_their_layers(recorder):
    @on_connect
    def connect(request, socket, context):
        return "connected"

    with_layer, without = pipeline_of(events=[recorder.layer("event")]), pipeline_of()
    for pipeline in (with_layer, without):
        assert pipeline.connect("request", socket_on(), {}, ()) == "connected"
    assert recorder.ran == ["event"]


def test_which_handlers_match_a_channel_is_worked_out_once():
    looked = []

    class Pattern:
        def match(self, channel):
            looked.append(channel)
            return re.match("a", channel)

    events.on_message.handlers.add(Registration(lambda *args: "matched", Pattern(), "/"))
    pipeline = pipeline_of()
    for _ in range(3):
        assert send(pipeline, "message", "m", channels=("a",)) == "matched"
    assert looked == ["a"]
    assert send(pipeline, "message", "m", channels=("b", "a")) == "matched"
    assert looked == ["a", "b"]
