"""The model that the page is registered with; there is no table."""

from typing import ClassVar

from django.db import models


class Dashboard(models.Model):
    """What permissions and log entries of the page are about."""

    class Meta:
        """There is no table. The permissions are those of the page."""

        managed = False
        verbose_name = "live sockets"
        verbose_name_plural = "live sockets"
        default_permissions = ("view",)
        permissions: ClassVar = [
            ("send_events", "Can send events to sockets"),
            ("disconnect_sockets", "Can disconnect sockets"),
        ]
