"""What clients and handlers may do wrong without harm to the process: each was a bug once."""

import logging
import threading

import gevent
import pytest
from django.utils import translation

import django_socketio
from django_socketio.events import (
    on_connect,
    on_disconnect,
    on_error,
    on_event,
    on_finish,
    on_message,
    on_subscribe,
    on_unsubscribe,
)
from django_socketio.exceptions import CallTimeout
from tests.kit.clients import Closed, WebSocketClient, join
from tests.kit.frames import client_frame
from tests.kit.http import raw_request, response
from tests.kit.live import nothing_is_left
from tests.kit.timeouts import beat
from tests.kit.waiting import wait_until

BREAKERS = [gevent.Timeout, gevent.GreenletExit, ValueError, RecursionError]


@pytest.mark.parametrize("error", BREAKERS)
def test_whatever_a_handler_raises_its_client_is_answered(server, error):
    errors = []

    @on_message
    def fail(request, socket, context, message):
        raise error()

    @on_error
    def note(request, socket, context, exception):
        errors.append(type(exception))

    client = join(server)
    for _ in range(2):
        assert client.ask("message") == [{"error": "Internal error"}]
    assert errors == [error] * 2


@pytest.mark.parametrize("error", BREAKERS)
def test_whatever_the_last_handlers_raise_all_of_them_run(server, error):
    calls = []
    for event in (on_disconnect, on_unsubscribe, on_finish):

        @event
        def fail(request, socket, context, *args, name=event.name):
            calls.append(name)
            raise error()

    join(server, "a").close()
    assert nothing_is_left(server)
    assert calls == ["on_disconnect", "on_unsubscribe", "on_finish"]


@pytest.mark.parametrize("error", BREAKERS)
def test_whatever_on_connect_raises_the_client_is_refused(server, error):
    @on_connect
    def fail(request, socket, context):
        raise error()

    client = WebSocketClient(server.port)
    client.send("40")
    assert client.receive() == '44{"message":"Internal error"}'


class SlowLog(logging.Handler):
    """A handler that waits, as one that sends mail does."""

    def createLock(self):
        self.lock = None  # the server may end while it waits; the test's process would, too

    def emit(self, record):
        gevent.sleep(0.01)


def test_a_log_that_waits_holds_up_no_end(server):
    ended = []

    @on_disconnect
    def note(request, socket, context):
        ended.append(socket.disconnect_reason)

    handler = SlowLog()
    logging.getLogger("django_socketio").addHandler(handler)
    try:
        client = join(server)
        client.send("4garbage")
        assert client.is_closed()
        assert nothing_is_left(server)
    finally:
        logging.getLogger("django_socketio").removeHandler(handler)
    assert ended == ["parse error"]


def test_an_answer_behind_many_events_is_found(serve):
    @on_event("start")
    def start(request, socket, context):
        return socket.call("question", timeout=5)

    @on_message
    def nothing(request, socket, context, message):
        pass

    client = join(serve(MAX_WAITING_EVENTS=5))
    client.emit("start", id=1)
    assert client.receive() == '420["question"]'
    for number in range(30):
        client.emit("message", number)
    client.send('430["yes"]')
    assert client.receive() == '431["yes"]'


def test_a_client_that_sends_without_end_while_it_is_asked_is_cut_off(serve):
    @on_event("start")
    def start(request, socket, context):
        socket.call("question", timeout=None)

    client = join(serve(MAX_WAITING_EVENTS=5))
    client.emit("start")
    client.receive()
    with pytest.raises((Closed, OSError)):
        for number in range(1000):
            client.emit("message", number)
        client.receive()


