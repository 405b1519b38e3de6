"""A whole server by arguments: without an HTTP server, a port, an event loop or a real clock."""

import threading
from functools import wraps

import gevent
import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import PermissionDenied
from django.test import RequestFactory, override_settings

import django_socketio
from django_socketio import NoSocket
from django_socketio.channels import current
from django_socketio.concurrency.executors import InlineExecutor
from django_socketio.events import on_connect, on_disconnect, on_event, on_finish
from django_socketio.relay.memory import MemoryRelay
from django_socketio.server.bootstrap import build_server
from django_socketio.transports.dialects import Dialect


def without_event_loop(test):
    """Run a test in a thread of its own, and see that its event loop never turned."""

    @wraps(test)
    def run(*args, **kwargs):
        failures = []

        def body():
            hub = gevent.get_hub()
            try:
                test(*args, **kwargs)
                assert not hub, "something waited in the event loop"
            except BaseException as failure:
                failures.append(failure)
            finally:
                hub.destroy(destroy_loop=True)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
        if failures:
            raise failures[0]

    return run


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


class Transport:
    """Keeps what it is to send; ``answer`` sees each packet at once."""

    name = "memory"
    listener = None

    def __init__(self):
        self.sent = []
        self.close_reason = None
        self.answer = lambda packet: None

    def send(self, encoded):
        for packet in encoded.contents:
            self.sent.append(packet)
            self.answer(packet)
        return self.close_reason is None

    def flush(self):
        pass

    def is_sending(self, now):
        return False

    def close(self, code, problem):
        self.close_reason = problem


class Server:
    """A server with a clock, to which transports connect."""

    def __init__(self):
        self._clock = Clock()
        self.sockets = build_server(
            relay=MemoryRelay(), executor=InlineExecutor(), clock=self._clock
        )
        self.sockets.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.sockets.stop()

    def open(self, packet="40"):
        """Return a transport, and what takes packets of its client."""
        request = RequestFactory().get("/socket.io/")
        SessionMiddleware(lambda request: None).process_request(request)
        transport = Transport()
        sid, engine = f"sid {id(transport)}", self.sockets.engine
        session = engine.begin(sid, transport, request, Dialect())
        if packet:
            session.data_received(packet)
        return transport, session.data_received

    def wait(self, seconds):
        self._clock.now += seconds
        self.sockets.timers.call_due()


def taken(transport):
    sent, transport.sent = transport.sent, []
    return sent


@without_event_loop
def test_events_are_handled_and_broadcasts_delivered():
    @on_connect
    def check(request, socket, context):
        if socket.auth.get("token") == "wrong":
            raise PermissionDenied("Who are you?")
        context["number"] = request.session.get("number", 40)

    @on_event("add")
    def add(request, socket, context, number):
        socket.broadcast(number, event="added")
        return context["number"] + number

    with Server() as server:
        (one, from_one), (other, _) = server.open(), server.open()
        assert taken(one)[0].startswith('40{"sid":"')
        assert taken(other)[0].startswith('40{"sid":"')
        from_one('420["add",2]')
        assert taken(one) == ["430[42]"]
        assert taken(other) == ['42["added",2]']
        from_one('421["subscribe","a"]')
        assert taken(one) == ["431[true]"]
        assert django_socketio.broadcast_channel("hello", "a") == 1
        assert django_socketio.broadcast("all") == 2
        assert taken(one) == ['42["message","hello"]', '42["message","all"]']
        assert taken(other) == ['42["message","all"]']
        refused, _ = server.open('40{"token":"wrong"}')
        assert taken(refused) == ['44{"message":"Who are you?"}']


@without_event_loop
def test_an_answer_that_comes_at_once_is_returned_by_socket_call():
    @on_event("ask")
    def ask(request, socket, context):
        return socket.call("question", timeout=None) + 1

    with Server() as server:
        transport, receive = server.open()
        transport.answer = lambda packet: receive("430[41]") if "question" in packet else None
        receive('425["ask"]')
        assert taken(transport)[1:] == ['420["question"]', "435[42]"]


@without_event_loop
def test_time_passes_as_the_clock_says():
    ends = []

    @on_disconnect
    def note(request, socket, context):
        ends.append(socket.disconnect_reason)

    times = {"PING_INTERVAL": 25, "PING_TIMEOUT": 20, "CONNECT_TIMEOUT": 10}
    with override_settings(**{f"SOCKETIO_{name}": time for name, time in times.items()}):
        server = Server()
    with server:
        living, from_living = server.open()
        silent, _ = server.open()
        undecided, _ = server.open(packet=None)
        server.wait(9.9)
        assert undecided.close_reason is None
        server.wait(0.2)
        assert undecided.close_reason == "connect timeout"
        server.wait(14.8)
        assert "2" not in living.sent + silent.sent
        server.wait(0.2)
        assert (living.sent[-1], silent.sent[-1]) == ("2", "2")
        from_living("3")
        server.wait(20.1)
        assert ends == ["ping timeout"]
        assert living.close_reason is None
        assert len(server.sockets.open_sockets) == 1
    assert ends == ["ping timeout", "server shutting down"]


@without_event_loop
def test_a_stopped_server_leaves_nothing():
    finished = []

    @on_finish
    def note(request, socket, context):
        finished.append(socket.channels)

    with Server() as server:
        _, receive = server.open()
        receive('42["subscribe","a"]')
        assert current.current() is server.sockets
    assert finished == [["a"]]
    assert current.current() is not server.sockets
    assert len(server.sockets.channels) == len(server.sockets.timers) == 0
    assert server.sockets.engine.sessions == {}
    with pytest.raises(NoSocket):
        django_socketio.broadcast("nobody is there")


@without_event_loop
def test_a_job_that_fails_or_asks_for_more_jobs_leaves_the_executor_ready():
    order = []

    @on_event("first")
    def first(request, socket, context):
        receive('42["second"]')
        order.append("first")
        raise ValueError("on purpose")

    @on_event("second")
    def second(request, socket, context):
        order.append("second")

    with Server() as server:
        _, receive = server.open()
        receive('42["first"]')
        receive('42["second"]')
        assert order == ["first", "second", "second"]
