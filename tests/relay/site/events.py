"""Handlers that answer without the relay, and tell clients what the relay has lost."""

import os
import time

from django_socketio import NoSocket, RelayError, RelayGap, broadcast
from django_socketio.events import (
    on_connect,
    on_disconnect,
    on_error,
    on_event,
    on_join,
    on_leave,
)


@on_connect
def connected(request, socket, context):
    """Let everybody in."""


@on_event("pid")
def pid(request, socket, context):
    return os.getpid()


@on_event("sync")
def sync(request, socket, context):
    """Answer: by then, all that the server had sent before is with the client."""


@on_event("who")
def who(request, socket, context):
    return str(request.user)


@on_event("work")
def work(request, socket, context):
    """Compute for a millisecond."""
    until = time.thread_time() + 0.001
    while time.thread_time() < until:
        pass


@on_event("fail")
def fail(request, socket, context):
    raise ValueError("a mistake")


@on_error
def tell(request, socket, context, exception):
    if isinstance(exception, RelayGap):
        socket.emit("gap", exception.channel)


@on_connect(namespace="/leaving")
def come(request, socket, context):
    """Let everybody in."""


@on_disconnect(namespace="/leaving")
def leave(request, socket, context):
    """Say goodbye to all who stay, and write what was told."""
    try:
        told = broadcast("goodbye", namespace="/leaving")
    except (NoSocket, RelayError) as error:
        told = type(error).__name__
    os.write(1, f"GOODBYE {told}\n".encode())


if "TEST_PRESENCE" in os.environ:

    @on_join(channel="^[a-d]$")
    def joined(channel, person):
        os.write(1, f"joined {channel} {person.id}\n".encode())

    @on_leave(channel="^[a-d]$")
    def left(channel, person):
        os.write(1, f"left {channel} {person.id}\n".encode())
