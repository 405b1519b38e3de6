"""Handlers that do wrong where the client's auth says so, and note how each socket ends."""

from collections import Counter

import gevent

from django_socketio.events import (
    on_connect,
    on_disconnect,
    on_error,
    on_finish,
    on_message,
    on_subscribe,
    on_unsubscribe,
)

accepted, disconnected, finished, reasons = set(), Counter(), Counter(), Counter()


def misbehave(socket, name):
    if socket.auth.get("fail") == name:
        raise ValueError(name)
    if socket.auth.get("disconnect") == name:
        socket.disconnect()
    if socket.auth.get("wait") == name:
        gevent.sleep(0.001)


@on_connect
def connect(request, socket, context):
    misbehave(socket, "on_connect")
    accepted.add(socket.id)


@on_message
def message(request, socket, context, message):
    misbehave(socket, "on_message")
    if message == "fail":
        raise ValueError(message)
    return message


@on_subscribe
def subscribe(request, socket, context, channel):
    misbehave(socket, "on_subscribe")


@on_unsubscribe
def unsubscribe(request, socket, context, channel):
    misbehave(socket, "on_unsubscribe")


@on_error
def error(request, socket, context, exception):
    misbehave(socket, "on_error")


@on_disconnect
def disconnect(request, socket, context):
    disconnected[socket.id] += 1
    reasons[socket.disconnect_reason] += 1
    misbehave(socket, "on_disconnect")


@on_finish
def finish(request, socket, context):
    finished[socket.id] += 1
    misbehave(socket, "on_finish")