def test_a_client_that_hangs_up_while_it_is_not_read_ends(serve):
    """Its next ping shows that its connection is closed."""
    go = gevent.event.Event()

    @on_message
    def wait(request, socket, context, message):
        go.wait(5)

    server = serve(MAX_WAITING_EVENTS=2)
    client = join(server)
    for number in range(20):
        client.emit("message", number)
    client.abandon()
    (served,) = server.socket_server.open_sockets._members
    wait_until(lambda: served._paused)
    transport = server.socket_server.engine.sessions[client.sid].transport
    wait_until(lambda: transport.is_abandoned)
    beat(server, client)
    assert not served.socket.connected
    server.call(go.set)
    assert nothing_is_left(server)


def test_busy_sockets_leave_workers_to_others(serve):
    seen = []

    @on_message
    def work(request, socket, context, message):
        gevent.sleep(0.002)
        seen.append(message)

    @on_event("now")
    def now(request, socket, context):
        return len(seen)

    server = serve(WORKERS=1, MAX_WAITING_EVENTS=1000)
    busy, other = join(server), join(server)
    for number in range(300):
        busy.emit("message", number)
    assert other.ask("now")[0] < 300
    busy.sync()
    assert seen == list(range(300))


def test_joining_and_leaving_without_end_is_cut_off(server):
    go = gevent.event.Event()

    @on_connect
    def wait(request, socket, context):
        go.wait(5)

    client = WebSocketClient(server.port)
    with pytest.raises((Closed, ConnectionError)):
        for _ in range(200):
            client.send("40")
            client.send("40/unknown,")
            assert client.receive().startswith("44/unknown")  # on_connect has begun, or is to begin
            client.send("41")
    assert len(server.socket_server.open_sockets) <= 101
    server.call(go.set)
    assert nothing_is_left(server)


def test_pongs_that_are_not_read_do_not_pile_up(serve):
    server = serve(MAX_UNSENT_BYTES=100_000)
    client = join(server)
    (session,) = server.socket_server.engine.sessions.values()
    client.ws.sock.settimeout(0.5)
    pings = client_frame(0x89, b"x" * 125) * 1000
    try:
        for _ in range(100):
            client.ws.sock.sendall(pings)
    except TimeoutError:
        pass
    assert session.transport._unsent < 100_000 + 2 * 65_536


def test_waiting_events_are_weighed_too(serve):
    go = gevent.event.Event()

    @on_message
    def wait(request, socket, context, message):
        go.wait(5)

    server = serve(MAX_MESSAGE_SIZE=10_000)
    client = join(server)
    (session,) = server.socket_server.engine.sessions.values()
    for _ in range(4):
        client.emit("message", "x" * 9_000)

    def until_paused():
        while not session._pauses:
            gevent.sleep(0.001)
        return True

    assert server.call(until_paused)
    server.call(go.set)
    client.sync()


def test_messages_from_another_thread_arrive_at_once(server):
    client = join(server, "a")
    assert threading.current_thread() is threading.main_thread()
    assert django_socketio.broadcast_channel("from a thread", "a") == 1
    assert client.event() == ["message", "from a thread"]
    with pytest.raises(django_socketio.NoSocket):
        django_socketio.broadcast_channel("nobody", "b")


def test_a_language_is_not_left_to_the_next_socket(serve):
    @on_event("speak")
    def speak(request, socket, context, language):
        translation.activate(language)

    @on_event("language")
    def language(request, socket, context):
        return translation.get_language()

    server = serve(WORKERS=1)
    german, other = join(server), join(server)
    german.ask("speak", "de")
    assert other.ask("language") == ["en-us"]


def test_a_socket_that_has_ended_joins_nothing(server):
    sockets = []

    @on_connect
    def note(request, socket, context):
        sockets.append(socket)

    join(server).close()
    assert nothing_is_left(server)
    assert server.call(sockets[0].subscribe, "a") is False
    assert nothing_is_left(server)


def test_a_call_in_on_connect_is_told_at_once(server):
    told = []

    @on_connect
    def ask(request, socket, context):
        with pytest.raises(CallTimeout, match="before on_connect"):
            socket.call("question")
        told.append(True)

    join(server)
    assert told == [True]


