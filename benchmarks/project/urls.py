"""Only the sockets."""

from django.urls import include, path

urlpatterns = [path("", include("django_socketio.urls"))]
