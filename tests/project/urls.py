import gc

from django.http import HttpResponse, JsonResponse
from django.urls import include, path

import django_socketio
from tests.project.echo import echo, echo_at_once
from tests.project.streams import Members, Stream


def push(request):
    received = django_socketio.broadcast_channel(request.GET["message"], request.GET["channel"])
    return HttpResponse(str(received))


def fields(request):
    """Return the request's header fields as WSGI names them."""
    return JsonResponse({k: v for k, v in request.META.items() if k.startswith(("HTTP", "CONT"))})


urlpatterns = [
    path("", include("django_socketio.urls")),
    path("push/", push),
    path("fields/", fields),
    path("garbage/", lambda request: JsonResponse({"thresholds": gc.get_threshold()})),
    path("echo/socket.io", echo),
    path("echo-at-once/socket.io", echo_at_once),
    path("stream/", Stream.as_view()),
    path("stream/channels-only/", Stream.as_view(audiences=False)),
    path("stream/members/", Members.as_view()),
    path("stream/admin/", Stream.as_view(namespace="/admin")),
]
