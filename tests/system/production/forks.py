"""Handlers and views that fork, in the ways that libraries and people do."""

import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from django.http import JsonResponse

from django_socketio import NoRelay, NoSocket, broadcast, emit, in_thread
from django_socketio.events import on_event
from tests.system.production.events import say

FORK = multiprocessing.get_context("fork")

LONG = 1.5
"""Seconds: a worker of gunicorn looks for its arbiter in this time."""


def live_long():
    """Wait as a child does that works: all that the parent had would run meanwhile."""
    say(f"child {os.getpid()}")
    time.sleep(LONG)
    say("child is still there")
    time.sleep(60)


def tell():
    """Broadcast from the child."""
    say(f"child {os.getpid()}")
    try:
        say(f"received by {broadcast('from the child')}")
    except NoSocket as error:
        say(f"NoSocket: {error}")


def emit_to_all():
    """Emit from the child."""
    try:
        say(f"emitted to {emit('message', 'from the child').received}")
    except NoRelay as error:
        say(f"NoRelay: {error}")


def start(target):
    process = FORK.Process(target=target)
    process.start()
    return process.pid


def square(number):
    return number * number


def fork_and(child):
    """Fork, have ``child`` called there, and go on as its parent's copy; return its status."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return child()


WAYS = {
    "long": lambda: start(live_long),
    "tell": lambda: start(tell),
    "emit": lambda: start(emit_to_all),
    "orphan": lambda: os.fork() or live_long(),
    "end": lambda: fork_and(lambda: os._exit(7)),
    "thread": lambda: fork_and(lambda: os._exit(in_thread(square, 3))),
    "exit": lambda: fork_and(lambda: sys.exit(6)),
    "raise": lambda: fork_and(lambda: 1 / 0),
    "return": lambda: fork_and(lambda: "answered twice"),
    "spawn": lambda: subprocess.check_output(["echo", "spawned"], text=True),
    "preexec": lambda: subprocess.check_output(
        ["echo", "spawned"], text=True, preexec_fn=lambda: None
    ),
}


@on_event("fork")
def fork(request, socket, context, way):
    return WAYS[way]()


@on_event("pool")
def pool(request, socket, context):
    with ProcessPoolExecutor(2, mp_context=FORK) as executor:
        return list(executor.map(square, range(5)))


@on_event("send from child")
def send_from_child(request, socket, context):
    def child():
        try:
            socket.send("from the child")
        except NoSocket as error:
            say(f"NoSocket: {error}")

    return start(child)


@on_event("terminate")
def terminate(request, socket, context):
    """Terminate a child, as ``multiprocessing`` does; return its status."""
    process = FORK.Process(target=live_long)
    process.start()
    process.terminate()
    process.join(10)
    return process.exitcode


def fork_in_view(request, way):
    return JsonResponse({"answer": WAYS[way]()})
