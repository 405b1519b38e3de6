from django.conf import settings
from django.db import models

from django_socketio import publish_model


class Export(models.Model):
    """An export of the orders, which takes a while, for a user or for a visitor without a login."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    session_key = models.CharField(max_length=40, blank=True)
    percent = models.PositiveSmallIntegerField(default=0)

    def __str__(self):
        return f"Export {self.pk}"

    @property
    def channel(self):
        return f"export-{self.pk}"

    @property
    def audience(self):
        """Who is told at the end: the user on all devices, or all tabs of the visitor."""
        return {"user": self.user} if self.user else {"session": self.session_key}


# A task saves how far it is, and the page shows it: nobody sends anything.
publish_model(Export, channel=lambda export: export.channel, template="tour/export.html")
