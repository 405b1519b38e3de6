"""Publishing with the commits of several databases, without one, and warnings of DEBUG."""

import logging
from contextlib import nullcontext, suppress

import pytest
from django.db import connections, transaction
from django.db.transaction import TransactionManagementError
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import include, path

from django_socketio import (
    RelayError,
    broadcast,
    emit,
    emit_batch,
    emit_template,
    relay_status,
)
from django_socketio.publishing import sending
from django_socketio.relay.untried import not_tried
from tests.kit.clients import join


@pytest.fixture
def other():
    """The alias of another database."""
    connections.databases["other"] = {**connections.databases["default"], "NAME": ":memory:"}
    yield "other"
    connections["other"].close()
    del connections["other"], connections.databases["other"]


@pytest.fixture
def client(server):
    client = join(server, "b")
    yield client
    client.close()


def received(client):
    return [one[2:] for one in client.sync() if one.startswith("42")]


def saved(*numbers):
    return [f'["saved",{number}]' for number in numbers]


class Counting(list):
    """Functions for a commit; counts how often one of them is looked at."""

    seen = 0

    def __iter__(self):
        for one in super().__iter__():
            Counting.seen += 1
            yield one


def test_messages_among_many_other_functions_of_a_commit(client):
    """A commit of thousands took seconds: each message looked at all that were left."""
    count, order = 60, []
    with transaction.atomic():
        connections["default"].run_on_commit = Counting()
        for number in range(count):
            emit("saved", number, channel="b", on_commit=True)
            transaction.on_commit(lambda number=number: order.append(number))
    assert received(client) == saved(*range(count))
    assert order == [*range(count)]
    assert Counting.seen < 5 * count


class TestDatabases:
    def test_a_message_waits_for_the_database_that_is_named(self, client, other):
        with transaction.atomic(), transaction.atomic(other):
            emit("saved", 1, channel="b", on_commit="default")
            emit("saved", 2, channel="b", on_commit=other)
        assert received(client) == saved(2, 1), "the transaction of the other one ended first"

    def test_a_message_goes_with_the_database_that_is_rolled_back(self, client, other):
        with transaction.atomic():
            emit("saved", 1, channel="b", on_commit=True)
            with suppress(ZeroDivisionError), transaction.atomic(other):
                emit("saved", 2, channel="b", on_commit=other)
                emit("saved", 3, channel="b", on_commit=True)
                _ = 1 / 0
        assert received(client) == saved(1, 3)

    def test_true_means_the_database_that_has_a_transaction(self, client, other):
        with transaction.atomic(other):
            emitted = emit("saved", 1, channel="b", on_commit=True)
            assert not emitted
        assert emitted
        with suppress(ZeroDivisionError), transaction.atomic(other):
            emit("saved", 2, channel="b", on_commit=True)
            _ = 1 / 0
        assert received(client) == saved(1)

    def test_a_process_that_has_no_connection_opens_none(self, client, other, monkeypatch):
        opened = []
        monkeypatch.setattr(connections[other], "connect", lambda: opened.append(other))
        emit("saved", 1, channel="b", on_commit=other)
        assert (received(client), opened) == (saved(1), [])

    def test_a_site_without_a_database(self, client, monkeypatch):
        dummy = {**connections.databases["default"], "ENGINE": "django.db.backends.dummy"}
        monkeypatch.setitem(connections.databases, "none", dummy)
        emit("saved", 1, channel="b", on_commit="none")
        del connections["none"]
        assert received(client) == saved(1)

    @pytest.mark.parametrize("block", [transaction.atomic, nullcontext])
    def test_an_error_that_is_no_relay_error_fails_nothing_either(self, monkeypatch, caplog, block):
        def fail(messages, batches):
            raise OSError("on purpose")

        monkeypatch.setattr("django_socketio.publishing.deferring.publish_each", fail)
        before = relay_status()["failed_after_commit"]
        with block():
            results = [emit("saved", number, channel="b", on_commit=True) for number in (1, 2)]
        assert not any(results)
        assert caplog.text.count("was not sent after the commit: on purpose") == 2
        assert caplog.text.count("Traceback") == 2
        assert relay_status()["failed_after_commit"] == before + 2


