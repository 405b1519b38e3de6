"""Shows from outside what is in the server process."""

import gc
import os
from collections import Counter
from dataclasses import replace

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse, JsonResponse
from django.urls import include, path
from greenlet import greenlet

import django_socketio
from django_socketio.channels.current import current
from django_socketio.concurrency import log_limits
from django_socketio.concurrency.workers import Workers
from tests.system.faults import events

# Otherwise the timers that count errors and log entries would be left for ten seconds.
log_limits.INTERVAL = 0.1

LEFT = [
    *["Acks", "Backlog", "Client", "EngineRequest", "Login", "Mailbox", "PollingTransport"],
    *["Session", "Socket", "SocketLifecycle", "Upgrade", "WebSocketProtocol"],
    *["WebSocketTransport", "WSGIRequest", "io"],
]


def memory():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def census(request):
    """Count everything that a socket may leave behind.

    "uncollected" counts also what is cyclic, and "quick" only what the server itself counts.
    """
    if "quick" in request.GET:
        return JsonResponse(counts_of_server())
    gc.unfreeze()  # what the server has left out is looked at here, too
    if "uncollected" in request.GET:
        gc.disable()
    else:
        gc.collect()
    return JsonResponse({**counts_of_objects(gc.get_objects()), **counts_of_server()})


def counts_of_objects(objects):
    types, kinds = Counter(map(type, objects)), Counter()
    for one, count in types.items():
        kinds[one.__name__] += count
    looked_at = {one for one in types if issubclass(one, (WSGIRequest, Workers, greenlet))}
    found = [one for one in objects if type(one) in looked_at]
    requests = [one for one in found if isinstance(one, WSGIRequest)]
    idle = {one for pool in found if isinstance(pool, Workers) for one in pool._idle}
    greenlets = [one for one in found if isinstance(one, greenlet) and one]
    return {
        **{kind: kinds[kind] for kind in LEFT},
        "requests of sockets": sum(one.path == "/socket.io/" for one in requests),
        "greenlets": sum(one not in idle for one in greenlets),
    }


def counts_of_server():
    server = current()
    workers = server.executor
    return {
        "busy workers": workers._count - len(workers._idle),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "timers": len(server.timers),
        "sessions": len(server.engine.sessions),
        "open_sockets": len(server.open_sockets),
        "channels": len(server.channels),
    }


def ends(request):
    """Tell how often each socket that was accepted has ended, and the memory that is used."""
    wrong = [
        (id, events.disconnected[id], events.finished[id])
        for id in events.accepted | set(events.disconnected) | set(events.finished)
        if (events.disconnected[id], events.finished[id]) != (1, 1) or id not in events.accepted
    ]
    reasons = dict(events.reasons)
    answer = {"accepted": len(events.accepted), "wrong": wrong, "reasons": reasons}
    return JsonResponse({**answer, "memory": memory()})


def beat(request):
    """Call the timers of all sessions: each sends a ping, or misses the pong to the last one."""
    for session in [*current().engine.sessions.values()]:
        session.wake(session.protocol.deadline)
    return HttpResponse("")


def connect_timeout(request, seconds):
    """Set the connect timeout of the clients that come from now on; return what it was."""
    server = current()
    before = server.limits.connect_timeout
    server.limits = replace(server.limits, connect_timeout=float(seconds))
    return HttpResponse(str(before))


def broadcast(request):
    message = "x" * int(request.GET["size"])
    sent = [django_socketio.broadcast(message) for _ in range(int(request.GET["count"]))]
    return HttpResponse(str(sent[-1]))


urlpatterns = [
    path("", include("django_socketio.urls")),
    path("census/", census),
    path("ends/", ends),
    path("beat/", beat),
    path("connect-timeout/<str:seconds>/", connect_timeout),
    path("broadcast/", broadcast),
]
