"""``emit``: the sockets that it reaches, and what it returns and raises without any."""

import contextlib
import itertools
import random
import re
import subprocess
import sys
from contextlib import suppress
from datetime import date

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.utils import ConnectionDoesNotExist
from django.test import override_settings
from gevent import get_hub

from django_socketio import NoRelay, NoSocket, RelayError, broadcast, emit, emit_batch, relay_status
from django_socketio.channels import publish as channels
from django_socketio.exceptions import ChannelError, EventError
from django_socketio.publishing import sending
from django_socketio.publishing.emitting import new_envelope
from tests.kit.clients import join
from tests.kit.programs import ROOT


@pytest.fixture
def clients(server):
    """A client on "a", one on "a" and "b", and one on no channel."""
    clients = [join(server, *channels) for channels in (["a"], ["a", "b"], [])]
    yield clients
    for client in clients:
        client.close()


@pytest.fixture
def stored_sessions():
    """Have sessions in the database: those in cookies have no key."""
    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db"):
        yield


def received(clients):
    return [[one[2:] for one in client.sync() if one.startswith("42")] for client in clients]


SAVED = '["saved",1]'


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        ({}, [1, 1, 1]),
        ({"channel": "a"}, [1, 1, 0]),
        ({"channel": ["a", "b"]}, [1, 1, 0]),
        ({"channel": iter(["b", "b"])}, [0, 1, 0]),
        ({"channel": []}, [0, 0, 0]),
        ({"channel": "nobody"}, [0, 0, 0]),
        ({"session_id": "nobody", "user": 1, "session": "unknown"}, [0, 0, 0]),
        ({"namespace": "/admin"}, [0, 0, 0]),
    ],
)
def test_each_socket_of_the_audiences_gets_one_copy(clients, stored_sessions, audience, expected):
    emitted = emit("saved", 1, **audience)
    assert emitted
    assert (emitted.received, emitted.unit) == (sum(expected), "sockets")
    assert received(clients) == [[SAVED] * count for count in expected]


def test_a_socket_in_several_audiences_gets_one_copy(clients):
    id = clients[1].sid
    assert emit("saved", 1, channel=["b", "a"], session_id=[id, id]).received == 2
    assert received(clients) == [[SAVED], [SAVED], []]


def test_an_event_has_any_number_of_arguments(clients):
    emit("none", channel="b")
    emit("two", {"on": date(2026, 1, 2)}, [1], channel="b")
    assert received(clients)[1] == ['["none"]', '["two",{"on":"2026-01-02"},[1]]']


@pytest.mark.parametrize("value", [None, 5, b"room", {"room": 1}, [None], [["room"]]])
@pytest.mark.parametrize("name", ["channel", "session_id", "session"])
def test_a_value_that_is_no_audience_is_refused(stored_sessions, name, value):
    with pytest.raises((TypeError, ValueError)):
        emit("saved", **{name: value})


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (User(pk=3), "User is not JSON serializable: send a dictionary of its fields"),
        ({"users": [User.objects.all()]}, r"serializable: send list\(queryset\.values"),
        (User.objects, "UserManager is not JSON serializable$"),
        ({1}, "set is not JSON serializable$"),
    ],
)
def test_an_object_of_a_model_is_refused_by_an_error_that_says_what_to_send(server, value, advice):
    with pytest.raises(TypeError, match=advice):
        emit("saved", value, channel="room")


@pytest.mark.parametrize("channel", [None, ["room", None]])
def test_no_channel_is_no_audience_and_the_error_names_the_usual_cause(channel):
    with pytest.raises(
        ChannelError, match=r"socket\.event_channel is None .* socket\.channel\(name"
    ):
        emit("saved", channel=channel)


def test_names_that_cannot_be_are_refused_before_anything_is_sent(server):
    with pytest.raises(ChannelError):
        emit("saved", channel=["room", ""])
    with pytest.raises(EventError):
        emit("connect")
    with pytest.raises(EventError):
        emit("saved", namespace="a,b")
    with pytest.raises(TypeError, match="set"):
        emit("saved", {1}, channel="nobody", on_commit=True)


def test_sessions_in_cookies_are_no_audience(server):
    with pytest.raises(ValueError, match="SESSION_ENGINE"):
        emit("saved", session="key")


@pytest.fixture
def batches(monkeypatch):
    """The arguments of the events that are published together, and what tests add to them."""
    found = []

    def publish_all(envelopes):
        found.append([envelope.args for envelope in envelopes])
        return channels.publish_all(envelopes)

    monkeypatch.setattr(sending, "publish_all", publish_all)
    return found


class Blocks:
    """Events and other functions in nested transactions, of which some are rolled back."""

    def __init__(self, seed, calls):
        self.functions = set()
        self._random = random.Random(seed)
        self._calls = calls
        self._numbers = itertools.count()

    def run(self, depth):
        """Do some things in a transaction; return the numbers of those that its commit does."""
        done = []
        for _ in range(self._random.randrange(2, 6)):
            if depth < 3 and self._random.random() < 0.4:
                done += self._block(depth)
            else:
                done.append(self._add(next(self._numbers)))
        return done

    def _block(self, depth):
        with transaction.atomic():
            done = self.run(depth + 1)
            if is_undone := self._random.random() < 0.5:
                transaction.set_rollback(True)
        return [] if is_undone else done

    def _add(self, number):
        if self._random.random() < 0.8:
            emit("n", number, channel="b", on_commit=True)
        else:
            self.functions.add(number)
            transaction.on_commit(lambda: self._calls.append([(number,)]))
        return number


