"""``publish_model``: what pages are told of objects, and when."""

import copy
import pickle
import re
from datetime import UTC, datetime
from decimal import Decimal
from unittest import mock

import pytest
from django.core import serializers
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import F
from django.template import TemplateDoesNotExist
from django.test.utils import CaptureQueriesContext, isolate_apps, override_settings

from django_socketio import Publication, publish_changes, publish_created, publish_model
from django_socketio.exceptions import ChannelError, EventError
from django_socketio.publishing import model_publishing, model_signals, publications, sending
from django_socketio.testing import SocketClient, outbox
from tests.publishing.models import MODELS, Customer, OpenOrder, Order, RushOrder, Tag


@pytest.fixture
def publish():
    """Publish a model until the end of the test; rows of the tests are gone then, too."""
    publications = []

    def start(model=Order, channel="orders", **options):
        options = options or {"fields": ["state"]}
        publications.append(publish_model(model, channel, **options))
        return publications[-1]

    yield start
    for one in publications:
        one.stop()
    for model in MODELS:
        model._base_manager.all().delete()


def told():
    """Return what has been sent since: (event, channels, data)."""
    found = [(one.event, *one.channels, *one.args) for one in outbox]
    outbox.clear()
    return found


def events():
    """Return the events that were sent since, without their data."""
    return [one[:-1] for one in told()]


def data(pk, **fields):
    return {"model": "project.order", "pk": pk, **fields}


def test_an_object_is_created_changed_and_deleted(publish):
    publish()
    order = Order.objects.create(secret="x")
    pk = order.pk
    assert told() == [("created", "orders", data(pk, fields={"state": "new"}))]
    order.state = "paid"
    order.save()
    expected = data(pk, fields={"state": "paid"}, changed=["state"])
    assert told() == [("changed", "orders", expected)]
    order.delete()
    assert told() == [("deleted", "orders", data(pk))]


def test_pages_get_the_events_as_they_are(publish):
    publish(fields=["state", "total"])
    client = SocketClient().connect()
    client.subscribe("orders")
    order = Order.objects.create(total="12.50")
    client.assert_received("created", data(order.pk, fields={"state": "new", "total": "12.50"}))


def test_values_are_those_of_djangos_serializers(publish):
    names = ["customer", "total", "placed", "data", "invoice", "seal", "number", "tags", "id"]
    publish(fields=names)
    customer = Customer.objects.create()
    placed = datetime(2026, 1, 2, tzinfo=UTC)
    values = {"placed": placed, "data": {"a": [1]}, "invoice": "a.pdf", "seal": b"\0"}
    order = Order.objects.create(customer=customer, total=Decimal("1.50"), **values)
    client = SocketClient().connect()
    client.subscribe("orders")
    order.total = Decimal("2.00")
    order.save()
    received = client.assert_received("changed").args[0]
    assert received["changed"] == ["total"]
    assert received["fields"] == {
        "customer": customer.pk,
        "total": "2.00",
        "placed": "2026-01-02T00:00:00Z",
        "data": {"a": [1]},
        "invoice": "a.pdf",
        "seal": "AA==",
        "number": "00000000-0000-0000-0000-000000000007",
        "tags": [],
        "id": order.pk,
    }


@pytest.mark.parametrize(("how", "count"), [("save", 3), ("created", 4)])
def test_messages_without_a_transaction_are_published_together(publish, monkeypatch, how, count):
    publish(channel=lambda order: order.state, fields=["state"])
    publish(template="publishing/order.html")
    order, other = (Order.objects.create() for _ in range(2))
    order.state = "paid"
    steps, publish_all = [], sending.publish_all
    monkeypatch.setattr(
        sending, "publish_all", lambda some: steps.append(len(some)) or publish_all(some)
    )
    if how == "save":
        order.save()
    else:
        publish_created([order, other])
    assert steps == [count]


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("kind", ["opened", "large upload", "small upload", "content"])
def test_an_object_gets_a_file(publish, tmp_path, kind, is_new):
    publish(channel=lambda order: "orders", fields=["invoice"])
    (tmp_path / "source").write_bytes(b"x")
    file = {
        "opened": lambda: File((tmp_path / "source").open("rb"), "a.pdf"),
        "large upload": lambda: TemporaryUploadedFile("a.pdf", "text/plain", 1, None),
        "small upload": lambda: SimpleUploadedFile("a.pdf", b"x"),
        "content": lambda: ContentFile(b"x", "a.pdf"),
    }[kind]()
    with override_settings(MEDIA_ROOT=tmp_path), file:
        order = Order(invoice=file) if is_new else Order.objects.create()
        order.invoice = file
        order.save()
    order.save()
    assert told()[-1][-1]["fields"] == {"invoice": "a.pdf"}


