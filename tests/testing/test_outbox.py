"""The outbox of a test, and the messages that stay in the process while tests run."""

import datetime
from decimal import Decimal
from unittest import mock

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import SimpleTestCase, TestCase, override_settings

from django_socketio import NoSocket, RelayError, broadcast, broadcast_channel, emit, emit_batch
from django_socketio.events import on_message
from django_socketio.testing import SocketClient, assert_emitted, assert_nothing_emitted, outbox

User = get_user_model()

AWAY = override_settings(SOCKETIO_RELAY_URL="redis://127.0.0.1:1", SOCKETIO_RELAY_TIMEOUT=0.2)
"""The address of a relay at which nothing listens."""


class OutboxTests(TestCase):
    def test_messages_of_handlers_are_in_it_but_no_answers(self):
        @on_message
        def say(request, socket, context, message):
            socket.send("for you")
            socket.broadcast_channel(message, "room-1", event="said")

        assert_nothing_emitted()
        SocketClient().connect().send(b"hello")
        message = assert_emitted("said", b"hello", channel="room-1")
        assert message.channels == ["room-1"]
        assert outbox == [message]

    def test_messages_are_found_by_their_audience(self):
        ann, group = User.objects.create_user("ann"), Group.objects.create(name="editors")
        emit("saved", {"id": 1}, channel=["a", "b"], user=ann, group=group, session_id="x")
        for audience in (
            {},
            {"channel": "a"},
            {"channel": ["b", "a"]},
            {"user": ann},
            {"user": ann.pk, "group": "editors"},
            {"session_id": "x"},
        ):
            assert_emitted("saved", {"id": 1}, **audience)
            assert_emitted("saved", **audience)
        for wrong in (
            {"channel": "c"},
            {"channel": ["a", "c"]},
            {"user": ann.pk + 1},
            {"namespace": "/admin"},
        ):
            with self.assertRaisesMessage(AssertionError, "was not emitted; these were emitted:"):
                assert_emitted("saved", **wrong)

    def test_a_failure_lists_the_messages(self):
        emit("saved", 1, channel="orders")
        broadcast_text = "'saved', 1 to the channel 'orders'\n  'notice', 'hello' to all of '/'"
        emit("notice", "hello")
        expected = f"'saved', 2 was not emitted; these were emitted:\n  {broadcast_text}"
        with self.assertRaisesMessage(AssertionError, expected):
            assert_emitted("saved", 2)
        with self.assertRaisesMessage(AssertionError, broadcast_text):
            assert_nothing_emitted()

    def test_messages_wait_for_the_commit(self):
        with self.captureOnCommitCallbacks(execute=True):
            emit("saved", channel="orders", on_commit=True)
            assert_nothing_emitted()
        assert_emitted("saved", channel="orders")

    def test_a_value_that_cannot_be_sent_fails_as_with_a_relay(self):
        with self.assertRaises(TypeError):
            emit("saved", object())
        assert_nothing_emitted()


def emit_on_commit(*args):
    emit(*args, on_commit=True)


def emit_in_a_batch(*args):
    with emit_batch() as batch:
        batch.emit(*args)


EMITS = pytest.mark.parametrize("send", [emit, emit_on_commit, emit_in_a_batch])

VALUES = [
    (Decimal("1.50"), "1.50"),
    (datetime.date(2030, 1, 2), "2030-01-02"),
    ((1, ({2: b"\x00"},)), [1, [{"2": b"\x00"}]]),
]
"""Values as they are given to ``emit``, and as clients receive them."""


class TestArguments:
    @EMITS
    @pytest.mark.parametrize(("given", "received"), VALUES)
    def test_they_are_found_as_given_and_as_received(self, send, given, received):
        send("paid", given, 1)
        for value in (given, received):
            message = assert_emitted("paid", value, 1)
            assert message.args == (received, 1)
            assert_emitted("paid", mock.ANY, 1)
            with pytest.raises(AssertionError, match=r"'paid', .*, 2 was not emitted"):
                assert_emitted("paid", value, 2)

    @EMITS
    def test_they_are_those_of_the_time_of_the_call(self, send):
        value = {"n": 1}
        send("saved", value)
        value["n"] = 2
        assert_emitted("saved", {"n": 1})

    def test_a_value_that_cannot_be_sent_is_compared_within_others(self):
        emit("saved", {"id": 7, "lines": [(Decimal(1), 2)]})
        assert_emitted("saved", {"id": mock.ANY, "lines": [(Decimal(1), mock.ANY)]})
        with pytest.raises(AssertionError):
            assert_emitted("saved", {"id": mock.ANY, "lines": [(Decimal(2), mock.ANY)]})


class Isolation(SimpleTestCase):
    def test_nobody_is_there_without_clients(self):
        assert emit("saved", 1).received == 0
        with self.assertRaises(NoSocket):
            broadcast("hello")

    @AWAY
    def test_no_message_leaves_the_process_although_a_relay_is_set(self):
        assert emit("saved", 1, channel="orders").received == 0
        assert_emitted("saved", 1, channel="orders")

    @AWAY
    def test_messages_leave_the_process_if_the_settings_say_so(self):
        with (
            override_settings(SOCKETIO_RELAY_IN_TESTS=True),
            self.assertRaises(RelayError),
        ):
            broadcast_channel("hello", "orders")


class InOrder(SimpleTestCase):
    """Each of the tests finds nothing of the one before."""

    def _send(self):
        assert_nothing_emitted()
        emit("saved", 1)
        emit("saved", 2)

    test_1 = test_2 = _send


class TestRepeats:
    @pytest.mark.parametrize("number", [1, 2])
    def test_a_key_counts_within_a_test(self, number):
        results = [emit("saved", n, channel="orders", idempotency_key="order-7") for n in range(3)]
        assert [result.is_repeat for result in results] == [False, True, True]
        assert [message.args for message in outbox] == [(0,)]

    def test_a_key_counts_with_a_client_as_without(self):
        emit("saved", channel="orders", idempotency_key="order-7")
        client = SocketClient()
        client.connect()
        assert emit("saved", channel="orders", idempotency_key="order-7").is_repeat
        assert [message.event for message in outbox] == ["saved"]

    def test_a_batch_is_in_the_outbox_with_the_values_of_its_calls(self):
        value = [1]
        with emit_batch() as batch:
            batch.emit("saved", value, channel="orders")
            batch.emit("saved", 2)
            value.append(2)
            assert_nothing_emitted()
        assert [message.args for message in outbox] == [([1],), (2,)]