class TestCommit:
    def test_events_follow_the_commit_in_order(self, clients):
        first = {"number": 1}
        with transaction.atomic():
            emitted = emit("saved", first, channel="b", on_commit=True)
            emit("saved", 2, channel="b", on_commit="default")
            first["number"] = 3
            assert not emitted
            assert received(clients)[1] == []
        assert emitted
        assert emitted.received == 1
        assert received(clients)[1] == ['["saved",{"number":1}]', '["saved",2]']

    def test_nothing_is_sent_after_a_rollback(self, clients):
        with transaction.atomic():
            emitted = emit("saved", channel="b", on_commit=True)
            transaction.set_rollback(True)
        assert not emitted
        assert received(clients)[1] == []

    def test_an_audience_without_sockets_or_topics_is_accepted(self, clients):
        results = [emit("saved", channel=given, on_commit=True) for given in ("nobody", [])]
        assert [(bool(one), one.received) for one in results] == [(True, 0), (True, 0)]

    @pytest.mark.parametrize("value", [None, 0, 1, [], object()])
    def test_what_is_no_answer_and_no_database_is_refused(self, clients, value):
        with pytest.raises(TypeError, match=r"emit\(on_commit=.*alias of a database"):
            emit("saved", channel="b", on_commit=value)
        with pytest.raises(ConnectionDoesNotExist):
            emit("saved", channel="b", on_commit="unknown")
        assert received(clients)[1] == []

    def test_a_savepoint_that_is_rolled_back_takes_its_messages_along(self, clients):
        with transaction.atomic():
            emit("saved", 1, channel="b", on_commit=True)
            with contextlib.suppress(ZeroDivisionError), transaction.atomic():
                emit("saved", 2, channel="b", on_commit=True)
                raise ZeroDivisionError
            with transaction.atomic():
                emit("saved", 3, channel="b", on_commit=True)
        assert received(clients)[1] == ['["saved",1]', '["saved",3]']

    def test_events_that_follow_each_other_are_sent_together(self, clients, batches):
        with transaction.atomic():
            results = [emit("n", n, channel="b", on_commit=True) for n in range(3)]
            transaction.on_commit(lambda: batches.append("another function"))
            results += [emit("n", n, channel="b", on_commit=True) for n in (3, 4)]
        assert batches == [[(0,), (1,), (2,)], "another function", [(3,), (4,)]]
        assert [result.received for result in results] == [1] * 5
        assert received(clients)[1] == [f'["n",{n}]' for n in range(5)]

    def test_events_of_a_savepoint_that_was_rolled_back_are_not_sent(self, clients, batches):
        with transaction.atomic():
            emit("n", 0, channel="b", on_commit=True)
            with suppress(ZeroDivisionError), transaction.atomic():
                undone = emit("n", 1, channel="b", on_commit=True)
                _ = 1 / 0
            emit("n", 2, channel="b", on_commit=True)
            emit("n", 3, channel="b", on_commit=True)
        assert not undone
        assert received(clients)[1] == ['["n",0]', '["n",2]', '["n",3]']
        assert batches == [[(0,)], [(2,), (3,)]]

    def test_events_after_which_a_savepoint_was_rolled_back_are_sent(self, clients, batches):
        with transaction.atomic(), transaction.atomic():
            emit("n", 0, channel="b", on_commit=True)
            emit("n", 1, channel="b", on_commit=True)
            with suppress(ZeroDivisionError), transaction.atomic():
                emit("n", 2, channel="b", on_commit=True)
                _ = 1 / 0
        assert received(clients)[1] == ['["n",0]', '["n",1]']
        assert batches == [[(0,), (1,)]]

    @pytest.mark.parametrize("seed", range(50))
    def test_events_keep_their_order_whatever_is_rolled_back(self, clients, batches, seed):
        blocks = Blocks(seed, batches)
        with transaction.atomic():
            expected = blocks.run(0)
        sent = [number for batch in batches for (number,) in batch]
        assert sent == expected
        events = [f'["n",{number}]' for number in expected if number not in blocks.functions]
        assert received(clients)[1] == events

    def test_without_a_transaction_the_event_is_sent_at_once(self, clients):
        assert emit("saved", 1, channel="b", on_commit=True).received == 1