class TestChangedFields:
    """Which fields of an object have changed, without a query."""

    @pytest.fixture(autouse=True)
    def _publish(self, publish):
        publish(fields=["state", "total", "data", "customer", "invoice"])
        Order.objects.create(pk=1, secret="x")
        outbox.clear()

    def changed(self):
        return [args["changed"] for event, _, args in told() if event == "changed"]

    def test_no_query_is_made(self):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            order = Order.objects.get()
            order.state = "paid"
            order.save()
        assert len(queries) == 2
        assert self.changed() == [["state"]]

    @pytest.mark.parametrize("rows", [Order.objects, Order.objects.defer("secret")])
    def test_a_save_without_a_change_is_not_told(self, rows):
        order = rows.get()
        order.save()
        order.secret = "other"
        order.save()
        order.total = "0.00"  # as it is in the row, in another type
        order.save()
        assert told() == []

    def test_only_saved_fields_have_changed(self):
        order = Order.objects.get()
        order.state, order.total = "paid", 5
        order.save(update_fields=["total"])
        ((event, _, args),) = told()
        assert (event, args["changed"], args["fields"]["state"]) == ("changed", ["total"], "new")
        order.save()
        assert self.changed() == [["state"]]

    def test_a_value_that_is_changed_in_place(self):
        order = Order.objects.get()
        order.data["a"] = 1
        order.save()
        order.invoice.name = "b.pdf"
        order.save()
        assert self.changed() == [["data"], ["invoice"]]

    def test_a_field_that_was_deferred(self):
        order = Order.objects.only("total").get()
        order.save()
        assert order.state == "new"  # is loaded now
        order.save()
        assert told() == []
        order = Order.objects.only("total").get()
        order.state = "paid"  # was not loaded
        order.save()
        assert self.changed() == [["state"]]

    def test_an_object_that_was_loaded_again(self):
        order = Order.objects.get()
        Order.objects.update(state="paid")
        order.refresh_from_db()
        order.save()
        assert told() == []
        order.state = "new"
        order.save()
        Order.objects.update(state="paid", total=7)
        order.refresh_from_db(fields=["total"])
        order.state = "sent"
        order.save()
        assert self.changed() == [["state"], ["state"]]

    def test_a_value_that_the_database_computes(self):
        order = Order.objects.get()
        order.total = F("total") + 5
        order.save()
        ((_, _, args),) = told()
        assert (args["changed"], args["fields"]["total"]) == (["total"], "5.00")

    def test_a_relation(self):
        order = Order.objects.select_related("customer").get()
        order.customer = Customer.objects.create()
        order.save()
        assert self.changed() == [["customer"]]

    def test_a_copy_and_an_object_from_a_cache_know_the_row(self):
        order = Order.objects.get()
        for other in (copy.copy(order), copy.deepcopy(order), pickle.loads(pickle.dumps(order))):
            other.save()
            assert told() == []
        other.state = "paid"
        other.save()
        order.save()
        assert self.changed() == [["state"]]

    @pytest.mark.parametrize("is_adding", [True, False])
    def test_a_copy_that_becomes_another_object_leaves_the_first_as_it_is(self, publish, is_adding):
        publish(channel=lambda order: order.state, fields=["state"])
        order = Order.objects.get()
        clone = copy.copy(order)
        clone.pk, clone.state, clone._state.adding = None, "other", is_adding
        clone.save()
        outbox.clear()
        order.total = 5
        order.save()
        clone.state = "paid"
        clone.save()
        assert events() == [
            ("changed", "orders"),
            ("changed", "orders"),
            ("deleted", "other"),
            ("created", "paid"),
        ]

    @pytest.mark.parametrize("how", ["only", "made"])
    def test_a_value_that_was_not_saved_is_not_told(self, how):
        order = Order.objects.only("pk").get() if how == "only" else Order(pk=1)
        order.state, order.total = "not saved", Decimal("7.00")
        order.save(update_fields=["total"])
        ((_, _, args),) = told()
        assert (args["fields"]["state"], args["fields"]["total"]) == ("new", "7.00")

    def test_an_object_with_a_known_key_that_was_not_loaded(self):
        Order(pk=1, state="paid", secret="x").save()
        assert self.changed() == [["state", "total", "data", "customer", "invoice"]]


