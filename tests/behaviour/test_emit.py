"""``emit``: the sockets that it reaches, and what it returns and raises without any."""

import contextlib
import subprocess
import sys
from datetime import date

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.utils import ConnectionDoesNotExist
from django.test import override_settings

from django_socketio import NoRelay, NoSocket, RelayError, broadcast, emit, relay_status
from django_socketio.exceptions import ChannelError, EventError
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
        emit("saved", namespace="admin")
    with pytest.raises(TypeError, match="set"):
        emit("saved", {1}, channel="nobody", on_commit=True)


def test_sessions_in_cookies_are_no_audience(server):
    with pytest.raises(ValueError, match="SESSION_ENGINE"):
        emit("saved", session="key")


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