def test_a_timeout_of_the_handlers_own_is_its_own(server):
    @on_event("start")
    def start(request, socket, context):
        with gevent.Timeout(0.05, False):
            socket.call("question", timeout=5)
        return "went on"

    client = join(server)
    client.emit("start", id=1)
    client.receive()
    assert client.receive() == '431["went on"]'


def test_what_cannot_be_sent_waits_for_no_answer(server):
    @on_event("start")
    def start(request, socket, context):
        with pytest.raises(TypeError):
            socket.emit("e", object(), callback=print)
        return socket.acks._pending == {}

    assert join(server).ask("start") == [True]


def test_a_namespace_is_the_same_with_and_without_its_slash(server):
    @on_message(namespace="admin")
    def nothing(request, socket, context, message):
        pass

    client = WebSocketClient(server.port)
    client.connect("/admin")
    assert server.call(lambda: django_socketio.broadcast("m", namespace="admin")) == 1


def test_an_answer_to_head_has_no_body(server):
    request = "{} /push/?channel=a HTTP/1.1\r\nHost: localhost\r\n\r\n"
    connection = raw_request(server.port, request.format("HEAD").encode())
    connection.sendall(
        b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    assert response(connection)[0] == 200


def test_messages_nested_deeply_are_handled_although_they_cannot_be_shown(server, caplog):
    caplog.set_level(logging.INFO, "django_socketio.messages")

    @on_message
    def answer(request, socket, context, message):
        return "handled"

    client = join(server)
    client.send('420["message",' + "[" * 900 + "]" * 900 + "]")
    assert client.receive() == '430["handled"]'


def test_what_is_held_while_a_subscription_is_decided_is_bounded(serve):
    entered, go, ended = gevent.event.Event(), gevent.event.Event(), []

    @on_subscribe
    def decide(request, socket, context, channel):
        if channel == "slow":
            entered.set()
            go.wait(5)

    @on_disconnect
    def note(request, socket, context):
        ended.append(socket.disconnect_reason)

    server = serve(MAX_UNSENT_BYTES=10_000)
    client = join(server)
    client.emit("subscribe", "slow", id=1)
    server.call(entered.wait, 5)
    with pytest.raises(django_socketio.NoSocket):
        for _ in range(100):
            django_socketio.broadcast_channel("x" * 1000, "slow")
    server.call(go.set)
    assert client.is_closed()
    assert nothing_is_left(server)
    assert ended == ["slow client"]


@pytest.mark.parametrize("sender", ["others", "the handler"])
def test_what_is_held_while_a_connection_is_decided_is_bounded(serve, sender):
    entered, go, ended, sent = gevent.event.Event(), gevent.event.Event(), [], []

    @on_connect
    def decide(request, socket, context):
        socket.subscribe("a")
        entered.set()
        go.wait(5)
        for _ in range(100 if sender == "the handler" else 0):
            sent.append(socket.send("x" * 1000))

    @on_disconnect
    def note(request, socket, context):
        ended.append(socket.disconnect_reason)

    server = serve(MAX_UNSENT_BYTES=10_000)
    client = WebSocketClient(server.port)
    client.send("40")
    server.call(entered.wait, 5)
    if sender == "others":
        with pytest.raises(django_socketio.NoSocket):
            for _ in range(100):
                sent.append(django_socketio.broadcast_channel("x" * 1000, "a"))
    server.call(go.set)
    assert client.is_closed()
    assert nothing_is_left(server)
    assert ended == ["slow client"]
    assert 5 <= sent.count(True) <= 10


def test_one_message_of_any_size_is_held_while_a_connection_is_decided(serve):
    @on_connect
    def greet(request, socket, context):
        socket.send("x" * 20_000)

    client = join(serve(MAX_UNSENT_BYTES=10_000))
    assert client.event() == ["message", "x" * 20_000]
