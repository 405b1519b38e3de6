import os

from django.http import JsonResponse
from django.urls import include, path

from tests.relay.site.publishing import publish


def push(request, channel, content):
    """Publish; answer with what the publisher is told."""
    return JsonResponse(publish(channel, content))


urlpatterns = [
    path("", include("django_socketio.urls")),
    path("pid/", lambda request: JsonResponse({"pid": os.getpid()})),
    path("push/<channel>/<content>/", push),
]