class TestTransactions:
    @pytest.fixture(autouse=True)
    def _publish(self, publish):
        publish()
        self.order = Order.objects.create()
        outbox.clear()

    def save(self, state):
        self.order.state = state
        self.order.save()

    def test_events_wait_for_the_commit(self):
        with transaction.atomic():
            self.save("paid")
            self.save("sent")
            assert told() == []
        assert [one[-1]["fields"]["state"] for one in told()] == ["paid", "sent"]

    def test_a_rollback_is_not_told_and_what_was_saved_in_it_may_be_saved_again(self):
        for rolled_back in (True, False):
            with transaction.atomic():
                self.save("paid")
                transaction.set_rollback(rolled_back)
        ((_, _, args),) = told()
        assert args["fields"] == {"state": "paid"}

    def test_a_savepoint_that_is_rolled_back_is_not_told(self):
        with transaction.atomic():
            with transaction.atomic():
                self.save("paid")
                transaction.set_rollback(True)
            self.save("sent")
        assert [one[-1]["fields"]["state"] for one in told()] == ["sent"]

    def test_an_object_that_is_created_and_changed_in_a_transaction(self):
        for rolled_back in (True, False):
            outbox.clear()
            with transaction.atomic():
                self.order = Order.objects.create()
                self.order.save()
                self.save("paid")
                transaction.set_rollback(rolled_back)
        (_, _, created), (_, _, changed) = told()
        assert created["fields"] == {"state": "new"}
        assert (changed["fields"], changed["changed"]) == ({"state": "paid"}, ["state"])

    def test_an_object_whose_creation_was_rolled_back_is_created_again(self):
        with transaction.atomic():
            order = Order.objects.create()
            transaction.set_rollback(True)
        order.save()
        assert [event for event, *_ in events()] == ["created"]

    def test_a_change_that_is_taken_back_is_told(self):
        with transaction.atomic():
            self.save("paid")
            self.save("new")
        assert [one[-1]["fields"]["state"] for one in told()] == ["paid", "new"]

    @override_settings(
        SOCKETIO_RELAY_URL="redis://127.0.0.1:1",
        SOCKETIO_RELAY_TIMEOUT=0.2,
        SOCKETIO_RELAY_IN_TESTS=True,
    )
    def test_a_relay_that_fails_does_not_keep_objects_from_being_saved(self, caplog):
        self.save("paid")
        assert Order.objects.get().state == "paid"
        assert "'changed' for channel,/,orders was not sent after the commit" in caplog.text

    def lose(self, how, state, save=None):
        """Save an object so that pages are not told of it."""
        save = save or self.save
        if how == "rollback":
            with transaction.atomic():
                save(state)
                transaction.set_rollback(True)
        elif how == "error":
            failing = mock.patch.object(publications.Publication, "channels", side_effect=OSError)
            with failing, pytest.raises(OSError):
                save(state)
        else:
            with override_settings(
                SOCKETIO_RELAY_URL="redis://127.0.0.1:1",
                SOCKETIO_RELAY_TIMEOUT=0.2,
                SOCKETIO_RELAY_IN_TESTS=True,
            ):
                save(state)

    @pytest.mark.parametrize("how", ["rollback", "error", "relay"])
    def test_a_change_that_pages_were_not_told_of_is_told_once_with_the_next(self, how):
        self.lose(how, "paid")
        for expected in (["paid"], [], []):
            self.order.save()
            assert [one[-1]["fields"]["state"] for one in told()] == expected

    @pytest.mark.parametrize("state", ["new", "paid"])
    @pytest.mark.parametrize("how", ["rollback", "error", "relay"])
    def test_an_object_that_pages_were_not_told_of_is_created_with_the_next_save(self, how, state):
        self.order = Order(secret="x")
        self.lose(how, "new")
        self.lose("rollback", state)
        for expected in (["created"], [], []):
            self.save(state)
            assert [event for event, *_ in events()] == expected

    @pytest.mark.parametrize("how", ["error", "relay"])
    def test_an_object_of_bulk_create_is_created_with_the_next_save_that_is_told(self, how):
        (order,) = Order.objects.bulk_create([Order()])
        self.lose(how, None, save=lambda _: publish_created([order]))
        for expected in (["created"], []):
            order.save()
            assert [event for event, *_ in events()] == expected

    def test_an_object_that_pages_do_not_know_is_deleted_where_it_is(self, publish):
        publish(channel=lambda order: order.state, fields=["state"])
        self.order = Order()
        self.lose("error", "paid")
        self.order.state = "not saved"
        self.order.delete()
        assert events() == [("deleted", "orders"), ("deleted", "paid")]

    def test_an_error_in_one_publication_leaves_out_no_message_before_it(self, publish):
        publish(template="publishing/none.html")
        for _ in range(2):
            with pytest.raises(TemplateDoesNotExist):
                Order().save()
            assert events() == [("created", "orders")]
            with pytest.raises(TemplateDoesNotExist):
                self.save("paid")
            assert events() == [("changed", "orders")]

    def test_a_deferred_field_that_is_read_to_be_published(self, publish):
        publish(channel="both", fields=["state", "total"])
        self.order = Order.objects.only("state").get()
        self.lose("rollback", "paid")
        for expected in (["state"], None):
            self.order.save()
            changed = [args.get("changed") for _, channel, args in told() if channel == "both"]
            assert changed == ([expected] if expected else [])

    def test_changes_that_are_lost_again_and_again_do_not_add_up(self, publish):
        asked = []
        publish(channel=lambda order: asked.append(order.state) or "orders", fields=["state"])
        for number in range(30):
            self.lose("rollback", str(number))
        asked.clear()
        self.save("paid")
        assert asked == ["paid"]

    @pytest.mark.parametrize("number", [1, 8])
    def test_the_channels_of_a_state_are_asked_for_once(self, publish, number):
        asked = []
        publish(channel=lambda order: asked.append(order.state) or "orders", fields=["state"])
        with transaction.atomic():
            for each in range(number):
                self.save(str(each))
        assert sorted(asked) == [*map(str, range(number)), "new"]


