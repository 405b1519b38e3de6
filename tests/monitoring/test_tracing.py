"""Spans of OpenTelemetry: made by the real SDK, read from what it would export."""

import threading

import gevent
import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import transaction
from django.test import override_settings
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import django_socketio
from django_socketio import emit, in_thread
from django_socketio.channels import publish
from django_socketio.events import on_event
from django_socketio.monitoring.tracing import TracedRelay
from django_socketio.publishing.batches import emit_batch
from django_socketio.publishing.values import encode_default
from django_socketio.relay import wire
from django_socketio.relay.envelope import Envelope, EnvelopeKind
from django_socketio.relay.memory import MemoryRelay
from django_socketio.relay.topics import Topic, TopicKind
from django_socketio.server import retentions, tracing
from tests.kit.clients import join
from tests.kit.waiting import wait_until

EXPORTER = InMemorySpanExporter()


@pytest.fixture(scope="module", autouse=True)
def _provider():
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
    trace.set_tracer_provider(provider)  # which a process can do once


@pytest.fixture(autouse=True)
def _no_spans():
    EXPORTER.clear()


def named(name):
    """Return the only span of a name, once it has ended."""

    def found():
        return [span for span in EXPORTER.get_finished_spans() if span.name == name]

    wait_until(found, lambda: f"no {name!r} in {[s.name for s in EXPORTER.get_finished_spans()]}")
    (span,) = found()
    return span


def is_child(span, parent):
    return span.parent is not None and span.parent.span_id == parent.context.span_id


def in_view(server, function):
    """Call a function in the server, as a view within a span does."""

    def run():
        with trace.get_tracer("tests").start_as_current_span("view"):
            return function()

    return server.call(run)


