"""Who may see the page and use it, and the log of what was done."""

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied

from django_socketio.dashboard.models import Dashboard

NAMESPACE = "/socketio-dashboard"
"""The Socket.IO namespace of the page."""

VIEW, SEND, DISCONNECT = "view_dashboard", "send_events", "disconnect_sockets"


def may(user: Any, permission: str) -> bool:
    """Return whether a user is of the staff and has a permission of the page."""
    return bool(
        user.is_active and user.is_staff and user.has_perm(f"socketio_dashboard.{permission}")
    )


def require(user: Any, permission: str) -> None:
    """Check that a user has a permission of the page.

    Raises:
        PermissionDenied: the user has it not.

    """
    if not may(user, permission):
        raise PermissionDenied(f"You need the permission {permission}")


def log(user: Any, subject: str, message: str) -> None:
    """Note in the log of the admin what a user has done."""
    LogEntry.objects.create(
        user_id=user.pk,
        content_type=ContentType.objects.get_for_model(Dashboard),
        object_id=subject,
        object_repr=subject[:200],
        action_flag=CHANGE,
        change_message=message,
    )