class TestChannels:
    def of_customer(self, order):
        return order.customer_id and f"customer-{order.customer_id}"

    def test_an_object_that_moves_goes_from_one_channel_and_comes_to_the_other(self, publish):
        publish(channel=self.of_customer, fields=["state"])
        one, two = Customer.objects.create(), Customer.objects.create()
        order = Order.objects.create(customer=one)
        outbox.clear()
        order.customer, order.state = two, "paid"
        order.save()
        first, second = f"customer-{one.pk}", f"customer-{two.pk}"
        assert told() == [
            ("deleted", first, data(order.pk)),
            ("created", second, data(order.pk, fields={"state": "paid"})),
        ]
        order.customer = None  # not saved: the row is where it was
        order.delete()
        assert events() == [("deleted", second)]

    def test_an_object_without_a_channel_is_not_published(self, publish):
        publish(channel=self.of_customer, fields=["state"])
        order = Order.objects.create()
        order.state = "paid"
        order.save()
        assert told() == []
        order.customer = Customer.objects.create()
        order.save()
        assert events() == [("created", f"customer-{order.customer_id}")]
        order.customer = None
        order.save()
        order.delete()
        assert [event for event, *_ in events()] == ["deleted"]

    def test_an_object_on_several_channels(self, publish):
        publish(channel=lambda order: ["all", order.state], fields=["state"])
        order = Order.objects.create()
        order.state = "paid"
        order.save()
        order.delete()
        assert events() == [
            ("created", "all", "new"),
            ("deleted", "new"),
            ("changed", "all"),
            ("created", "paid"),
            ("deleted", "all", "paid"),
        ]

    def test_a_related_object_of_the_channel_is_that_of_the_row(self, publish):
        publish(channel=lambda order: order.customer.name, fields=["state"])
        order = Order.objects.create(customer=Customer.objects.create(name="ann"))
        outbox.clear()
        order.customer = Customer.objects.create(name="bob")
        order.save()
        assert events() == [("deleted", "ann"), ("created", "bob")]
        Customer.objects.all().delete()  # and by cascade the order
        assert events() == [("deleted", "bob")]

    def test_after_a_rollback_both_channels_are_told(self, publish):
        publish(channel=lambda order: order.state, fields=["state"])
        order = Order.objects.create()
        outbox.clear()
        for rolled_back in (True, False):
            with transaction.atomic():
                order.state = "paid"
                order.save()
                transaction.set_rollback(rolled_back)
        assert events() == [("deleted", "new"), ("created", "paid")]

    def test_a_row_is_where_the_last_savepoint_has_left_it(self, publish):
        publish(channel=lambda order: order.state, fields=["state"])
        order = Order.objects.create(state="a")
        with transaction.atomic():
            order.state = "b"
            order.save()
            with transaction.atomic():
                order.state = "c"
                order.save()
                transaction.set_rollback(True)
        outbox.clear()
        order.state = "d"
        order.save()
        assert events() == [("deleted", "b", "c"), ("created", "d")]

    @pytest.mark.parametrize("how", ["only", "defer", "made", "made for update_fields"])
    def test_an_object_moves_that_was_not_loaded_whole(self, publish, how):
        one, two = Customer.objects.create(), Customer.objects.create()
        pk = Order.objects.create(customer=one).pk
        publish(channel=self.of_customer, fields=["state"])
        order = {
            "only": lambda: Order.objects.only("state").get(),
            "defer": lambda: Order.objects.defer("customer").get(),
            "made": lambda: Order(pk=pk),
            "made for update_fields": lambda: Order(pk=pk),
        }[how]()
        order.customer = two
        order.save(update_fields=["customer"] if "update_fields" in how else None)
        first, second = f"customer-{one.pk}", f"customer-{two.pk}"
        assert events() == [("deleted", first), ("created", second)]

    def test_a_row_is_read_once_where_it_has_to_be(self, publish):
        publish(channel=self.of_customer, fields=["state"])
        with CaptureQueriesContext(connection) as queries:
            order = Order.objects.create()
            order.state = "paid"
            order.save()
            Order.objects.get().save()
        assert not [one for one in queries if one["sql"].startswith("SELECT")][1:]
        with CaptureQueriesContext(connection) as queries:
            order = Order.objects.only("pk").get()
            order.customer = None
            order.save()
        assert len(queries) == 3

    def test_an_object_that_was_made_with_a_key_is_deleted_on_its_channel(self, publish):
        one = Customer.objects.create()
        pk = Order.objects.create(customer=one).pk
        publish(channel=self.of_customer, fields=["state"])
        Order(pk=pk).delete()
        assert events() == [("deleted", f"customer-{one.pk}")]

    def test_an_object_is_deleted_where_its_row_is_whatever_was_assigned(self, publish):
        one, two = Customer.objects.create(), Customer.objects.create()
        Order.objects.create(customer=one)
        publish(channel=self.of_customer, fields=["state"])
        order = Order.objects.only("pk").get()
        order.customer = two
        order.delete()
        assert events() == [("deleted", f"customer-{one.pk}")]

    def test_an_object_whose_move_was_rolled_back_is_deleted_where_it_is(self, publish):
        one, two = Customer.objects.create(), Customer.objects.create()
        publish(channel=self.of_customer, fields=["state"])
        order = Order.objects.create(customer=one)
        with transaction.atomic():
            order.customer = two
            order.save()
            transaction.set_rollback(True)
        outbox.clear()
        order.delete()
        assert events() == [("deleted", f"customer-{one.pk}", f"customer-{two.pk}")]

    def test_a_function_that_returns_something_else_is_an_error(self, publish):
        publish(channel=lambda order: 7, fields=["state"])
        with pytest.raises(TypeError, match=r"the channel of project\.Order is a name, several"):
            Order.objects.create()


