"""Views that use the database, well and badly."""

import os
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponse, JsonResponse
from django.urls import include, path
from gevent.event import AsyncResult

from django_socketio import accept_websocket
from django_socketio.channels.current import current
from django_socketio.concurrency.timers import clock
from django_socketio.server.database import IdleConnections
from tests.system.database.events import LEAVE, query, seen


def leave(request):
    transaction.atomic().__enter__()
    query("SELECT 1")
    return HttpResponse()


counts = []
"""What each call of ``query_and_count`` has counted."""


@accept_websocket
def query_and_count(request):
    """Query once for each message; count how often this process has the file of SQLite open."""
    if not request.is_websocket():
        return JsonResponse({"counts": counts})
    for _ in request.websocket:
        query("SELECT 1")
        folder = Path("/proc/self/fd")
        files = [os.readlink(folder / one) for one in os.listdir(folder) if (folder / one).exists()]
        counts.append(sum(one == str(settings.DATABASES["default"]["NAME"]) for one in files))
    return None


@accept_websocket
def query_and_wait(request):
    """Query once for each message; tell whether a transaction is open."""
    if not request.is_websocket():
        return HttpResponse(str(connection.in_atomic_block))
    for message in request.websocket:
        if message == "atomic":
            with transaction.atomic():
                query("SELECT 1")
                request.websocket.wait()
        answer = query("SELECT 1")
        request.websocket.send_json([answer, connection.in_atomic_block])
    return None


def much_later(request):
    """Close what has been idle for a long time, as if that had passed."""
    for service in current().services:
        if isinstance(service, IdleConnections):
            service.close(clock() + 1_000_000)
    return HttpResponse()


def query_in_pools(request):
    """Query in a worker of the handlers' pool, and of each pool of a service; tell how many."""
    server = current()
    mailboxes = [getattr(one, "_mailbox", None) for one in server.services]
    pools = {server.executor, *[mailbox._workers for mailbox in mailboxes if mailbox is not None]}
    answers = [AsyncResult() for _ in pools]
    for pool, answer in zip(pools, answers, strict=True):
        pool.spawn(lambda answer=answer: answer.set(query("SELECT 1")))
    return HttpResponse(str(sum(answer.get(timeout=10) for answer in answers)))


urlpatterns = [
    path("query-in-pools/", query_in_pools),
    path("", include("django_socketio.urls")),
    path("answer/", lambda request: HttpResponse(str(query("SELECT 1")))),
    path("backend/", lambda request: HttpResponse(str(query("SELECT pg_backend_pid()")))),
    path("leave/", leave),
    path("much-later/", much_later),
    path("query-and-count/", query_and_count),
    path("query-and-wait/", query_and_wait),
    path("leave/<str:way>/", lambda request, way: HttpResponse(LEAVE[way]())),
    path("seen/", lambda request: JsonResponse({"seen": seen()})),
]
