"""The app; its model is no table, and gives the page its place and its permissions."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """``django_socketio.dashboard`` in ``INSTALLED_APPS``."""

    name = "django_socketio.dashboard"
    label = "socketio_dashboard"
    verbose_name = "Socket.IO"
    default_auto_field = "django.db.models.BigAutoField"
