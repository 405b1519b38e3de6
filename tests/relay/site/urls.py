import os

from django.http import JsonResponse
from django.urls import include, path

from tests.relay.site.publishing import publish


def push(request, channel, content):
    """Publish; answer with what the publisher is told."""
    return JsonResponse(publish(channel, content))


def push_number(request, channel, publisher, number):
    """The same, with a content that can be counted."""
    return JsonResponse(publish(channel, (publisher, number)))


urlpatterns = [
    path("", include("django_socketio.urls")),
    path("pid/", lambda request: JsonResponse({"pid": os.getpid()})),
    path("push/<channel>/<content>/", push),
    path("push/<channel>/<publisher>/<int:number>/", push_number),
]
