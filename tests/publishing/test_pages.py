"""Pages that follow a model by its events show what the database has, whatever is done to rows."""

import random

import pytest
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from django_socketio import publish_changes, publish_created, publish_model
from django_socketio.testing import outbox
from tests.publishing.models import MODELS, Customer, Order, Tag

CHANNELS = {
    "one": lambda order: "orders",
    "by customer": lambda order: order.customer_id and f"customer-{order.customer_id}",
    "by tags": lambda order: [tag.name for tag in order.tags.all()] if order.pk else None,
}


class Undone(Exception):
    """A transaction is rolled back."""


class Site:
    """A site that changes orders at random."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.customers = [None, *(Customer.objects.create() for _ in range(2))]
        self.tags = [Tag.objects.create(name=name) for name in "ab"]
        self.orders = []

    def change(self, depth=0):
        """Do one thing; nothing has stale values before it."""
        self.orders = [one for one in self.orders if Order.objects.filter(pk=one.pk).exists()]
        for order in self.orders:
            order.refresh_from_db()
        changes = [self.create, self.create_many, self.save, self.save, self.save_some, self.relate]
        self.random.choice([*changes, self.compute, self.update, self.delete])()
        if depth < 2 and self.random.random() < 0.3:
            self.change_in_transaction(depth + 1)

    def change_in_transaction(self, depth):
        try:
            with transaction.atomic():
                self.change(depth)
                self.change(depth)
                if self.random.random() < 0.4:
                    raise Undone
        except Undone:
            pass

    def create(self):
        self.orders.append(Order.objects.create(customer=self.random.choice(self.customers)))

    def create_many(self):
        self.orders += Order.objects.bulk_create([Order(), Order()])
        publish_created(self.orders[-2:])

    def order(self):
        """Return an order: the object that was saved before, one loaded anew, or one in part."""
        known = self.random.choice(self.orders or [Order.objects.create()])
        queries = [Order.objects, Order.objects.only("pk"), Order.objects.defer("customer")]
        found = [known, Order(pk=known.pk), *(query.get(pk=known.pk) for query in queries)]
        order = self.random.choice(found)
        order.customer = self.random.choice(self.customers)
        order.state = self.random.choice("xyz")
        return order

    def save(self):
        self.order().save()

    def save_some(self):
        self.order().save(update_fields=[self.random.choice(["state", "customer"])])

    def compute(self):
        order = self.order()
        order.state = Concat(F("secret"), Value("computed"))
        order.save()

    def update(self):
        queries = [Order.objects.all(), Order.objects.only("pk")]
        with publish_changes(self.random.choice(queries)) as orders:
            orders.update(customer=self.random.choice(self.customers), state="updated")

    def relate(self):
        order, tag = Order.objects.get(pk=self.order().pk), self.random.choice(self.tags)
        ways = [order.tags.add, order.tags.remove, lambda tag: order.tags.set([tag])]
        ways += [lambda tag: order.tags.clear(), lambda tag: tag.order_set.add(order)]
        self.random.choice(ways)(tag)

    def delete(self):
        order = self.order()
        self.random.choice([order.delete, Order.objects.filter(pk=order.pk).delete])()


def shown():
    """Return what the pages of each channel show, after all events."""
    pages = {}
    for message in outbox:
        (event,) = message.args
        for channel in message.channels:
            page = pages.setdefault(channel, {})
            page.pop(event["pk"], None)
            if message.event != "deleted":
                page[event["pk"]] = event["fields"]
    return {channel: page for channel, page in pages.items() if page}


def stored(channel_of):
    pages = {}
    for order in Order.objects.all():
        names = channel_of(order)
        for channel in [names] if isinstance(names, str) else names or ():
            fields = {"state": order.state, "customer": order.customer_id}
            pages.setdefault(channel, {})[order.pk] = fields
    return pages


@pytest.mark.parametrize("kind", CHANNELS)
def test_pages_show_what_the_database_has(kind):
    for seed in range(8):
        channel_of = "orders" if kind == "one" else CHANNELS[kind]
        publication = publish_model(Order, channel_of, fields=["state", "customer"])
        site = Site(seed)
        for _ in range(8):
            site.change()
        publication.stop()
        assert shown() == stored(CHANNELS[kind]), f"seed {seed}"
        outbox.clear()
        for model in MODELS:
            model._base_manager.all().delete()