class TestManyToMany:
    @pytest.fixture
    def tags(self):
        return [Tag.objects.create(name=name) for name in "abc"]

    def changes(self):
        return [(args["changed"], sorted(args["fields"]["tags"])) for _, _, args in told()]

    def test_each_change_of_the_relation_is_told(self, publish, tags):
        a, b, c = (tag.pk for tag in tags)
        publish(fields=["tags"])
        order, other = Order.objects.create(), Order.objects.create()
        outbox.clear()
        order.tags.add(a, b)
        order.tags.add(a)  # no change
        order.tags.remove(b)
        order.tags.clear()
        tags[2].order_set.add(order, other)
        tags[2].order_set.remove(other)
        tags[2].order_set.clear()
        expected = [[a, b], [a], [], [c], [c], [], []]
        assert self.changes() == [(["tags"], keys) for keys in expected]

    def test_a_relation_that_is_not_among_the_fields_is_not_told(self, publish, tags):
        publish(fields=["state"])
        Order.objects.create().tags.set(tags)
        assert [event for event, *_ in events()] == ["created"]

    def test_channels_may_depend_on_the_relation(self, publish, tags):
        def by_tag(order):
            return [tag.name for tag in order.tags.all()] if order.pk else None

        publish(channel=by_tag, fields=["state"])
        order = Order.objects.create()
        order.tags.set(tags[:2])
        order.tags.set(tags[1:])
        assert events() == [("created", "a", "b"), ("deleted", "a"), ("created", "c")]

    def test_a_relation_changes_between_saves_of_a_transaction(self, publish, tags):
        def by_tag(order):
            return [tag.name for tag in order.tags.all()] if order.pk else None

        publish(channel=by_tag, fields=["state"])
        order = Order.objects.create()
        with transaction.atomic():
            for state in ("paid", "sent"):
                order.tags.set(tags[:2] if state == "sent" else tags[:1])
                order.state = state
                order.save()
        expected = [("created", "a"), ("changed", "a"), ("created", "b"), ("changed", "a", "b")]
        assert events() == expected

    @pytest.mark.parametrize("kind", [Order, OpenOrder, RushOrder])
    def test_values_that_were_not_saved_are_not_told(self, publish, tags, kind):
        publish(channel=lambda order: order.state, fields=["secret", "tags"])
        pk = kind.objects.create(secret="old").pk
        keys = [tag.pk for tag in tags]
        for order in kind.objects.get(), kind.objects.only("pk").get(), kind(pk=pk):
            outbox.clear()
            order.state, order.secret = "unsaved", "unsaved"
            order.tags.add(keys[0])
            order.tags.remove(keys[0])
            order.tags.set(keys[1:])
            order.tags.clear()
            found = told()
            assert [one[:2] for one in found] == [("changed", "new")] * 4
            assert [one[-1]["fields"]["secret"] for one in found] == ["old"] * 4
            assert order.state == order.secret == "unsaved"

    def test_values_of_a_rollback_are_not_told(self, publish, tags):
        publish(channel=lambda order: order.state, fields=["tags"])
        order = Order.objects.create()
        with pytest.raises(IntegrityError), transaction.atomic():
            order.state = "paid"
            order.save()
            raise IntegrityError
        outbox.clear()
        order.tags.add(tags[0])
        assert events() == [("changed", "new")]

    def test_what_another_object_of_the_row_has_saved_is_told(self, publish, tags):
        publish(channel=lambda order: order.state, fields=["tags"])
        order = Order.objects.create()
        Order.objects.update(state="paid")
        outbox.clear()
        order.tags.add(tags[0])
        assert events() == [("changed", "paid")]

    def test_the_relation_is_read_from_the_database_that_was_written(self, publish, tags):
        class Replicas:
            def db_for_read(self, model, **hints):
                return "a replica, which does not have the change yet"

        publish(fields=["tags"])
        order = Order.objects.create()
        outbox.clear()
        with override_settings(DATABASE_ROUTERS=[Replicas()]):
            order.tags.add(tags[0])
            tags[1].order_set.add(order)
        a, b, _ = (tag.pk for tag in tags)
        assert self.changes() == [(["tags"], [a]), (["tags"], [a, b])]

    @pytest.mark.parametrize(("fields", "more"), [(["tags"], 2), (["state"], 0)])
    def test_a_row_is_read_only_if_pages_may_be_told(self, publish, tags, fields, more):
        order, counts = Order.objects.create(), []
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                order.tags.add(tags[len(counts)])
            counts.append(len(queries))
            publish(fields=fields)
        # Django looks for tags that the order has, if the signal has receivers.
        assert counts[1] - counts[0] == 1 + more


