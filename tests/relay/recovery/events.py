"""Handlers that do what clients tell them to."""

from collections import defaultdict

from django.core.exceptions import PermissionDenied
from gevent.event import Event

from django_socketio import relay_status
from django_socketio.events import on_connect, on_event, on_finish, on_return, on_subscribe


class Decision:
    """An ``on_subscribe`` that waits until another client has it go on."""

    def __init__(self):
        self.is_asked, self.is_made = Event(), Event()

    def wait(self):
        self.is_asked.set()
        self.is_made.wait(10)


WATCHERS = "/watchers"
"""The namespace of clients that watch a server; none of the messages is for it."""

decisions = defaultdict(Decision)


@on_connect
def come(request, socket, context):
    for channel in socket.auth.get("join", ()):
        socket.subscribe(channel)


@on_subscribe
def decide(request, socket, context, channel):
    if channel in socket.auth.get("banned", ()):
        raise PermissionDenied("banned")
    if context.pop("is_slow", False):
        decisions[socket.session.session_id].wait()


@on_event("slow")
def slow(request, socket, context):
    """Have the next ``on_subscribe`` of this socket wait."""
    context["is_slow"] = True


@on_event("asked", namespace=WATCHERS)
def asked(request, socket, context, id):
    """Answer once ``on_subscribe`` waits for another socket."""
    decisions[id].is_asked.wait(10)


@on_event("go on", namespace=WATCHERS)
def go_on(request, socket, context, id):
    decisions.pop(id).is_made.set()


@on_event("kick")
def kick(request, socket, context, channel):
    socket.unsubscribe(channel)


@on_event("admit")
def admit(request, socket, context, channel):
    socket.subscribe(channel)


@on_event("relay", namespace=WATCHERS)
def relay(request, socket, context):
    return relay_status()["alive"], relay_status()["reconnects"]


sockets = {}
"""The sockets of clients that may come back to them, by their ids."""


@on_connect
@on_return
def here(request, socket, context):
    sockets[socket.session.session_id] = socket


@on_finish
def gone(request, socket, context):
    sockets.pop(socket.session.session_id, None)


@on_event("put", namespace=WATCHERS)
def put(request, socket, context, id, channel, is_on):
    """Put a socket, which may be away, on a channel, or take it off."""
    other = sockets[id]
    return other.subscribe(channel) if is_on else other.unsubscribe(channel)


@on_event("end all", namespace=WATCHERS)
def end_all(request, socket, context):
    """End all sockets of clients, also of those that are away."""
    for other in [*sockets.values()]:
        other.disconnect()


@on_event("emit", namespace=WATCHERS)
def emit(request, socket, context, id, number):
    """Send a message to a socket, which may be away."""
    return sockets[id].emit("message", number)
