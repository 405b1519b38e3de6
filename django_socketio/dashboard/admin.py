"""The page, where the admin lists its models."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse

from django_socketio.dashboard.access import DISCONNECT, NAMESPACE, SEND, VIEW, may
from django_socketio.dashboard.models import Dashboard


@admin.register(Dashboard)
class DashboardAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Shows the live page in the place of a list of objects."""

    def get_urls(self) -> Any:
        """Return the URL of the page alone: there are no objects, and the log links to none."""
        return [one for one in super().get_urls() if str(one.name).endswith("_changelist")]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: there are no objects."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: there are no objects."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: there are no objects."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may see the page."""
        return may(request.user, VIEW)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Answer with the page.

        Raises:
            PermissionDenied: the user may not see it.

        """
        if not may(request.user, VIEW):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "Live sockets",
            "opts": self.opts,
            "namespace": NAMESPACE,
            "may_send": may(request.user, SEND),
            "may_disconnect": may(request.user, DISCONNECT),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "socketio_dashboard/dashboard.html", context)