class TestInheritance:
    def test_a_proxy_is_an_object_of_its_model(self, publish):
        publish()
        order = OpenOrder.objects.create()
        order.state = "paid"
        order.save()
        pk = order.pk
        order.delete()
        assert [(one[0], one[-1]["model"], one[-1]["pk"]) for one in told()] == [
            ("created", "project.order", pk),
            ("changed", "project.order", pk),
            ("deleted", "project.order", pk),
        ]

    def test_an_object_with_two_tables_is_told_once(self, publish):
        publish()
        publish(RushOrder, "rush", fields=["hours", "state"])
        order = RushOrder.objects.create()
        order.state = "paid"
        order.save()
        order.hours = 2
        order.save()
        order.delete()
        pairs = [("created", "orders"), ("created", "rush"), ("changed", "orders")]
        pairs += [("changed", "rush"), ("changed", "rush")]
        found = events()
        assert found[:5] == pairs
        assert sorted(found[5:]) == [("deleted", "orders"), ("deleted", "rush")]

    @pytest.mark.parametrize("how", ["loaded", "only", "made", "moved back"])
    def test_an_object_with_two_tables_is_deleted_where_its_row_is(self, publish, how):
        publish(channel=lambda order: order.state, fields=["state"])
        order = RushOrder.objects.create(state="old")
        if how == "moved back":
            with transaction.atomic():
                order.state = "rolled back"
                order.save()
                transaction.set_rollback(True)
        outbox.clear()
        order = {
            "loaded": RushOrder.objects.get,
            "only": lambda: RushOrder.objects.only("hours").get(),
            "made": lambda: RushOrder(pk=order.pk, id=order.pk),
            "moved back": lambda: order,
        }[how]()
        order.state = "not saved"
        order.delete()
        expected = ["old", "rolled back"] if how == "moved back" else ["old"]
        assert events() == [("deleted", *expected)]

    def test_a_part_that_is_deleted_alone_leaves_the_object(self, publish):
        publish()
        RushOrder.objects.create().delete(keep_parents=True)
        assert events() == [("created", "orders")]

    @isolate_apps("tests.project")
    def test_a_model_that_is_defined_later_inherits(self, publish):
        publish()

        class LateOrder(Order):
            class Meta:
                app_label = "project"
                proxy = True

        LateOrder.objects.create()
        assert events() == [("created", "orders")]

    def test_a_model_of_a_migration_is_another_model(self, publish):
        publish()
        state = ProjectState()
        for model in (Customer, Tag, Order):
            state.add_model(ModelState.from_model(model))
        state.apps.get_model("project", "Order").objects.create()
        assert told() == []


