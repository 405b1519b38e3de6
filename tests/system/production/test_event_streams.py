"""Event streams on servers of other makers, and when workers of ours end."""

import os
import signal
import time

import pytest

from tests.kit.http import close_all, get
from tests.kit.servers import OtherGunicorn
from tests.kit.streams import StreamClient


def push(server, *texts, channel="a"):
    for text in texts:
        assert get(server.port, f"/push/?channel={channel}&text={text}")[0] == 200


HUGE = 16_000_000
"""Bytes that no kernel takes for a client that does not read."""

THREADED = {
    "threads": ("gthread", "--threads", "6", "--graceful-timeout", "1"),
    "gevent": ("gevent", "--graceful-timeout", "1"),
}


@pytest.fixture(scope="module", params=THREADED)
def other(request, redis):
    """gunicorn with threads or greenlets, and Redis."""
    server = OtherGunicorn(*THREADED[request.param], TEST_RELAY_URL=redis.url)
    yield server
    close_all()
    server.end()


def test_a_stream_is_a_response_of_threads_and_greenlets(other):
    streams = [StreamClient(other.port).begin() for _ in range(3)]
    push(other, "1")
    assert [one.event() for one in streams] == [("pushed", '"1"')] * 3
    head = StreamClient(other.port, method="HEAD")
    assert (head.status, head.answer.read()) == (200, b"")
    streams[0].close()
    push(other, "2", "3")
    again = streams[0].come_back(other.port)
    assert again.events(2) == streams[1].events(2) == [("pushed", '"2"'), ("pushed", '"3"')]
    # What a client leaves behind is found at the next event; six threads serve all.
    for number in range(8):
        again = again.come_back(other.port).begin()
        push(other, str(number))
        assert again.event() == ("pushed", f'"{number}"')
        push(other, "for-the-dead")
        assert again.event() == ("pushed", '"for-the-dead"')


def few_threads(number, **environ):
    options = ["--threads", str(number), "--graceful-timeout", "1"]
    return OtherGunicorn("gthread", *options, **environ)


@pytest.fixture(scope="module")
def three_threads():
    """gunicorn with three threads, each of which a stream occupies."""
    server = few_threads(3)
    yield server
    close_all()
    server.end()


@pytest.fixture
def two_threads():
    """The same with two, whose pings are due soon."""
    server = few_threads(2, PING_INTERVAL="1", PING_TIMEOUT="1")
    yield server
    close_all()
    server.end()


def test_a_client_that_has_left_gives_its_thread_back(three_threads):
    server = three_threads
    for _ in range(2):
        streams = [StreamClient(server.port).begin() for _ in range(3)]
        for one in streams:
            one.close()
    begun = time.monotonic()
    push(server, "1")
    assert time.monotonic() - begun < 10  # the next comment would come after 25 seconds


def test_a_client_that_does_not_read_gives_its_thread_back_when_it_is_closed(three_threads):
    server = three_threads
    slow = [StreamClient(server.port).begin() for _ in range(2)]
    for _ in range(3):  # one is being sent, one waits, and the last one is too much
        assert get(server.port, f"/push/{HUGE}/?channel=a")[0] == 200
    server.wait_for("closed: more waits for it", len(slow))
    others = [StreamClient(server.port).begin() for _ in slow]
    push(server, "1")
    assert [one.event() for one in others] == [("pushed", '"1"')] * 2
    assert "Traceback" not in server.output


def test_a_client_that_does_not_read_a_long_event_gives_its_thread_back(two_threads):
    server = two_threads
    slow = StreamClient(server.port).begin()
    assert get(server.port, f"/push/{HUGE}/?channel=a")[0] == 200
    other = StreamClient(server.port).begin()
    push(server, "1")  # by the thread of the first
    assert other.event() == ("pushed", '"1"')
    assert slow.status == 200


def test_a_stream_misses_nothing_when_its_worker_is_killed(gunicorn, redis):
    server = gunicorn(workers=2, TEST_RELAY_URL=redis.url)  # they go on in another one
    streams = [StreamClient(server.port, "/stream/?channel=k").begin() for _ in range(6)]
    push(server, "before", channel="k")
    assert [one.event().data for one in streams] == ['"before"'] * 6
    for pid in server.pids:
        os.kill(pid, signal.SIGKILL)
    server.wait_for("was sent SIGKILL", 2)
    for one in streams:
        assert one.rest() == []
    push(server, "away-1", "away-2", channel="k")  # no process has a stream
    again = [one.come_back(server.port, "/stream/?channel=k") for one in streams]
    push(server, "after", channel="k")
    assert [[event.data for event in one.events(3)] for one in again] == [
        ['"away-1"', '"away-2"', '"after"']
    ] * 6


def test_workers_end_their_streams_at_once(gunicorn, redis):
    server = gunicorn("--graceful-timeout", "30", TEST_RELAY_URL=redis.url)
    streams = [StreamClient(server.port).begin() for _ in range(20)]
    begun = time.monotonic()
    server.signal(signal.SIGTERM)
    assert [one.rest() for one in streams] == [[]] * 20
    assert server.wait() == 0
    assert time.monotonic() - begun < 10
    assert "Traceback" not in server.output


def test_a_worker_that_ends_tls_itself_streams_by_greenlets(gunicorn, certificate):
    import ssl

    key, path = certificate
    server = gunicorn("--certfile", str(path), "--keyfile", str(key))
    context = ssl.create_default_context(cafile=path)
    stream = StreamClient(server.port, tls=context).begin()
    other = StreamClient(server.port, tls=context).begin()
    stream.close()
    pushed = StreamClient(server.port, "/push/?channel=a&text=x", tls=context)
    assert pushed.status == 200
    assert other.event() == ("pushed", '"x"')
    server.signal(signal.SIGTERM)
    assert other.rest() == []
    assert server.wait(10) == 0  # sooner than the graceful timeout
    assert "Traceback" not in server.output
    assert "did not end" not in server.output
