"""Models that are published, of the tests' project; their tables are made by conftest.py."""

import uuid

from django.db import models


class Customer(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = "project"


class Tag(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = "project"


class Order(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE, null=True)
    state = models.CharField(max_length=20, default="new")
    total = models.DecimalField(max_digits=9, decimal_places=2, default=0)
    placed = models.DateTimeField(null=True)
    data = models.JSONField(default=dict)
    invoice = models.FileField(blank=True)
    seal = models.BinaryField(default=b"")
    number = models.UUIDField(default=uuid.UUID(int=7))
    secret = models.CharField(max_length=20)
    tags = models.ManyToManyField(Tag)

    class Meta:
        app_label = "project"

    class Manager(models.Manager):
        def get_queryset(self):
            return super().get_queryset().exclude(state="hidden")

    objects = Manager()


class RushOrder(Order):
    hours = models.IntegerField(default=1)

    class Meta:
        app_label = "project"


class OpenOrder(Order):
    class Meta:
        app_label = "project"
        proxy = True


MODELS = [Customer, Tag, Order, RushOrder]
