"""What a handler that fails writes into the log, however often a client makes it fail."""

import logging
import math
from functools import wraps

import pytest

from django_socketio.concurrency import log_limits
from django_socketio.events import on_error, on_event
from tests.kit.clients import WebSocketClient
from tests.kit.waiting import wait_until

TIMES = 300


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch):
    monkeypatch.setattr(log_limits, "INTERVAL", 3600.0)


@pytest.fixture
def client(server):
    client = WebSocketClient(server.port)
    client.connect()
    return client


def make_fail(client, *event):
    for _ in range(TIMES):
        client.emit(*event)
    return client.ask(*event, id=1)


def end_interval(server):
    """Call all timers, as if their time had come; those of sessions would end them."""

    errors = server.socket_server.pipeline.failures.errors

    def ring():
        ended = errors._repeats._end_interval
        for _, _, timer in sorted(server.socket_server.timers._heap):
            if getattr(timer.callback, "func", None) == ended:
                server.socket_server.timers._call(timer, math.inf)

    server.call(ring)


def size_of(caplog):
    return sum(len(caplog.handler.format(record)) for record in caplog.records)


def test_an_error_that_repeats_is_written_a_few_times_and_counted(server, client, caplog):
    @on_event("fail")
    def fail(request, socket, context, text):
        raise ValueError(text)

    assert make_fail(client, "fail", "on purpose") == [{"error": "Internal error"}]
    assert caplog.text.count("Traceback") == log_limits.WRITTEN
    end_interval(server)
    more = TIMES + 1 - log_limits.WRITTEN
    wait_until(lambda: f"{more} more errors like ValueError('on purpose')" in caplog.text)
    client.ask("fail", "again", id=2)
    assert caplog.text.count("Traceback") == log_limits.WRITTEN + 1


def test_errors_of_different_places_are_written_all(client, caplog):
    @on_event("first")
    def first(request, socket, context):
        raise ValueError("of the first")

    @on_event("second")
    def second(request, socket, context):
        raise ValueError("of the second")

    make_fail(client, "first")
    make_fail(client, "second")
    for text in ("of the first", "of the second"):
        assert caplog.text.count(f"ValueError: {text}") == log_limits.WRITTEN


def test_other_texts_are_not_other_errors(client, caplog):
    """Or a client could write as much as it likes by having its own words in the error."""

    @on_event("fail")
    def fail(request, socket, context, text):
        raise ValueError(text)

    for number in range(TIMES):
        client.emit("fail", str(number))
    client.ask("fail", "last")
    assert caplog.text.count("Traceback") == log_limits.WRITTEN


def test_errors_of_on_error_are_counted_too(client, caplog):
    @on_event("fail")
    def fail(request, socket, context):
        raise ValueError

    @on_error
    def fail_again(request, socket, context, exception):
        raise KeyError

    make_fail(client, "fail")
    assert caplog.text.count("A handler of on_error failed") == log_limits.WRITTEN


@pytest.mark.parametrize("args", [(), ("a", "b"), ("a", "b", "c")])
def test_other_arguments_than_the_handler_takes_are_told_in_a_line(client, caplog, args):
    errors = []

    @on_event("one")
    def one(request, socket, context, argument):
        raise AssertionError("called")

    @on_error
    def note(request, socket, context, exception):
        errors.append(exception)

    assert make_fail(client, "one", *args) == [{"error": "Wrong number of arguments"}]
    assert len(errors) == TIMES + 1
    assert isinstance(errors[0], TypeError)
    assert "Traceback" not in caplog.text
    lines = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(lines) == log_limits.WRITTEN
    assert f"does not take the {len(args)} argument(s) that the client sent" in lines[0]
    assert size_of(caplog) < 5_000


def test_wrong_arguments_of_one_handler_do_not_hide_those_of_another(client, caplog):
    @on_event("first")
    def first(request, socket, context):
        pass

    @on_event("second")
    def second(request, socket, context):
        pass

    make_fail(client, "first", 1)
    make_fail(client, "second", 1)
    for name in ("first", "second"):
        assert caplog.text.count(f"<locals>.{name}(") == log_limits.WRITTEN


def test_an_answer_with_other_arguments_is_told_in_a_line(client, caplog):
    @on_event("ask me")
    def ask(request, socket, context):
        socket.emit("question", callback=lambda answer: None)

    client.emit("ask me")
    assert client.receive() == '420["question"]'
    client.send("430[1,2,3]")
    wait_until(lambda: "does not take the 3 argument(s)" in caplog.text)
    assert "Traceback" not in caplog.text


def test_a_type_error_within_a_handler_is_an_error_of_the_handler(client, caplog):
    @on_event("fail")
    def fail(request, socket, context, argument):
        len(argument)

    assert client.ask("fail", 1) == [{"error": "Internal error"}]
    assert "has no len()" in caplog.text
    assert "Traceback" in caplog.text


def test_a_type_error_below_a_decorator_that_adds_an_argument_is_the_handlers(client, caplog):
    def with_user(function):
        @wraps(function)
        def wrapper(request, socket, context, *args):
            return function(request, socket, context, "user", *args)

        return wrapper

    @on_event("fail")
    @with_user
    def fail(request, socket, context, user, argument):
        len(None)

    assert client.ask("fail", 1) == [{"error": "Internal error"}]
    assert "has no len()" in caplog.text


def test_an_error_that_cannot_be_shown_is_answered_like_others(client):
    class Unprintable(Exception):
        def __repr__(self):
            raise RuntimeError("on purpose")

        __str__ = __repr__

    @on_event("fail")
    def fail(request, socket, context):
        raise Unprintable

    assert client.ask("fail") == [{"error": "Internal error"}]
