"""The short form of a namespace, "shop": each public function takes it for "/shop"."""

import pytest
from django.template import Context, Template
from django.test import TestCase, override_settings
from django.urls import include, path

from django_socketio import (
    EventError,
    EventStreamView,
    broadcast,
    broadcast_channel,
    call,
    disconnect,
    emit,
    emit_batch,
    emit_template,
    history,
    page_position,
    presence,
    presence_count,
    publish_model,
    send,
    sign_channel,
    subscribe,
    unsubscribe,
)
from django_socketio.events import may_subscribe, on_event
from django_socketio.testing import SocketClient, assert_emitted, stream_events
from tests.publishing.models import Order

FORMS = "shop", "/shop"

SIGNED = '{% load socketio_tags %}{% socketio_channel "a" anyone=True namespace=namespace %}'


def in_batch(client, namespace):
    with emit_batch() as batch:
        batch.emit("saved", 1, namespace=namespace)


def stream(request):
    return EventStreamView.as_view(channels=["a"], namespace=request.GET["of"])(request)


urlpatterns = [path("", include("django_socketio.urls")), path("stream/", stream)]

SENDING = [
    lambda client, namespace: emit("saved", 1, namespace=namespace),
    lambda client, namespace: emit("saved", 1, channel="a", namespace=namespace),
    lambda client, namespace: emit("saved", 1, channel=["a", "b"], namespace=namespace),
    lambda client, namespace: emit("saved", 1, session_id=client.id, namespace=namespace),
    lambda client, namespace: emit("saved", 1, keep=60, namespace=namespace),
    lambda client, namespace: broadcast(1, "saved", namespace),
    lambda client, namespace: broadcast_channel(1, "a", "saved", namespace),
    lambda client, namespace: send(client.id, 1, "saved", namespace),
    in_batch,
]

READING = [history, presence, presence_count, page_position]


@override_settings(
    ROOT_URLCONF=__name__,
    SOCKETIO_PRESENCE=["^a$"],
    SOCKETIO_HISTORY={"^a$": {"size": 9, "seconds": 60}},
)
class ShortNamespaceTests(TestCase):
    def setUp(self):
        on_event("hello", namespace="shop")(lambda request, socket, context: "hello")
        self.page = SocketClient(namespace="/shop").connect()
        self.page.subscribe("a")

    def test_events_are_sent(self):
        for publish in SENDING:
            for namespace in FORMS:
                publish(self.page, namespace)
                assert self.page.received[-1].args == (1,)
                self.page.received.clear()

    def test_a_template_is_sent_and_so_is_an_object(self):
        publication = publish_model(Order, "a", refresh=True, namespace="shop")
        self.addCleanup(publication.stop)
        with self.captureOnCommitCallbacks(execute=True):
            emit_template(swap="remove", target="#x", namespace="shop")
            emit_template(swap="remove", channel="a", namespace="shop")
            Order.objects.create(secret="x")
        assert len(self.page.received) == 3

    def test_a_key_of_one_form_is_that_of_the_other(self):
        for namespace in FORMS:
            emit("saved", 1, namespace=namespace, idempotency_key="key")
        assert len(self.page.received) == 1

    def test_clients_are_asked(self):
        self.page.answer("ask", 5)
        assert [call("ask", channel="a", namespace=one) for one in FORMS] == [5, 5]

    def test_what_is_known_of_a_channel_is_read(self):
        emit("saved", 1, channel="a", namespace="/shop")
        for read in READING:
            short, full = (read("a", namespace=namespace) for namespace in FORMS)
            assert short == full
            assert full

    def test_commands_reach_sockets(self):
        for namespace in FORMS:
            subscribe("b", channel="a", namespace=namespace)
            assert self.page.channels == ["a", "b"]
            unsubscribe("b", channel="a", namespace=namespace)
            assert self.page.channels == ["a"]
            disconnect(channel="a", namespace=namespace)
            assert not self.page.connected
            self.page.reconnect()

    def test_a_page_subscribes_by_a_token(self):
        for namespace in FORMS:
            written = Template(SIGNED).render(Context({"namespace": namespace}))
            for token in (written, sign_channel("a", anyone=True, namespace=namespace)):
                assert self.page.subscribe(token) is True

    @override_settings(DEBUG=True)
    def test_a_function_decides_on_a_channel_that_is_signed(self):
        may_subscribe(lambda user, channel: True, namespace="shop")
        for namespace in FORMS:
            with self.assertNoLogs("django_socketio.security"):
                sign_channel("a", user=1, namespace=namespace)

    def test_an_event_stream_is_in_the_namespace(self):
        for namespace in FORMS:
            stream = self.client.get("/stream/", {"of": namespace})
            emit("saved", 1, channel="a", namespace="/shop")
            assert stream_events(stream) == [("saved", 1)]

    def test_clients_of_tests_connect(self):
        for client in (SocketClient(namespace="shop"), SocketClient().of("shop")):
            assert client.namespace == "/shop"
            assert client.connect().emit("hello") == "hello"
            emit("saved", 1, namespace="/shop")
            client.assert_received("saved", 1)
            client.disconnect()

    def test_a_test_asserts_what_was_emitted(self):
        emit("saved", 1, channel="a", namespace="/shop")
        for namespace in FORMS:
            assert_emitted("saved", 1, namespace=namespace)
            assert_emitted("saved", 1, channel="a", namespace=namespace)
        with pytest.raises(AssertionError, match="was not emitted"):
            assert_emitted("other", namespace="shop")

    def test_names_that_cannot_be_are_refused_by_clients_of_tests(self):
        with pytest.raises(EventError, match="without commas"):
            SocketClient(namespace="a,b")
