"""``in_thread``: functions in native threads, and the handlers that wait for them."""

import decimal
import functools
import json
import subprocess
import sys
import threading
import time
import traceback
from queue import Queue

import gevent
import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection, connections, transaction

import django_socketio
from django_socketio import (
    ThreadError,
    history,
    in_thread,
    page_position,
    presence,
    presence_count,
)
from django_socketio.channels.calls import Call, Report
from django_socketio.events import on_connect, on_disconnect, on_error, on_event, on_message
from django_socketio.relay.memory import MemoryRelay
from django_socketio.relay.memory_rosters import MemoryRosters
from django_socketio.relay.roster import Hold, Presence
from django_socketio.relay.topics import presence_topic
from tests.kit.clients import WebSocketClient, join
from tests.kit.live import nothing_is_left
from tests.kit.waiting import wait_until


def test_a_function_in_a_thread_holds_nobody_else_up(server):
    entered, go = threading.Event(), threading.Event()

    def block():
        entered.set()
        return go.wait(5) and threading.get_ident()

    @on_message
    def wait(request, socket, context, message):
        return in_thread(block)

    @on_event("now")
    def now(request, socket, context):
        return threading.get_ident()

    blocked, other = join(server), join(server)
    blocked.emit("message", id=1)
    assert entered.wait(5)
    (loop,) = other.ask("now")
    go.set()
    answer = blocked.receive()
    assert answer.startswith("431[")
    assert answer != f"431[{loop}]"


def test_arguments_and_context_variables_reach_the_function(server):
    def tell(*args, **kwargs):
        return [args, kwargs, str(decimal.Decimal(1) / 3)]

    @on_message
    def ask(request, socket, context, message):
        with decimal.localcontext(prec=3):
            return in_thread(tell, message, 2, function=3)

    assert join(server).ask("message", 1) == [[[1, 2], {"function": 3}, "0.333"]]


def test_what_one_socket_sends_stays_in_order(server):
    seen = []

    @on_message
    def slowly(request, socket, context, message):
        in_thread(time.sleep, 0.01)
        seen.append(message)

    @on_event("quick")
    def quick(request, socket, context, message):
        seen.append(message)

    client = join(server)
    for number in range(10):
        client.emit("quick" if number % 2 else "message", number)
    client.sync()
    assert seen == list(range(10))


def test_no_more_run_at_once_than_there_are_threads(serve):
    running, most = [], []

    def work():
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()

    @on_message
    def wait(request, socket, context, message):
        return in_thread(work)

    server = serve(THREADS=2)
    clients = [join(server) for _ in range(6)]
    for client in clients:
        client.emit("message", id=1)
    assert all(client.receive().startswith("431[") for client in clients)
    assert max(most) == 2


@pytest.mark.parametrize(
    "error, answer",
    [
        (ValueError, "Internal error"),
        (gevent.Timeout, "Internal error"),
        (StopIteration, "Internal error"),
        (PermissionDenied, "Permission denied"),
    ],
)
def test_what_a_function_raises_the_handler_gets(server, error, answer):
    errors, traces = [], []

    def fail():
        raise error()

    @on_message
    def ask(request, socket, context, message):
        return in_thread(fail)

    @on_error
    def note(request, socket, context, exception):
        errors.append(type(exception))
        traces.append("".join(traceback.format_exception(exception)))

    assert join(server).ask("message") == [{"error": answer}]
    assert errors == ([] if error is PermissionDenied else [error])
    for trace in traces:
        assert "return in_thread(fail)" in trace
        assert "in fail\n" in trace


def test_system_exit_in_a_thread_is_that_of_any_handler(serve, monkeypatch):
    raised = Queue()

    def leave():
        raise SystemExit(3)

    @on_message
    def ask(request, socket, context, message):
        in_thread(leave)

    server = serve()
    hub = server._hub
    monkeypatch.setattr(hub, "handle_system_error", lambda kind, value, tb=None: raised.put(value))
    client = join(server)
    client.emit("message")
    assert raised.get(timeout=5).code == 3
    assert join(server).sync() == []


async def coroutine():
    """Do nothing."""


def generator():
    yield


async def asynchronous_generator():
    yield


class Lazy:
    def __init__(self, function):
        self._function = function

    def __call__(self):
        return self._function()


class Asynchronous:
    async def __call__(self):
        """Do nothing."""


