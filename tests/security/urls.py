"""What people and administrators do to logins."""

import time

from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.backends.signals import connection_created
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpResponse
from django.urls import include, path

from django_socketio import (
    RelayError,
    WebSocketListener,
    accept,
    emit,
    history,
    require_websocket,
    sign_channel,
)
from tests.project.streams import Stream
from tests.security.events import gates


def named(request):
    return User.objects.get_or_create(username=request.GET["user"])[0]


def view(function):
    def answer(request):
        return HttpResponse(str(function(request) or ""))

    return path(f"{function.__name__.replace('_', '-')}/", answer)


def log_in(request):
    login(request, named(request), "django.contrib.auth.backends.ModelBackend")


def visit(request):
    request.session["visits"] = request.session.get("visits", 0) + 1


def log_out(request):
    logout(request)


def flush(request):
    request.session.flush()


def expire(request):
    request.session.set_expiry(1)


def new_password(request):
    own = request.user.username == request.GET["user"]
    user = request.user if own else named(request)
    user.set_password("new")
    user.save()
    if own:
        update_session_auth_hash(request, user)


def deactivate(request):
    user = named(request)
    user.is_active = False
    user.save()


def deactivate_silently(request):
    named(request)
    User.objects.filter(username=request.GET["user"]).update(is_active=False)


def deactivate_in_vain(request):
    with transaction.atomic():
        deactivate(request)
        transaction.set_rollback(True)


def deactivate_slowly(request):
    with transaction.atomic():
        deactivate(request)
        time.sleep(0.3)  # what the signal tells is not in the database yet


def delete(request):
    named(request).delete()


def rename(request):
    user = named(request)
    user.first_name = "Ann"
    user.save()


def permit(request):
    named(request).user_permissions.set(Permission.objects.filter(codename="view_user"))


def noted(request):
    return request.session.get("note")


def open_gate(request):
    gates[request.GET["user"]].set()


def run(request):
    """Have the server evaluate an expression of a test."""
    names = {"User": User, "Group": Group, "emit": emit, "history": history}
    names |= {
        "sign_channel": sign_channel,
        "error_of": error_of,
        "refusal_of": refusal_of,
        "queries": QUERIES,
    }
    return eval(request.GET["code"], {**names, "request": request})


def error_of(call):
    try:
        call()
    except (TypeError, ValueError) as error:
        return error


def refusal_of(call):
    try:
        call()
    except RelayError as error:
        return error


@receiver(post_save, sender=Group)
def push_saved(instance, **kwargs):
    """Push each group that is saved, as a site does it whose pages may all be closed."""
    emit("saved", instance.name, channel="groups", on_commit=True)


QUERIES = []
"""The statements of all requests and handlers, in their order."""


def _note(execute, sql, params, many, context):
    QUERIES.append(sql)
    return execute(sql, params, many, context)


@receiver(connection_created)
def _watch(connection, **kwargs):
    connection.execute_wrappers.append(_note)


VIEWS = [run, log_in, log_out, visit, flush, expire, new_password, deactivate, deactivate_silently]
VIEWS += [deactivate_in_vain, deactivate_slowly, delete, rename, permit, noted, open_gate]


@require_websocket
def raw(request):
    """Answer each message with the user; tell how the connection has ended."""
    for _ in request.websocket:
        user = request.user
        request.websocket.send(f"{user} {getattr(user, 'first_name', '')}")
    print(f"raw: {request.user}: {request.websocket.close_reason}", flush=True)  # noqa: T201


@require_websocket
def raw_members(request):
    if not request.user.is_authenticated:
        raise PermissionDenied("log in")


class Raw(WebSocketListener):
    def on_message(self, message):
        self.send(message)


urlpatterns = [
    path("", include("django_socketio.urls")),
    path("stream/", Stream.as_view()),
    *map(view, VIEWS),
    path("raw/", raw),
    path("raw-members/", raw_members),
    path("raw-at-once/", lambda request: accept(request, Raw())),
]
