"""Handlers that answer without the relay, and tell clients what the relay has lost."""

import os

from django_socketio import RelayGap
from django_socketio.events import on_connect, on_error, on_event


@on_connect
def connected(request, socket, context):
    """Let everybody in."""


@on_event("pid")
def pid(request, socket, context):
    return os.getpid()


@on_event("sync")
def sync(request, socket, context):
    """Answer: by then, all that the server had sent before is with the client."""


@on_error
def tell(request, socket, context, exception):
    if isinstance(exception, RelayGap):
        socket.emit("gap", exception.channel)
