"""The URL of the endpoint: ``path("", include("django_socketio.urls"))`` in a project's URLs."""

from django.urls import re_path

from django_socketio.server.view import socketio

urlpatterns = [re_path(r"^socket\.io/?$", socketio, name="socketio")]
