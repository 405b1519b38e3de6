"""Calls from other threads that the event loop makes a few at a time."""

import threading
import time

import gevent
import gevent.socket
import pytest

from django_socketio.concurrency.in_turns import CallsInTurns


@pytest.fixture
def calls():
    return CallsInTurns(gevent.get_hub().loop.run_callback_threadsafe)


def compute(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def until(condition):
    with gevent.Timeout(10):
        while not condition():
            gevent.sleep(0.001)


def test_sockets_are_polled_between_calls_that_take_long(calls):
    one, other = gevent.socket.socketpair()
    made = []

    def read():
        one.recv(1)
        made.append("read")

    reader = gevent.spawn(read)
    gevent.sleep(0)
    for number in range(100):
        calls(lambda number: (compute(0.001), made.append(number)), number)
    other.send(b"x")
    until(lambda: len(made) == 101)
    reader.join()
    assert 0 < made.index("read") < 30
    assert [one for one in made if one != "read"] == list(range(100))
    one.close()
    other.close()


def test_calls_of_another_thread_are_made_in_their_order(calls):
    made = []
    thread = threading.Thread(target=lambda: [calls(made.append, n) for n in range(10_000)])
    thread.start()
    until(lambda: len(made) == 10_000)
    thread.join()
    assert made == list(range(10_000))


def test_a_call_that_fails_is_logged_and_holds_up_no_other(calls, caplog):
    made = []
    calls(lambda: 1 / 0)
    calls(made.append, "after")
    until(lambda: made and "ZeroDivisionError" in caplog.text)
