# ruff: noqa: RUF012

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("pizza", models.CharField(max_length=40)),
                (
                    "number",
                    models.PositiveSmallIntegerField(
                        default=1,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(20),
                        ],
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("new", "New"), ("baking", "In the oven"), ("ready", "Ready")],
                        default="new",
                        max_length=10,
                    ),
                ),
            ],
            options={
                "ordering": ("pk",),
            },
        ),
    ]
