import sys
from collections import defaultdict
from unittest import mock

import gevent
from asgiref.sync import sync_to_async
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection
from gevent.event import Event

from django_socketio.events import on_connect, on_disconnect, on_event, on_message
from django_socketio.security import sessions
from tests.security.middleware import user_of

gates = defaultdict(Event)
"""Opened by a view; until then, a handler waits."""


@on_event("wait")
def wait(request, socket, context, name):
    sys.stdout.write(f"waiting: {name}\n")
    assert gates[name].wait(20)


@on_event("ask the page")
def ask_the_page(request, socket, context, text):
    socket.emit("question", callback=lambda: sys.stdout.write(f"{text}\n"))


@on_connect
@on_connect(namespace="/other")
def take_token(request, socket, context):
    if "token" not in socket.auth:
        return
    user = user_of(socket.auth["token"])
    if user.pk is None:
        raise PermissionDenied("unknown token")
    socket.login(user)


@on_connect(namespace="/members")
def members_only(request, socket, context):
    if not request.user.is_authenticated:
        raise PermissionDenied("log in")


@on_event("log in")
def log_in(request, socket, context, token):
    socket.login(user_of(token))
    return request.user.username


@on_event("change password")
def change_password(request, socket, context, password):
    """Log in again while a check reads the login that was before."""
    found, may_go_on = Event(), Event()
    users_of = sessions.users_of

    def users_of_late(data):
        users = users_of(data)
        found.set()
        assert may_go_on.wait(20)
        return users

    user = User.objects.get(pk=request.user.pk)
    user.set_password(password)
    with mock.patch.object(sessions, "users_of", users_of_late):
        user.save()
        assert found.wait(20)
    socket.login(user)
    may_go_on.set()
    gevent.sleep(0.1)  # so long the check has to end the login
    return request.user.username


@on_event("async who")
async def async_who(request, socket, context):
    return (await request.auser()).username


@on_event("who", namespace="/other")
@on_event("who")
def who(request, socket, context):
    return request.user.username


@on_event("to others")
def to_others(request, socket, context, text):
    socket.broadcast(text)


@on_event("channels")
def channels(request, socket, context):
    return socket.channels


@on_event("may")
def may(request, socket, context):
    return request.user.has_perm("auth.view_user")


@on_event("refused")
def refused(request, socket, context):
    if not request.user.has_perm("auth.view_user"):
        raise PermissionDenied("you may not")
    return "welcome"


@on_message
def asked_nothing(request, socket, context, message):
    # Connections are closed after a handler, so one that is open is of this handler's.
    return connection.connection is not None


@on_event("note")
def note(request, socket, context, text):
    request.session["note"] = text


@on_event("async note")
async def async_note(request, socket, context, text):
    await sync_to_async(request.session.__setitem__)("note", text)


@on_event("note and fail")
def note_and_fail(request, socket, context, text):
    request.session["note"] = text
    raise RuntimeError("on purpose")


@on_event("noted")
def noted(request, socket, context):
    return request.session.get("note")


@on_event("shout")
def shout(request, socket, context, text):
    sys.stdout.write(f"{text}\n")


@on_event("last words")
def last_words(request, socket, context, text):
    context["last words"] = text


@on_event("log out")
def log_out(request, socket, context):
    logout(request)


@on_disconnect
def gone(request, socket, context):
    if "last words" in context:
        request.session["note"] = context["last words"]
    name = request.user.username or "nobody"
    sys.stdout.write(f"gone: {name}: {socket.disconnect_reason}\n")