class TestNoRelay:
    def test_the_error_names_the_setting(self):
        with pytest.raises(NoRelay, match="SOCKETIO_RELAY_URL") as caught:
            emit("saved", channel="a")
        assert isinstance(caught.value, RelayError)
        assert not isinstance(caught.value, NoSocket)
        assert "runserver_socketio" in str(caught.value)

    def test_broadcasts_raise_as_in_0_3(self):
        with pytest.raises(NoSocket, match="SOCKETIO_RELAY_URL"):
            broadcast("hello")

    def test_each_event_of_a_transaction_is_counted(self, caplog):
        before = relay_status()["failed_after_commit"]
        with transaction.atomic():
            results = [emit("saved", channel="a", on_commit=True) for _ in range(3)]
        assert not any(results)
        assert caplog.text.count("was not sent after the commit") == 3
        assert relay_status()["failed_after_commit"] == before + 3

    def test_after_a_commit_it_is_logged_and_fails_nothing(self, caplog):
        before = relay_status()["failed_after_commit"]
        with transaction.atomic():
            emitted = emit("saved", channel="a", on_commit=True)
        assert not emitted
        assert "SOCKETIO_RELAY_URL" in caplog.text
        assert relay_status()["failed_after_commit"] == before + 1


def test_models_can_import_it_while_django_is_set_up():
    code = "import django_socketio as s\ntry: s.emit('saved')\nexcept s.NoRelay as e: print(e)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert "django.setup()" in run.stdout, run.stderr


class TestIdempotencyKey:
    def test_a_repeat_is_not_sent_and_gets_the_result_of_the_first(self, clients):
        first, repeat = (emit("saved", 1, channel="a", idempotency_key="order-7") for _ in "12")
        assert (first.received, first.is_repeat) == (2, False)
        assert (repeat.received, repeat.is_repeat, bool(repeat)) == (2, True, True)
        assert received(clients) == [[SAVED], [SAVED], []]

    def test_a_key_counts_for_an_event_and_its_audiences(self, clients):
        for event, to in [
            ("saved", "a"),
            ("sent", "a"),
            ("saved", "b"),
            ("saved", ["b", "a"]),
        ]:
            assert not emit(event, channel=to, idempotency_key="order-8").is_repeat
        assert emit("saved", channel=["a", "b"], idempotency_key="order-8").is_repeat

    def test_a_message_without_a_key_is_sent_again(self, clients):
        assert not any(emit("saved", 1, channel="b").is_repeat for _ in "12")
        assert received(clients)[1] == [SAVED, SAVED]

    @pytest.mark.parametrize("key", ["", "x" * 256, b"order", 7, ["order"]])
    def test_a_value_that_is_no_key_is_refused(self, clients, key):
        with pytest.raises((TypeError, ValueError), match="idempotency_key"):
            emit("saved", 1, channel="b", idempotency_key=key)
        assert received(clients)[1] == []

    def test_any_text_is_a_key(self, clients):
        for key in ("x" * 255, "\x00", "\ud800", "ü" * 255, " "):
            assert not emit("saved", 1, channel="b", idempotency_key=key).is_repeat
            assert emit("saved", 1, channel="b", idempotency_key=key).is_repeat

    def test_the_relay_does_not_show_a_key(self):
        envelope = new_envelope("paid", (), {"channel": "a"}, "/", None, "order-7 of Ann")
        assert re.fullmatch("[0-9a-f]{32}", envelope.once)
        with override_settings(SECRET_KEY="another"):
            other = new_envelope("paid", (), {"channel": "a"}, "/", None, "order-7 of Ann")
        assert other.once != envelope.once


class TestBatch:
    def test_events_are_sent_at_the_end_in_order_with_the_values_of_the_calls(self, clients):
        value = {"number": 1}
        with emit_batch() as batch:
            results = [
                batch.emit("saved", value, channel="b"),
                batch.emit("sent", channel="nobody"),
            ]
            results += [batch.emit("saved", 2, channel=["a", "b"]), batch.emit("saved", channel=[])]
            value["number"] = 3
            assert (len(batch), any(results)) == (4, False)
            assert received(clients)[1] == []
        assert [result.received for result in results] == [1, 0, 2, 0]
        assert all(results)
        expected = ['["saved",{"number":1}]', '["saved",2]']
        assert received(clients) == [expected[1:], expected, []]

    def test_an_error_in_the_block_leaves_all_unsent(self, clients):
        with pytest.raises(TypeError, match="set"), emit_batch() as batch:
            sent = batch.emit("saved", 1, channel="b")
            batch.emit("saved", {1}, channel="b")
        assert not sent
        assert received(clients)[1] == []

    def test_the_events_of_a_batch_can_have_keys(self, clients):
        with emit_batch() as batch:
            results = [
                batch.emit("n", n, channel="b", idempotency_key=f"n{n % 2}") for n in range(4)
            ]
        assert [result.is_repeat for result in results] == [False, False, True, True]
        assert received(clients)[1] == ['["n",0]', '["n",1]']

    def test_nothing_is_no_error(self, clients):
        with emit_batch():
            pass

    def test_events_of_a_native_thread_are_sent_by_the_event_loop(self, clients):
        def push():
            with emit_batch() as batch:
                results.append(batch.emit("saved", 1, channel="b"))

        results = []
        get_hub().threadpool.apply(push)
        assert results[0].received == 1
        assert received(clients)[1] == [SAVED]

    def test_without_a_relay_the_error_names_the_setting(self):
        with pytest.raises(NoRelay, match="SOCKETIO_RELAY_URL"), emit_batch() as batch:
            batch.emit("saved", channel="a")
