"""Only the sockets, and a stream."""

from django.urls import include, path

from django_socketio import EventStreamView

urlpatterns = [
    path("", include("django_socketio.urls")),
    path("stream/", EventStreamView.as_view(channels=["room-1"])),
]