@pytest.mark.parametrize(
    "function",
    [
        coroutine,
        generator,
        asynchronous_generator,
        functools.partial(coroutine),
        Asynchronous(),
        Lazy(coroutine),
        Lazy(generator),
        Lazy(asynchronous_generator),
    ],
)
def test_functions_that_do_not_return_their_result_are_refused(server, function):
    errors = []

    def ask():
        try:
            in_thread(function)
        except TypeError as error:
            errors.append(str(error))

    on_message(lambda request, socket, context, message: ask())
    join(server).ask("message")
    ask()
    assert len(errors) == 2
    for error in errors:
        assert error.startswith("in_thread runs functions that return their result, but ")


def test_what_is_no_function_is_refused():
    with pytest.raises(TypeError, match="in_thread takes a function and its arguments, not 3"):
        in_thread(3)


def test_a_function_may_call_in_thread_again_even_where_all_threads_are_taken(serve):
    def threads():
        return [threading.get_ident(), in_thread(in_thread, threading.get_ident)]

    @on_message
    def ask(request, socket, context, message):
        return in_thread(threads)

    server = serve(THREADS=1)
    clients = [join(server) for _ in range(3)]
    for client in clients:
        client.emit("message", id=1)
    for client in clients:
        ((outer, inner),) = json.loads(client.receive().removeprefix("431"))
        assert outer == inner != server.call(threading.get_ident)


