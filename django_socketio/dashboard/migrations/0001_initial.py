"""The content type of the page, and its permissions."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Makes no table."""

    initial = True
    dependencies: ClassVar = []
    operations: ClassVar = [
        migrations.CreateModel(
            name="Dashboard",
            fields=[("id", models.BigAutoField(primary_key=True, serialize=False))],
            options={
                "verbose_name": "live sockets",
                "verbose_name_plural": "live sockets",
                "permissions": [
                    ("send_events", "Can send events to sockets"),
                    ("disconnect_sockets", "Can disconnect sockets"),
                ],
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
    ]