def test_a_message_of_a_view_is_traced_to_its_delivery(serve):
    server = serve(TRACING=True)
    client = join(server)
    client.ask("subscribe", "news")
    in_view(server, lambda: emit("headline", "It rains", channel="news"))
    assert client.receive() == '42["headline","It rains"]'
    view, sent, delivered = named("view"), named("send headline"), named("deliver headline")
    assert is_child(sent, view)
    assert is_child(delivered, sent)
    assert (sent.kind, delivered.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert sent.attributes["messaging.destination.name"] == "channel,/,news"
    assert delivered.attributes["socketio.sockets"] == 1
    assert delivered.attributes["messaging.message.id"] == sent.attributes["messaging.message.id"]
    assert "It rains" not in sent.to_json() + delivered.to_json()


def test_an_event_of_a_client_begins_a_trace_that_its_handler_goes_on_with(serve):
    @on_event("say")
    def say(request, socket, context, text):
        socket.broadcast_channel(text, "room")

    server = serve(TRACING=True, METRICS=True)
    clients = [join(server) for _ in range(2)]
    for client in clients:
        client.ask("subscribe", "room")
    in_view(server, lambda: clients[0].send('42["say","Hello"]'))
    assert clients[1].receive() == '42["message","Hello"]'
    handled, sent, delivered = (
        named(f"handle {__name__}.{say.__qualname__}"),
        named("send message"),
        named("deliver message"),
    )
    assert handled.parent is None
    assert is_child(sent, handled)
    assert is_child(delivered, sent)
    assert handled.attributes["socketio.namespace"] == "/"
    assert handled.attributes["socketio.socket.id"] == clients[0].id


@pytest.mark.parametrize("error", [ValueError, gevent.Timeout])
def test_errors_are_noted_and_refusals_are_not(serve, error):
    @on_event("fail")
    def fail(request, socket, context):
        raise error()

    @on_event("refuse")
    def refuse(request, socket, context):
        raise PermissionDenied("not today")

    client = join(serve(TRACING=True))
    assert client.ask("fail") == [{"error": "Internal error"}]
    assert client.ask("refuse") == [{"error": "not today"}]
    failed = named(f"handle {__name__}.{fail.__qualname__}")
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == f"{error.__name__}: "
    refused = named(f"handle {__name__}.{refuse.__qualname__}")
    assert refused.status.status_code is StatusCode.UNSET
    assert refused.attributes["socketio.refused"] is True


def test_a_message_that_the_relay_does_not_take_is_an_error(serve):
    serve(TRACING=True)
    with pytest.raises(TypeError):
        emit("odd", object(), channel="news")
    assert named("send odd").status.status_code is StatusCode.ERROR


def test_events_of_clients_have_spans_whose_exporter_may_wait(serve, monkeypatch):
    export = EXPORTER.export

    def wait_and_export(spans):
        gevent.sleep(0)
        return export(spans)

    monkeypatch.setattr(EXPORTER, "export", wait_and_export)
    rules = {"^room-": ["typing"]}
    server = serve(TRACING=True, CLIENT_EVENTS=rules, MESSAGE_LOG_FORMAT=None)
    ann, bob = join(server, "room-1"), join(server, "room-1")
    ann.emit("channel", "room-1", "typing")
    assert bob.receive() == '42["typing"]'
    assert is_child(named("deliver typing"), named("send typing"))


def test_a_batch_is_one_span(serve):
    server = serve(TRACING=True)
    client = join(server)
    client.ask("subscribe", "news")

    def send():
        with emit_batch() as batch:
            batch.emit("one", channel="news")
            batch.emit("two", channel="news")

    in_view(server, send)
    assert [client.receive(), client.receive()] == ['42["one"]', '42["two"]']
    sent = named("send batch")
    assert is_child(sent, named("view"))
    assert sent.attributes["messaging.batch.message_count"] == 2
    assert is_child(named("deliver one"), sent)
    assert is_child(named("deliver two"), sent)


NEWS = Topic(TopicKind.CHANNEL, "/", "news")


@pytest.mark.parametrize("kind", [EnvelopeKind.CONTROL, EnvelopeKind.REPLY])
def test_commands_and_replies_have_no_spans_however_they_are_published(kind):
    relay = TracedRelay(MemoryRelay(encode_default, retentions.from_settings()))
    relay.publish(Envelope((NEWS,), "/", "told", (), kind=kind))
    assert relay.publish_all([]) == []
    assert len(relay.publish_all([Envelope((NEWS,), "/", "told", (), kind=kind)] * 2)) == 2
    assert EXPORTER.get_finished_spans() == ()


def test_a_batch_with_a_command_has_a_span_of_its_messages():
    saved, command = (
        Envelope((NEWS,), "/", "told", (), kind=kind)
        for kind in (EnvelopeKind.EVENT, EnvelopeKind.CONTROL)
    )
    assert (
        len(
            TracedRelay(MemoryRelay(encode_default, retentions.from_settings())).publish_all(
                [command, saved]
            )
        )
        == 2
    )
    assert named("send told").attributes["messaging.message.id"] == saved.id
    assert (command.trace, saved.trace is None) == (None, False)


def test_messages_that_are_tried_again_have_one_trace():
    relay = TracedRelay(MemoryRelay(encode_default, retentions.from_settings()))
    envelopes = [Envelope((NEWS,), "/", "told", ()) for _ in range(2)]
    for envelope in envelopes:
        envelope.encoded = wire.encode(envelope)
    relay.publish_all(envelopes)
    relay.publish_all(envelopes[1:])
    assert [one.encoded.count(b'"traceparent"') for one in envelopes] == [1, 1]
    assert wire.decode(envelopes[1].encoded).trace == envelopes[1].trace


def test_a_message_after_a_commit_is_traced(serve):
    server = serve(TRACING=True)
    client = join(server)
    client.ask("subscribe", "news")

    with trace.get_tracer("tests").start_as_current_span("view"), transaction.atomic():
        emit("saved", channel="news", on_commit=True)
    assert client.receive() == '42["saved"]'
    assert is_child(named("send saved"), named("view"))
    assert is_child(named("deliver saved"), named("send saved"))


def test_a_function_of_a_native_thread_goes_on_with_the_trace(serve):
    @on_event("work")
    def work(request, socket, context):
        return in_thread(lambda: bool(emit("worked", channel="news")))

    client = join(serve(TRACING=True))
    client.ask("work")
    handled = named(f"handle {__name__}.{work.__qualname__}")
    assert is_child(named("send worked"), handled)


def test_a_call_is_traced_to_the_clients_that_are_asked(serve):
    server = serve(TRACING=True)
    client = join(server)
    client.ask("subscribe", "news")
    asking = threading.Thread(
        target=in_view,
        args=(server, lambda: django_socketio.call("ready?", channel="news", wait="first")),
    )
    asking.start()
    id = client.receive().removeprefix("42").partition("[")[0]
    client.send(f'43{id}["yes"]')
    asking.join()
    assert is_child(named("send ready?"), named("view"))
    assert is_child(named("deliver ready?"), named("send ready?"))


@pytest.mark.redis
def test_traces_go_through_redis(serve, redis, monkeypatch):
    server = serve(TRACING=True, RELAY_URL=redis.url)
    client = join(server)
    client.ask("subscribe", "news")
    monkeypatch.setattr(publish, "current", lambda: None)  # as in a script
    with trace.get_tracer("tests").start_as_current_span("script"):
        emit("headline", channel="news")
    assert client.receive() == '42["headline"]'
    assert is_child(named("send headline"), named("script"))
    assert is_child(named("deliver headline"), named("send headline"))


def test_a_server_that_traces_nothing_has_no_part_of_it(server):
    assert type(server.socket_server.relay) is MemoryRelay
    emit("headline", channel="news")
    assert EXPORTER.get_finished_spans() == ()


@override_settings(SOCKETIO_TRACING=True)
@pytest.mark.parametrize("present", [(), ("opentelemetry",)], ids=["none", "other parts of it"])
def test_a_missing_package_is_told(monkeypatch, present):
    monkeypatch.setattr(tracing, "find_spec", lambda name: name if name in present else None)
    (error,) = [found for found in run_checks() if found.id == "django_socketio.E003"]
    assert "pip install 'django-socketio[opentelemetry]'" in error.msg
    with pytest.raises(ImproperlyConfigured, match="opentelemetry-api"):
        tracing.layers()