class TestFragments:
    def fragments(self):
        return [(args.pop("swap"), args) for _, *_, args in told()]

    def test_an_object_is_shown_replaced_and_removed(self, publish):
        publish(template="publishing/order.html")
        order = Order.objects.create()
        pk, place = order.pk, {"target": f'[id="order-{order.pk}"]', "channel": "orders"}
        order.state = "<b>"
        order.save()
        order.delete()
        assert self.fragments() == [
            ("append", {"channel": "orders", "html": f'<li id="order-{pk}">new</li>\n'}),
            ("replace", place | {"html": f'<li id="order-{pk}">&lt;b&gt;</li>\n'}),
            ("remove", place),
        ]

    def test_an_object_on_several_channels_is_replaced_on_each_by_itself(self, publish):
        """Pages on one of the channels get no name of another."""
        publish(channel=lambda order: order.state.split(), template="publishing/order.html")
        order = Order.objects.create(state="a b")
        outbox.clear()
        order.save()
        order.state = "c"
        order.save()
        assert [(one.channels, one.args[0]["swap"]) for one in outbox] == [
            (["a"], "replace"),
            (["b"], "replace"),
            (["a"], "remove"),
            (["b"], "remove"),
            (["c"], "append"),
        ]
        assert all(one.channels == [one.args[0]["channel"]] for one in outbox)

    def test_the_place_and_the_ids_are_the_sites(self, publish):
        options = {"target": "#list", "swap": "prepend", "element_id": lambda order: 'a"\\'}
        publish(template="publishing/order.html", **options)
        Order.objects.create().delete()
        (first, one), (second, two) = self.fragments()
        assert (first, one["target"]) == ("prepend", "#list")
        assert (second, two) == ("remove", {"target": '[id="a\\"\\\\"]'})

    def test_under_debug_a_template_without_the_id_is_told_once(self, publish, caplog):
        publish(template="publishing/order_without_id.html")
        with override_settings(DEBUG=True):
            order = Order.objects.create()
            order.save()
        (warning,) = caplog.messages
        assert f"no element of the template has the id 'order-{order.pk}'" in warning
        assert "template='publishing/order_without_id.html'" in warning

    def test_under_debug_a_template_with_the_id_is_no_warning(self, publish, caplog):
        publish(template="publishing/order.html")
        publish(template="publishing/order_without_id.html", element_id=lambda order: "<li>")
        with override_settings(DEBUG=True):
            Order.objects.create()
        assert caplog.messages == []

    def test_with_fields_only_their_changes_are_shown(self, publish):
        publish(template="publishing/order.html", fields=["state"])
        order = Order.objects.create()
        order.secret = "other"
        order.save()
        assert events() == [("created", "orders"), ("_fragment", "orders")]

    def test_each_channel_has_an_element_of_its_own_and_the_template_is_rendered_once(
        self, publish, monkeypatch
    ):
        rendered, render = [], publications.render
        monkeypatch.setattr(
            publications, "render", lambda *args: rendered.append(1) or render(*args)
        )
        publish(channel=lambda order: ["a", "b"], template="publishing/order.html")
        Order.objects.create()
        assert [args["channel"] for _, args in self.fragments()] == ["a", "b"]
        assert rendered == [1]

    def test_elements_load_their_content(self, publish):
        publish(channel=lambda order: ["a", "b"], refresh=True)
        order = Order.objects.create()
        order.state = "paid"
        order.save()
        order.delete()
        expected = [("refresh", {"channel": channel}) for channel in "ab"]
        assert self.fragments() == expected * 3


class TestBulk:
    def test_rows_that_an_update_has_changed(self, publish):
        publish(channel=lambda order: order.state if order.state != "new" else "orders")
        keys = [Order.objects.create().pk for _ in range(3)]
        Order.objects.create(state="paid")
        outbox.clear()
        with publish_changes(Order.objects.filter(state="new")) as orders:
            assert orders.update(state="sent") == 3
        assert sorted((one[0], one[-1]["pk"]) for one in told()) == sorted(
            (event, key) for key in keys for event in ("deleted", "created")
        )

    def test_rows_that_have_changed_in_any_way(self, publish):
        publish()
        one, two, three = (Order.objects.create() for _ in range(3))
        outbox.clear()
        with publish_changes(Order.objects.all()):
            one.state = "paid"
            Order.objects.bulk_update([one], ["state"])
            two_pk, pks = two.pk, Order.objects.filter(pk=two.pk)
            pks._raw_delete("default")
            Order.objects.filter(pk=three.pk).update(secret="other")
        changed = data(one.pk, fields={"state": "paid"}, changed=["state"])
        assert told() == [("changed", "orders", changed), ("deleted", "orders", data(two_pk))]

    def test_rows_are_compared_whole_also_where_a_queryset_defers_fields(self, publish):
        publish()
        Order.objects.create()
        outbox.clear()
        with publish_changes(Order.objects.only("pk")) as orders:
            orders.update(state="paid")
        assert events() == [("changed", "orders")]

    def test_the_number_of_queries_does_not_grow(self, publish):
        publish()
        Order.objects.bulk_create([Order() for _ in range(50)])
        rows = Order.objects.all()
        with CaptureQueriesContext(connection) as queries, publish_changes(rows) as orders:
            orders.update(state="paid")
        statements = [query["sql"].split()[0] for query in queries]
        assert statements == ["BEGIN", "SELECT", "UPDATE", "SELECT", "COMMIT"]
        assert len(told()) == 50

    def test_an_exception_undoes_the_block_and_nothing_is_told(self, publish):
        publish()
        order = Order.objects.create()
        outbox.clear()
        with pytest.raises(IntegrityError), publish_changes(Order.objects.all()) as orders:
            orders.update(state="paid")
            raise IntegrityError
        order.refresh_from_db()
        assert (order.state, told()) == ("new", [])

    def test_objects_of_bulk_create(self, publish):
        publish()
        orders = Order.objects.bulk_create([Order(state="a"), Order(state="b")])
        assert told() == []
        publish_created(orders)
        assert [one[-1]["fields"]["state"] for one in told()] == ["a", "b"]
        with pytest.raises(ValueError, match="has no primary key"):
            publish_created([Order()])

    def test_many_objects_without_a_transaction_are_published_in_parts(self, publish, monkeypatch):
        publish()
        steps = []
        monkeypatch.setattr(
            model_publishing, "publish_each_later", lambda some, _: steps.append(len(some))
        )
        publish_created(Order(pk=number) for number in range(1, 1002))
        assert steps == [500, 500, 1]

    def test_an_error_leaves_out_no_object_before_it(self, publish):
        publish(channel=lambda order: {"a": "a", "b": "b"}[order.state], fields=["state"])
        orders = Order.objects.bulk_create([Order(state=state) for state in "abcb"])
        with pytest.raises(KeyError):
            publish_created(orders)
        assert events() == [("created", "a"), ("created", "b")]

    @pytest.mark.parametrize("is_told", [True, False])
    def test_an_object_of_bulk_create_is_saved_later(self, publish, is_told):
        one, two = Customer.objects.create(), Customer.objects.create()
        publish(channel=lambda order: f"customer-{order.customer_id}", fields=["state"])
        order = Order()
        order.customer = one
        Order.objects.bulk_create([order])
        if is_told:
            publish_created([order])
        outbox.clear()
        order.customer = two
        order.save(update_fields=["customer"])
        first, second = f"customer-{one.pk}", f"customer-{two.pk}"
        assert told() == [
            ("deleted", first, data(order.pk)),
            ("created", second, data(order.pk, fields={"state": "new"})),
        ]

    def test_other_models_and_rows_are_refused(self, publish):
        with pytest.raises(ValueError, match=r"project\.Order is not published"):
            publish_created([Order(pk=1)])
        with (
            pytest.raises(ValueError, match=r"project\.Order is not published"),
            publish_changes(Order.objects.all()),
        ):
            pass
        publish()
        with (
            pytest.raises(TypeError, match="takes a queryset of objects"),
            publish_changes(Order.objects.values("pk")),
        ):
            pass


