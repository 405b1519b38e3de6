"""Whatever one client sends, the event loop looks at the other sockets again within milliseconds.

The benchmarks measure the round trips of a victim beside each attacker. Here the processor's time
of each turn of the event loop is measured, which does not depend on what else the machine does.
"""

import gc
import socket
import threading
import time
from contextlib import closing, suppress
from types import SimpleNamespace

import gevent
import pytest

from benchmarks.attackers.attacks import ATTACKS
from benchmarks.attackers.wire import (
    CONTINUED,
    FINAL,
    PING,
    TEXT,
    Polling,
    frame,
    receive_until,
    text,
    websocket,
)
from django_socketio.events import on_connect, on_disconnect, on_event
from tests.kit.clients import WebSocketClient
from tests.kit.waiting import wait_until

CLOSE = 0x8

LONGEST = 0.025
"""Seconds that a turn may take: a round trip takes two at most."""

OF_A_BOMB = 0.05
"""The same for a bomb, which takes 13 milliseconds of processor time, and up to three times as many
on a core whose other half is busy; a write holds many bombs."""

WATCHED = 0.4
"""Seconds in which turns are measured."""

TRIES = 4
"""Measurements of what is longer; the processor's time of the same work differs by a third."""


def compute(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@pytest.fixture(autouse=True)
def _no_collector():
    """The process of the tests holds far more than a server's, so collecting it takes long."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(autouse=True)
def handlers():
    @on_event("who")
    def who(request, socket, context):
        return str(request.user)

    @on_event("work")
    def work(request, socket, context):
        compute(0.002)

    @on_event("fail")
    def fail(request, socket, context):
        raise ValueError("a mistake")


def asked_before(server):
    """Return a server that has had its first requests: they import URLs, and make a template."""
    websocket(server.port).close()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"POST /fields/" + HOST + b"Content-Length: 0\r\n\r\n")
        receive_until(connection, b"CSRF")
    return server


class TurnsOf:
    """Measures how much of the processor's time each turn of a server's event loop takes."""

    def __init__(self, server):
        self._server = server
        self.longest = 0.0
        self.number = 0
        server.call(self._begin)

    def _begin(self):
        self._watcher = gevent.get_hub().loop.check()
        self._last = time.thread_time()
        self._watcher.start(self._turned)

    def _turned(self):
        now = time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self._last = now
        self.number += 1

    def watch(self, seconds):
        """Measure for some seconds, and for some turns at least; return the longest."""
        time.sleep(seconds)
        wait_until(lambda: self.number > 5, "it did not go on")
        self._server.call(gevent.sleep, 0.001)
        self._server.call(self._watcher.stop)
        return self.longest


def least(measure, longest=LONGEST):
    """Return the least of some measurements: what else the machine does makes turns longer only."""
    found = []
    while len(found) < TRIES and min(found, default=longest) >= longest:
        found.append(measure())
    return min(found)


@pytest.mark.parametrize(
    "name", [name for name in ATTACKS if name != "nothing" and not ATTACKS[name].polling]
)
def test_no_write_of_one_client_holds_the_event_loop(serve, name):
    attack = ATTACKS[name]
    server = asked_before(serve(COMPRESSION_THRESHOLD=1000))

    def measure():
        turns = TurnsOf(server)
        with websocket(server.port, attack.compressed) as connection:
            connection.sendall(attack.write)
            return turns.watch(WATCHED)

    longest = OF_A_BOMB if name == "bombs" else LONGEST
    assert least(measure, longest) < longest


@pytest.mark.parametrize("name", [name for name in ATTACKS if ATTACKS[name].polling])
def test_no_post_of_one_client_holds_the_event_loop(serve, name):
    server = serve()

    def measure():
        with closing(Polling(server.port)) as session:
            turns = TurnsOf(server)
            session.post(ATTACKS[name].write, wait=False)
            return turns.watch(WATCHED)

    assert least(measure) < LONGEST


HOST = b" HTTP/1.1\r\nHost: localhost\r\n"
POLL = b"GET /socket.io/?EIO=4&transport=polling"
WITHOUT_PAUSE = {
    "pages": (b"GET /fields/" + HOST + b"\r\n") * 2_000,
    "handshakes": (POLL + HOST + b"\r\n") * 1_500,
    "unknown sids": (POLL + b"&sid=x" + HOST + b"\r\n") * 3_000,
    "tiny chunks": b"POST /fields/" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    b"%s0\r\n\r\n" % (b"1\r\nx\r\n" * 300_000),
}


@pytest.mark.parametrize("name", WITHOUT_PAUSE)
def test_no_http_connection_holds_the_event_loop(serve, name):
    server = asked_before(serve())
    assert least(lambda: longest_turn(server, WITHOUT_PAUSE[name])) < LONGEST


def longest_turn(server, requests):
    """Return the longest turn while requests are sent, and answers read."""
    turns = TurnsOf(server)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        send = threading.Thread(target=ignoring_errors, args=(connection.sendall, requests))
        read = threading.Thread(target=ignoring_errors, args=(read_all, connection))
        send.start()
        read.start()
        longest = turns.watch(WATCHED)
        connection.shutdown(socket.SHUT_RDWR)
        send.join()
        read.join()
    return longest


def ignoring_errors(function, *args):
    with suppress(OSError):
        function(*args)


def read_all(connection):
    while connection.recv(65_536):
        pass


# Nothing is lost, and nothing overtakes anything, where a write is taken in batches


def everything(numbers):
    """Return frames of every kind around numbered events."""
    for number in numbers:
        event = f'42["note",{number}]'.encode()
        yield [
            frame(FINAL | TEXT, event),
            frame(TEXT, event[:5]) + frame(FINAL | PING, b"") + frame(FINAL | CONTINUED, event[5:]),
            frame(FINAL | PING, b"x") + frame(FINAL | TEXT, event.ljust(200)),
        ][number % 3]


@pytest.mark.parametrize("waiting", [1, 3, 100, 10_000])
def test_one_write_is_handled_in_order_and_whole(serve, waiting):
    noted, ended = [], gevent.event.Event()

    @on_event("note")
    def note(request, socket, context, number):
        noted.append(number)
        if number % 100 == 0:
            gevent.sleep(0.001)

    @on_disconnect
    def end(request, socket, context):
        ended.set()

    server = serve(MAX_WAITING_EVENTS=waiting)
    with websocket(server.port) as connection:
        close = frame(FINAL | CLOSE, b"\x03\xe8")
        connection.sendall(b"".join(everything(range(1000))) + close + text('42["note",-1]'))
        assert server.call(ended.wait, 8)
        receive_until(connection, b"\x88\x02\x03\xe8")
        assert connection.recv(1) == b""
    assert noted == list(range(1000))


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_no_more_events_wait_than_may_although_one_read_brings_more(serve, transport):
    most, handled = [0], gevent.event.Event()

    @on_event("note")
    def note(request, socket, context, number):
        (client,) = server.socket_server.open_sockets._members
        most[0] = max(most[0], client._mailbox.waiting)
        if number == 499:
            handled.set()

    server = serve(MAX_WAITING_EVENTS=5)
    events = [f'42["note",{number}]' for number in range(500)]
    if transport == "websocket":
        with websocket(server.port) as connection:
            connection.sendall(b"".join(map(text, events)))
            assert server.call(handled.wait, 8)
    else:
        with closing(Polling(server.port)) as session:
            session.post("\x1e".join(events).encode())
            assert server.call(handled.wait, 8)
    # One that is past the limit, and the job that has the client read again.
    assert most[0] <= 5 + 2


def test_a_client_that_closes_while_its_events_wait_is_answered(serve):
    go = gevent.event.Event()

    @on_event("wait")
    def wait(request, socket, context):
        go.wait(5)

    server = serve(MAX_WAITING_EVENTS=1)
    with websocket(server.port) as connection:
        connection.sendall(text('42["wait"]') * 30 + frame(FINAL | CLOSE, b"\x03\xe8"))
        server.call(gevent.sleep, 0.01)
        server.call(go.set)
        receive_until(connection, b"\x88\x02\x03\xe8")


# One client does not keep all workers

NAMESPACES = [f"/part-{number}" for number in range(99)]


@pytest.fixture
def slow():
    """Has handlers of many namespaces wait until ``go`` is set; ``waiting`` lists those that do."""
    slow = SimpleNamespace(waiting=[], go=gevent.event.Event())

    def wait(request, socket, context, *args):
        slow.waiting.append(socket.namespace)
        slow.go.wait(8)
        slow.waiting.remove(socket.namespace)

    slow.wait = wait
    return slow


def assert_another_is_served(server, one, slow, most):
    one.send("40/unknown,")  # which is answered without a worker, once all before it is read
    assert one.receive().startswith("44/unknown,")
    wait_until(lambda: slow.waiting)
    other = WebSocketClient(server.port)
    other.connect("/quick")
    assert other.ask("echo", "here", namespace="/quick") == ["here"]
    assert 0 < len(slow.waiting) <= most


@pytest.fixture
def quick():
    on_connect(lambda request, socket, context: None, namespace="/quick")
    on_event("echo", namespace="/quick")(lambda request, socket, context, text: text)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("workers", [3, 8])
def test_a_slow_on_connect_of_many_namespaces_leaves_workers_to_others(serve, slow, workers):
    for namespace in NAMESPACES:
        on_connect(slow.wait, namespace=namespace)
    server = serve(WORKERS=workers)
    one = WebSocketClient(server.port)
    for namespace in NAMESPACES:
        one.send(f"40{namespace},")
    assert_another_is_served(server, one, slow, most=max(2, workers // 2))
    server.call(slow.go.set)
    answered = [one.receive() for _ in NAMESPACES]
    assert {answer.partition(",")[0] for answer in answered} == {f"40{n}" for n in NAMESPACES}


@pytest.mark.usefixtures("quick")
def test_a_client_that_connects_again_and_again_leaves_workers_to_others(serve, slow):
    on_connect(slow.wait, namespace="/part")
    server = serve(WORKERS=8)
    one = WebSocketClient(server.port)
    for _ in range(99):
        one.send("40/part,")
    assert_another_is_served(server, one, slow, most=4)
    server.call(slow.go.set)
    assert one.receive().startswith("40/part,")


@pytest.mark.usefixtures("quick")
def test_slow_events_of_many_namespaces_leave_workers_to_others(serve, slow):
    for namespace in NAMESPACES:
        on_event("wait", namespace=namespace)(slow.wait)
    server = serve(WORKERS=8)
    one = WebSocketClient(server.port)
    for namespace in NAMESPACES:
        one.connect(namespace)
    for namespace in NAMESPACES:
        one.emit("wait", id=1, namespace=namespace)
        one.emit("wait", id=2, namespace=namespace)
    assert_another_is_served(server, one, slow, most=4)
    server.call(slow.go.set)
    answers = [one.receive().partition("[")[0] for _ in range(2 * len(NAMESPACES))]
    for namespace in NAMESPACES:
        first, second = f"43{namespace},1", f"43{namespace},2"
        assert answers.index(first) < answers.index(second)


@pytest.mark.usefixtures("quick")
def test_sockets_that_end_at_once_leave_workers_to_those_that_stay(serve, slow):
    on_connect(lambda request, socket, context: None)
    on_disconnect(slow.wait)
    server = serve(WORKERS=8)
    staying = WebSocketClient(server.port)
    staying.connect("/quick")
    leaving = [WebSocketClient(server.port) for _ in range(20)]
    for client in leaving:
        client.connect()
        client.close()
    wait_until(lambda: len(slow.waiting) == 2)
    assert staying.ask("echo", "here", namespace="/quick") == ["here"]
    server.call(slow.go.set)
    wait_until(lambda: len(server.socket_server.open_sockets) == 1)


def test_sockets_that_leave_at_once_do_not_hold_the_event_loop(serve):
    left = []
    on_connect(lambda request, socket, context: None)
    on_disconnect(lambda request, socket, context: left.append(socket))
    server = serve()
    clients = [WebSocketClient(server.port) for _ in range(300)]
    for client in clients:
        client.connect()
    turns = TurnsOf(server)
    server.call(leave, clients)
    wait_until(lambda: len(left) == len(clients))
    assert turns.longest < LONGEST


def leave(clients):
    """Leave, in the thread of the event loop: its next poll finds all of them gone."""
    for client in clients:
        client.ws.sock.shutdown(socket.SHUT_RDWR)