class TestAutocommit:
    """Publishing for a commit on an open connection that is in no transaction."""

    @pytest.fixture(autouse=True)
    def tried(self, monkeypatch):
        """Return the numbers that were handed to the relay together; it refuses 13."""
        tried, publish_all = [], sending.publish_all

        def publish_some(envelopes):
            numbers = [one.args[0] for one in envelopes]
            tried.append(numbers)
            count = [*numbers, 13].index(13)
            error, left = RelayError("on purpose"), len(numbers) - count
            failed = [error, *not_tried(error, left - 1)] if left else []
            return [*publish_all(envelopes[:count]), *failed]

        monkeypatch.setattr(sending, "publish_all", publish_some)
        connections["default"].ensure_connection()
        return tried

    def test_a_batch_is_published_together_and_ends_with_the_first_error(self, client, tried):
        with emit_batch(on_commit=True) as batch:
            results = [batch.emit("saved", number, channel="b") for number in (1, 2, 13, 4)]
        assert received(client) == saved(1, 2)
        assert tried == [[1, 2, 13, 4]]
        assert [*map(bool, results)] == [True, True, False, False]

    def test_a_transaction_that_the_site_manages_is_refused(self, client):
        transaction.set_autocommit(False)
        try:
            with pytest.raises(TransactionManagementError):
                emit("saved", 1, channel="b", on_commit=True)
        finally:
            transaction.rollback()
            transaction.set_autocommit(True)
        assert received(client) == []


class TestBatch:
    def test_a_batch_waits_for_the_commit(self, client):
        with transaction.atomic():
            with emit_batch(on_commit=True) as batch:
                emitted = batch.emit("saved", 1, channel="b")
                batch.emit("saved", 2, channel="b")
            assert not emitted
            emit("saved", 3, channel="b", on_commit=True)
        assert emitted
        assert received(client) == saved(1, 2, 3)

    def test_a_batch_is_rolled_back(self, client):
        with suppress(ZeroDivisionError), transaction.atomic():
            with emit_batch(on_commit=True) as batch:
                batch.emit("saved", 1, channel="b")
            _ = 1 / 0
        assert received(client) == []

    def test_a_wrong_value_is_refused_at_once(self):
        with pytest.raises(TypeError, match=r"emit_batch\(on_commit=None\)"):
            emit_batch(on_commit=None).__enter__()


def in_a_view(request):
    emit("saved", 1, channel="b")
    return HttpResponse()


urlpatterns = [path("", include("django_socketio.urls")), path("saving/", in_a_view)]


@pytest.fixture
def warnings(caplog):
    """The warnings of a process under DEBUG."""
    caplog.set_level(logging.WARNING, "django_socketio.publishing")
    with override_settings(DEBUG=True):
        yield lambda: [one.getMessage() for one in caplog.records if "before the commit" in one.msg]


class TestWarnings:
    def test_a_transaction_without_on_commit(self, client, warnings):
        for number in range(3):
            with transaction.atomic():
                emit("saved", number, channel="b")
        assert received(client) == saved(0, 1, 2)
        (text,) = warnings()
        assert text.startswith(f"emit() in {__file__}:")
        assert "'default'" in text
        assert "on_commit=True" in text

    def test_each_call_site_is_named_once(self, client, warnings):
        with transaction.atomic():
            emit("saved", 1, channel="b")
            broadcast(2)
            with emit_batch() as batch:
                batch.emit("saved", 3, channel="b")
        names = [text.partition(" in ")[0] for text in warnings()]
        assert names == ["emit()", "broadcast()", "emit_batch()"]

    def test_what_is_meant_or_waits_or_has_no_transaction_is_not_named(self, client, warnings):
        with transaction.atomic():
            emit("saved", 1, channel="b", on_commit=False)
            emit("saved", 2, channel="b", on_commit=True)
            emit_template(channel="b", swap="refresh")
            with emit_batch(on_commit=False) as batch:
                batch.emit("saved", 3, channel="b")
        emit("saved", 4, channel="b")
        transaction.on_commit(lambda: emit("saved", 5, channel="b"))
        assert warnings() == []

    def test_only_under_debug(self, client, warnings):
        with override_settings(DEBUG=False), transaction.atomic():
            emit("saved", 1, channel="b")
        assert warnings() == []

    def test_the_transaction_of_another_database(self, client, warnings, other):
        with transaction.atomic(other):
            emit("saved", 1, channel="b")
        assert "'other'" in warnings()[0]

    def test_a_view_in_a_transaction(self, client, warnings, monkeypatch):
        monkeypatch.setitem(connections.databases["default"], "ATOMIC_REQUESTS", True)
        with override_settings(ROOT_URLCONF=__name__):
            assert Client().get("/saving/").status_code == 200
        (text,) = warnings()
        assert f"emit() in {__file__}:{in_a_view.__code__.co_firstlineno + 1}" in text
