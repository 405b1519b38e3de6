"""What is measured: handlers as a site would write them."""

import os
import time

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