def test_without_an_event_loop_a_function_is_called_directly():
    seen = []

    def run():
        seen.append((threading.get_ident(), in_thread(threading.get_ident)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    ((outer, inner),) = seen
    assert outer == inner


SOCKET_METHODS = {
    "emit": lambda socket: socket.emit("event"),
    "send": lambda socket: socket.send("message"),
    "call": lambda socket: socket.call("event", timeout=1),
    "subscribe": lambda socket: socket.subscribe("a"),
    "unsubscribe": lambda socket: socket.unsubscribe("a"),
    "broadcast": lambda socket: socket.broadcast("message"),
    "broadcast_channel": lambda socket: socket.broadcast_channel("message", "a"),
    "send_and_broadcast": lambda socket: socket.send_and_broadcast("message"),
    "disconnect": lambda socket: socket.disconnect(),
}


@pytest.mark.parametrize("method", SOCKET_METHODS.values(), ids=SOCKET_METHODS)
def test_a_function_that_uses_a_socket_is_told_so_and_nothing_is_done(server, method):
    errors = []

    @on_message
    def ask(request, socket, context, message):
        in_thread(method, socket)

    @on_error
    def note(request, socket, context, exception):
        errors.append(exception)

    client, other = join(server), join(server, "a")
    assert client.ask("message") == [{"error": "Internal error"}]
    assert type(errors[0]) is ThreadError
    assert str(errors[0]).startswith("socket.")
    assert (
        "was used by tests.behaviour.test_threads.<lambda>, which runs in a native thread"
        in str(errors[0])
    )
    assert client.sync() == other.sync() == []


def test_handlers_use_their_sockets_while_functions_run(server):
    entered, go = threading.Event(), threading.Event()

    def block():
        entered.set()
        go.wait(5)

    @on_message
    def wait(request, socket, context, message):
        in_thread(block)
        socket.send("after")

    @on_event("now")
    def now(request, socket, context):
        socket.subscribe("a")
        socket.send_and_broadcast_channel("meanwhile", "a")

    client, other = join(server), join(server)
    client.emit("message")
    assert entered.wait(5)
    other.emit("now")
    assert other.event() == ["message", "meanwhile"]
    go.set()
    assert client.event() == ["message", "after"]


def test_a_function_that_uses_the_database_is_told_so_and_leaves_no_connection(server):
    def query():
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except ThreadError as error:
            return [str(error), connections.all(initialized_only=True) == []]

    @on_message
    def ask(request, socket, context, message):
        return in_thread(query)

    for _ in range(2):
        ((error, closed),) = join(server).ask("message")
        assert error.startswith("the database 'default' was used by ")
        assert closed


def emit_in_batch(event, **audience):
    with django_socketio.emit_batch(on_commit=True) as batch:
        batch.emit(event, **audience)


FOR_A_COMMIT = {
    "emit": lambda: django_socketio.emit("saved", channel="a", on_commit=True),
    "alias": lambda: django_socketio.emit("saved", channel="a", on_commit="default"),
    "emit_batch": lambda: emit_in_batch("saved", channel="a"),
    "emit_template": lambda: django_socketio.emit_template(channel="a", swap="refresh"),
}


@pytest.mark.parametrize("function", FOR_A_COMMIT.values(), ids=FOR_A_COMMIT)
def test_a_function_cannot_wait_for_the_commit_of_the_handler(server, function):
    @on_message
    def save(request, socket, context, message):
        with transaction.atomic(), pytest.raises(ThreadError, match=r"on_commit=True .* was used"):
            in_thread(function)
        in_thread(django_socketio.emit_template, channel="a", swap="refresh", on_commit=False)
        django_socketio.emit("end", channel="a")

    client = join(server, "a")
    client.emit("message")
    assert [client.event()[0] for _ in range(2)] == ["_fragment", "end"]


def test_messages_out_of_band_leave_from_functions_and_from_any_native_thread(server):
    def report(id):
        django_socketio.send(id, "to one")
        django_socketio.broadcast_channel("to a", "a")
        with pytest.raises(TypeError):
            django_socketio.broadcast(object())
        return django_socketio.broadcast("to all")

    @on_message
    def ask(request, socket, context, message):
        return in_thread(report, socket.session.session_id)

    client, other = join(server), join(server, "a")
    client.emit("message", id=7)
    assert [client.event() for _ in range(2)] == [["message", "to one"], ["message", "to all"]]
    assert client.receive() == "437[2]"
    assert [other.event() for _ in range(2)] == [["message", "to a"], ["message", "to all"]]


def send_and_read():
    """Call functions that any thread may call, where one socket is on the channel "a"."""
    with django_socketio.emit_batch() as batch:
        emitted = batch.emit("news", channel="a")
    assert emitted.received == 1
    assert django_socketio.emit("news", channel="a").received == 1
    assert django_socketio.subscribe("b", channel="a").received == 1
    assert history("a") == presence("a") == []
    return bool(page_position("a"))


def test_functions_that_send_or_read_work_in_functions_and_in_any_native_thread(server):
    @on_message
    def ask(request, socket, context, message):
        return in_thread(send_and_read)

    client, other = join(server, "a"), join(server)
    assert other.ask("message") == [True]
    assert send_and_read()  # this thread is none of the server's
    assert [client.event() for _ in range(4)] == [["news"]] * 4


@pytest.mark.parametrize("name", ["call", "site_stats"])
def test_functions_that_wait_for_others_are_refused_in_functions(server, name):
    functions = {
        "call": lambda: django_socketio.call("question", channel="a"),
        "site_stats": django_socketio.site_stats,
    }

    @on_message
    def ask(request, socket, context, message):
        with pytest.raises(ThreadError):
            in_thread(functions[name])
        return "refused"

    assert join(server, "a").ask("message") == ["refused"]


def test_messages_of_a_native_thread_stay_in_order(server):
    client = join(server, "a")

    def send(thread):
        for number in range(200):
            assert django_socketio.broadcast_channel([thread, number], "a") == 1

    threads = [threading.Thread(target=send, args=[thread]) for thread in range(4)]
    for thread in threads:
        thread.start()
    seen = [client.event()[1] for _ in range(800)]
    for thread in threads:
        thread.join(5)
    for thread in range(4):
        assert [number for t, number in seen if t == thread] == list(range(200))


def test_a_greenlet_that_stops_waiting_stops_what_has_not_begun(serve, caplog):
    begun, go = [], threading.Event()

    def work(number):
        begun.append(number)
        go.wait(5)
        raise ValueError(number)

    @on_message
    def ask(request, socket, context, number):
        with gevent.Timeout(0.05, False):
            in_thread(work, number)
        return "stopped waiting"

    @on_event("more")
    def more(request, socket, context):
        return in_thread(len, "more")

    server = serve(THREADS=1)
    clients = [join(server) for _ in range(4)]
    for number, client in enumerate(clients):
        client.emit("message", number, id=1)
        assert client.receive() == '431["stopped waiting"]'
    go.set()
    assert clients[0].ask("more") == [4]
    assert begun == [0]
    assert "raised ValueError(0) in a native thread" in caplog.text


def test_a_socket_that_ends_meanwhile_has_its_last_handlers_after_the_function(server):
    entered, go, seen = threading.Event(), threading.Event(), []

    def block():
        entered.set()
        return go.wait(5)

    @on_message
    def wait(request, socket, context, message):
        seen.append([in_thread(block), socket.send("too late")])

    @on_disconnect
    def note(request, socket, context):
        seen.append("disconnected")

    client = join(server)
    client.emit("message")
    assert entered.wait(5)
    client.close()
    wait_until(lambda: not server.socket_server.engine.sessions)
    go.set()
    assert nothing_is_left(server)
    assert seen == [[True, False], "disconnected"]


def test_a_server_ends_although_a_function_does_not(serve):
    entered, go, ended = threading.Event(), threading.Event(), []

    def hang():
        entered.set()
        go.wait(20)

    @on_message
    def wait(request, socket, context, message):
        in_thread(hang)

    @on_disconnect
    def note(request, socket, context):
        ended.append(True)

    server = serve()
    hanging, other = join(server), join(server)
    hanging.emit("message")
    assert entered.wait(5)
    other.sync()
    server.stop()
    assert ended == [True]
    go.set()


@pytest.mark.parametrize("name", ["welcome", "intruder"])
def test_on_connect_decides_by_a_function(server, name):
    @on_connect
    def check(request, socket, context):
        if in_thread(len, socket.auth["name"]) > 7:
            raise PermissionDenied("your name is too long")

    client = WebSocketClient(server.port)
    client.send(f'40{{"name": "{name}"}}')
    assert client.receive().startswith("40" if name == "welcome" else "44")


PATCHED = """
from gevent import monkey
monkey.patch_all()
import django, gevent, threading
django.setup()
from django_socketio import NoSocket, broadcast, in_thread
sleep, ident = monkey.get_original("time", "sleep"), monkey.get_original("_thread", "get_ident")

def work():
    sleep(0.1)
    try:
        broadcast("message")
    except NoSocket:
        return ident()

turns = []
gevent.spawn(lambda: [turns.append(gevent.sleep(0.01)) for _ in range(5)])
gevent.sleep(0)
assert gevent.spawn(in_thread, work).get() != ident() != in_thread(work)
assert len(turns) == 5
"""


def test_a_patched_process_that_is_no_server_has_threads_as_well():
    run = subprocess.run(
        [sys.executable, "-c", PATCHED], capture_output=True, text=True, check=False, timeout=20
    )
    assert (run.returncode, run.stderr) == (0, "")


# Native threads that the site has begun itself


@pytest.fixture
def _impatient():
    """Have threads take turns as often as they can: after nearly every step."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def outcome_of(change, look):
    """Look while a thread changes what is looked at; return the errors of both."""
    errors = []

    def run():
        try:
            change()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        while thread.is_alive():
            look()
    except RuntimeError as error:
        errors.append(error)
    thread.join()
    return errors


@pytest.mark.usefixtures("_impatient")
def test_reports_come_in_another_thread_than_that_of_the_caller():
    def add(call):
        for number in range(300):
            call.add(Report("call", f"process-{number}", 1, 1, f"socket-{number}", None, [1]))

    for _ in range(20):
        call = Call(True, threading.Event())
        assert outcome_of(lambda call=call: add(call), lambda call=call: call.expect(301)) == []
        assert len(call.answers) == 300


@pytest.mark.usefixtures("_impatient")
def test_presence_is_read_in_another_thread_than_that_of_the_server():
    rosters, room = MemoryRosters(lambda _: None, lambda _: None), presence_topic("/", "room-1")

    def come_and_go():
        for number in range(1500):
            rosters.hold("p1", [Hold(room, f"person-{number}", Presence.ONLINE)])
            rosters.hold("p1", [Hold(room, f"person-{number - 100}", Presence.GONE)])

    assert outcome_of(come_and_go, lambda: rosters.read(room)) == []
    assert len(rosters.read(room).people) == 100


READERS = {
    "history": (MemoryRelay, "history", history),
    "page_position": (MemoryRelay, "keep", page_position),
    "presence": (MemoryRosters, "read", presence),
    "presence_count": (MemoryRosters, "count", presence_count),
}


@pytest.mark.parametrize("name", READERS)
def test_the_thread_of_the_server_reads_from_its_relay_for_all_others(server, monkeypatch, name):
    kind, method, read = READERS[name]
    original, threads = getattr(kind, method), []

    def noting(*args):
        threads.append(threading.get_ident())
        return original(*args)

    monkeypatch.setattr(kind, method, noting)
    found = read("room-1")
    assert found == server.call(read, "room-1")
    assert threads == [server.call(threading.get_ident)] * 2
