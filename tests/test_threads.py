"""Handlers in threads of the operating system, and who must not know the difference."""

import threading
import time
from queue import Queue

import gevent
import pytest
from django.core.exceptions import PermissionDenied

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
from django_socketio.exceptions import EventError
from tests.test_abuse import join, nothing_is_left


def test_a_threaded_handler_holds_nobody_else_up(server):
    entered, go = threading.Event(), threading.Event()

    @on_message(threaded=True)
    def block(request, socket, context, message):
        entered.set()
        return go.wait(5) and threading.get_ident()

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


def test_what_one_socket_sends_stays_in_order(server):
    seen = []

    @on_message(threaded=True)
    def slowly(request, socket, context, message):
        time.sleep(0.01)
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

    @on_message(threaded=True)
    def work(request, socket, context, message):
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()

    server = serve(THREADS=2)
    clients = [join(server) for _ in range(6)]
    for client in clients:
        client.emit("message", id=1)
    assert [client.receive() for client in clients] == ["431[]"] * 6
    assert max(most) == 2


@pytest.mark.parametrize(
    "error, answer",
    [
        (ValueError, "Internal error"),
        (gevent.Timeout, "Internal error"),
        (PermissionDenied, "Permission denied"),
    ],
)
def test_what_a_threaded_handler_raises_is_treated_as_ever(server, error, answer):
    errors = []

    @on_message(threaded=True)
    def fail(request, socket, context, message):
        raise error()

    @on_error
    def note(request, socket, context, exception):
        errors.append((type(exception), threading.get_ident()))

    @on_event("thread")
    def thread(request, socket, context):
        return threading.get_ident()

    client = join(server)
    assert client.ask("message") == [{"error": answer}]
    loop = client.ask("thread")[0]
    assert errors == ([] if error is PermissionDenied else [(error, loop)])


def test_system_exit_in_a_thread_is_that_of_any_handler(serve, monkeypatch):
    raised = Queue()

    @on_message(threaded=True)
    def leave(request, socket, context, message):
        raise SystemExit(3)

    server = serve()
    hub = server._hub
    monkeypatch.setattr(hub, "handle_system_error", lambda kind, value, tb=None: raised.put(value))
    client = join(server)
    client.emit("message")
    assert raised.get(timeout=5).code == 3
    assert join(server).sync() == []


def test_everything_of_a_socket_can_be_called_in_a_thread(server):
    @on_event("all", threaded=True)
    def use(request, socket, context):
        assert threading.get_ident() != context["loop"]
        done = [socket.subscribe("a"), socket.subscribe("a"), socket.channels]
        done.append(socket.send("sent"))
        socket.emit("asked", callback=lambda answer: context.update(answer=answer))
        socket.broadcast("to others")
        socket.broadcast_channel("to others on a")
        socket.send_and_broadcast("to all")
        socket.send_and_broadcast_channel("to all on a", "a")
        done.append(django_socketio.broadcast_channel("out of band", "a"))
        done.append(socket.call("question", timeout=5))
        done += [socket.unsubscribe("a"), socket.unsubscribe("a")]
        with pytest.raises(TypeError):
            socket.send(object())
        with pytest.raises(EventError):
            socket.emit("connect")
        return done

    @on_connect
    def note(request, socket, context):
        context["loop"] = threading.get_ident()

    client, other = join(server), join(server, "a")
    client.emit("all", id=7)
    assert client.event() == ["message", "sent"]
    assert client.receive() == '420["asked"]'
    for message in ("to all", "to all on a", "out of band"):
        assert client.event() == ["message", message]
    assert client.receive() == '421["question"]'
    client.send('431["answer"]')
    assert client.receive() == '437[[true,false,["a"],true,2,"answer",true,false]]'
    for message in ("to others", "to others on a", "to all", "to all on a", "out of band"):
        assert other.event() == ["message", message]


def test_disconnecting_in_a_thread_ends_the_socket(server):
    ended = []

    @on_message(threaded=True)
    def leave(request, socket, context, message):
        socket.disconnect()
        assert socket.send("too late") is False

    @on_disconnect(threaded=True)
    def disconnected(request, socket, context):
        ended.append(socket.disconnect_reason)

    client = join(server)
    client.emit("message")
    assert client.receive() == "41"
    client.close()
    assert nothing_is_left(server)
    assert ended == ["server namespace disconnect"]


def test_every_event_may_have_threaded_handlers(server):
    seen = []
    kinds = [on_connect, on_subscribe, on_message, on_error, on_unsubscribe, on_disconnect]
    for event in (*kinds, on_finish):

        @event(threaded=True)
        def note(request, socket, context, *args, name=event.name):
            seen.append((name, threading.get_ident()))
            if name == "on_message":
                raise ValueError

    loop = server.call(threading.get_ident)
    client = join(server, "a")
    client.ask("message")
    client.close()
    assert nothing_is_left(server)
    assert [name for name, _ in seen] == [
        *[event.name for event in kinds[:4]],
        "on_disconnect",
        "on_unsubscribe",
        "on_finish",
    ]
    assert loop not in {thread for _, thread in seen}


def test_sockets_may_be_used_from_threads_that_nobody_knows(server):
    sockets = []

    @on_connect
    def note(request, socket, context):
        sockets.append(socket)

    client = join(server)

    def send(thread):
        for number in range(200):
            assert sockets[0].send([thread, number])

    threads = [threading.Thread(target=send, args=[thread]) for thread in range(4)]
    for thread in threads:
        thread.start()
    seen = [client.event()[1] for _ in range(800)]
    for thread in threads:
        thread.join(5)
    assert sorted(seen) == [[thread, number] for thread in range(4) for number in range(200)]
    for thread in range(4):
        assert [number for t, number in seen if t == thread] == list(range(200))


def test_a_server_ends_although_a_thread_does_not(serve):
    go, ended = threading.Event(), []

    @on_message(threaded=True)
    def hang(request, socket, context, message):
        go.wait(20)

    @on_finish
    def note(request, socket, context):
        ended.append(True)

    server = serve()
    hanging, other = join(server), join(server)
    hanging.emit("message")
    other.sync()
    server.stop()
    assert ended == [True]
    go.set()
