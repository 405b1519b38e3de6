"""What is measured: handlers as a site would write them."""

import os
import time

import gevent

from django_socketio import call, presence
from django_socketio.events import on_connect, on_event, on_message, on_subscribe


@on_connect
def greet(request, socket, context):
    """Know who it is, as most sites do: this reads the session."""
    context["user"] = request.user.pk


@on_subscribe
def allow(request, socket, context, channel):
    """Let everyone subscribe to everything."""


@on_message(channel="^echo")
def echo(request, socket, context, message):
    """Send the message back."""
    socket.send(message)


@on_message(channel="^room-")
def say(request, socket, context, message):
    """Send the message to all on the channel."""
    socket.send_and_broadcast_channel(message)


@on_event("publish")
def publish(request, socket, context, channel, message):
    """Send the message to all on one of the socket's channels."""
    socket.send_and_broadcast_channel(message, channel)


@on_event("take")
def take(request, socket, context, message):
    """Take a message of any size; the answer is short."""
    return True


@on_event("give")
def give(request, socket, context, size, padding):
    """Send a message of any size."""
    socket.send("x" * size)


@on_event("who")
def who(request, socket, context):
    """Know who it is, each time."""
    return str(request.user)


@on_event("work")
def work(request, socket, context):
    """Compute for a millisecond."""
    until = time.perf_counter() + 0.001
    while time.perf_counter() < until:
        pass


@on_event("fail")
def fail(request, socket, context):
    """Fail, as a handler with a mistake does."""
    raise ValueError("a mistake")


def ignore(request, socket, context, message):
    """Never run: its channel is nobody's."""


for _number in range(int(os.environ.get("BENCH_PATTERNS", "0"))):
    on_message(channel=f"^pattern-{_number}-")(ignore)


@on_event("measure calls")
def measure_calls(request, socket, context, count, in_flight):
    """Ask the sockets on a channel, some calls at once; return the seconds of all and of each."""
    latencies, left = [], [None] * count

    def ask():
        while left:
            left.pop()
            asked = time.monotonic()
            call("who?", channel="asked", wait="all")
            latencies.append(time.monotonic() - asked)

    begun = time.monotonic()
    gevent.joinall([gevent.spawn(ask) for _ in range(in_flight)], raise_error=True)
    return [time.monotonic() - begun, latencies]


@on_event("measure lists")
def measure_lists(request, socket, context, count, people):
    """List the people on a channel; return the seconds of each list."""
    taken = []
    while len(taken) < count:
        begun = time.monotonic()
        if len(presence("here-1")) == people:
            taken.append(time.monotonic() - begun)
    return taken
