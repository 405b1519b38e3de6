"""The watchdog: who holds the event loop up is named, once, while it does."""

import functools
import gc
import logging
import threading
import time

import pytest
from gevent import monkey

from django_socketio import in_thread
from django_socketio.events import on_event, on_message
from tests.kit.clients import join
from tests.kit.http import get

block = monkey.get_original("time", "sleep")


class Log(logging.Handler):
    """Keeps what is logged, and lets a test wait for it."""

    def __init__(self):
        super().__init__()
        self.records = []
        self._more = threading.Condition()

    def emit(self, record):
        with self._more:
            self.records.append(record.getMessage())
            self._more.notify_all()

    def wait_for(self, count):
        with self._more:
            assert self._more.wait_for(lambda: len(self.messages) >= count, 5)

    @property
    def messages(self):
        return [text for text in self.records if "event loop has been held" in text]


def block_until(condition):
    """Hold the event loop until a condition is true; return whether it became true."""
    for _ in range(1000):
        if condition():
            return True
        block(0.01)
    return False


def block_until_named():
    (log,) = [one for one in logging.getLogger("django_socketio").handlers if type(one) is Log]
    block_until(lambda: log.messages)


@pytest.fixture
def log():
    handler = Log()
    logging.getLogger("django_socketio").addHandler(handler)
    yield handler
    logging.getLogger("django_socketio").removeHandler(handler)


def test_a_handler_that_blocks_is_named_while_it_does_once(serve, log):
    ended = []

    @on_message
    def compute(request, socket, context, message):
        ended.append(block_until(lambda: len(log.messages) > len(ended)))
        block(0.3)

    client = join(serve(BLOCKED_AFTER=0.2))
    for count in (1, 2):
        client.ask("message")
        client.sync()
        assert ended == [True] * count  # it was named while it held the event loop
        assert len(log.messages) == count
    assert (
        "test_a_handler_that_blocks_is_named_while_it_does_once.<locals>.compute"
        in (log.messages[0].partition("\n")[0])
    )
    assert "block(0.01)" in log.messages[0]
    assert "SOCKETIO_BLOCKED_AFTER" in log.messages[0]
    assert "django_socketio.in_thread" in log.messages[0]


def decorated(handler):
    @functools.wraps(handler)
    def wrapper(*args):
        return handler(*args)

    return wrapper


class Handlers:
    def method(self, request, socket, context):
        block_until_named()

    def __call__(self, request, socket, context):
        block_until_named()


@decorated
def with_decorator(request, socket, context):
    block_until_named()


@pytest.mark.parametrize(
    "handler, name",
    [
        (with_decorator, "tests.behaviour.test_watchdog.with_decorator"),
        (Handlers().method, "tests.behaviour.test_watchdog.Handlers.method"),
        (functools.partial(with_decorator), "with_decorator"),
        (Handlers(), "Handlers object"),
    ],
)
def test_all_kinds_of_handlers_are_named(serve, log, handler, name):
    on_event("other")(lambda request, socket, context: None)
    on_event("block")(handler)
    join(serve(BLOCKED_AFTER=0.2)).ask("block")
    log.wait_for(1)
    assert name in log.messages[0].partition("\n")[0]


def test_a_computation_that_releases_nothing_is_named_as_well(serve, log):
    @on_message
    def count(request, socket, context, message):
        end = time.monotonic() + 10
        while not log.messages and time.monotonic() < end:
            pass

    join(serve(BLOCKED_AFTER=0.2)).ask("message")
    log.wait_for(1)
    assert "<locals>.count" in log.messages[0]


def test_a_view_that_blocks_is_shown_by_its_stack(serve, log, monkeypatch):
    from tests.project import urls

    monkeypatch.setattr(
        urls.django_socketio, "broadcast_channel", lambda *args: block_until_named()
    )
    get(serve(BLOCKED_AFTER=0.2).port, "/push/?message=m&channel=a")
    log.wait_for(1)
    assert "code outside of handlers" in log.messages[0]
    assert "in push" in log.messages[0]


@pytest.mark.alone
def test_handlers_that_wait_or_that_nobody_watches_are_let_be(serve, log):
    import gevent

    @on_message
    def wait(request, socket, context, message):
        gevent.sleep(0.4)

    @on_event("thread")
    def wait_for_thread(request, socket, context):
        in_thread(block, 0.4)

    @on_event("block")
    def hold(request, socket, context):
        block(0.4)

    client = join(serve(BLOCKED_AFTER=0.1))
    client.ask("message")
    client.ask("thread")
    join(serve(BLOCKED_AFTER=0)).ask("block")
    assert log.messages == []


def test_a_server_that_has_stopped_is_watched_no_longer(serve):
    before = threading.active_count()
    server = serve(BLOCKED_AFTER=0.1)
    join(server).sync()
    server.stop()
    gc.collect()
    deadline = time.monotonic() + 5
    import sys

    def watchers():
        return [f for f in sys._current_frames().values() if f.f_code.co_name == "_watch"]

    while watchers():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert threading.active_count() <= before