class TestFixtures:
    @pytest.fixture
    def fixture(self, publish, tmp_path):
        tag = Tag.objects.create(name="a")
        order = Order.objects.create(seal=b"")
        order.tags.add(tag)
        path = tmp_path / "orders.json"
        path.write_text(serializers.serialize("json", Order.objects.all()))
        Order.objects.all().delete()
        return path

    @pytest.mark.parametrize("raw", [False, True])
    def test_a_fixture_is_published_only_if_asked(self, publish, fixture, raw):
        publish(fields=["state", "tags"], raw=raw)
        for expected in (["created", "changed"], ["changed"]):
            call_command("loaddata", str(fixture), verbosity=0)
            assert [event for event, *_ in events()] == (expected if raw else [])


class TestRegistration:
    def test_a_publication_that_is_stopped_leaves_nothing(self, publish):
        one, two = publish(), publish(channel="others")
        assert isinstance(one, Publication)
        assert repr(one) == "<Publication project.Order>"
        one.stop()
        one.stop()
        Order.objects.create()
        assert events() == [("created", "others")]
        two.stop()
        Order.objects.create()
        assert told() == []
        assert "refresh_from_db" not in vars(Order)
        assert not models.signals.post_init.has_listeners(Order)
        assert not models.signals.m2m_changed.has_listeners(Order)
        assert not models.signals.class_prepared.has_listeners(Order)

    def test_other_models_have_no_receivers(self, publish):
        publish()
        for signal in (models.signals.post_init, models.signals.pre_delete):
            assert not signal.has_listeners(Tag)

    @pytest.mark.parametrize(
        ("arguments", "error", "text"),
        [
            ({"model": "shop.Order"}, TypeError, "a model that is not abstract, not 'shop.Order'"),
            ({"model": models.Model}, TypeError, "a model that is not abstract"),
            ({"channel": 7}, TypeError, "the name of a channel, or a function of an object, not 7"),
            ({"fields": None}, ValueError, "publish_model(Order) needs fields=[…] (for events)"),
            ({"fields": "state"}, TypeError, "takes a list of names, not 'state'"),
            ({"fields": [7]}, TypeError, "takes a list of names, not [7]"),
            ({"fields": ["stat"]}, ValueError, "project.Order has the fields customer, data, id,"),
            ({"fields": ["rushorder"]}, ValueError, "project.Order has the fields"),
            ({"template": "a.html", "refresh": True}, ValueError, "one of template=… and refresh"),
            ({"template": 7}, TypeError, "template=…) takes a name, not 7"),
            ({"template": "a.html", "swap": "update"}, ValueError, "expected append or prepend"),
            ({"template": "a.html", "target": ""}, TypeError, "takes a CSS selector, not ''"),
            ({"template": "a.html", "element_id": "x"}, TypeError, "takes a function of an object"),
            ({"target": "#orders"}, ValueError, "are for a template"),
            ({"channel": ""}, ChannelError, "1 to 200 characters"),
            ({"namespace": "a,b"}, EventError, "a,b"),
        ],
    )
    def test_a_wrong_argument_is_named(self, publish, arguments, error, text):
        with pytest.raises(error, match=re.escape(text)):
            publish(**{"model": Order, "fields": ["state"], **arguments})
        assert not model_signals.publications(Order)
