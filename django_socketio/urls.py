"""The URL of the endpoint: ``path("", include("django_socketio.urls"))`` in a project's URLs."""

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.urls import re_path

from django_socketio.server.view import socketio

if not apps.is_installed("django_socketio"):
    raise ImproperlyConfigured(
        'django_socketio.urls are included, but "django_socketio" is missing from INSTALLED_APPS'
    )

urlpatterns = [re_path(r"^socket\.io/?$", socketio, name="socketio")]
