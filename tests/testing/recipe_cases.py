"""Tests of the recipes; test_documented.py has Django's runner run them in the recipes' project."""

from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import TestCase
from exports.tasks import export
from notices.models import Notice
from orders.models import Order

from django_socketio.testing import Refused, SocketClient


class ChatTests(TestCase):
    def test_a_message_reaches_its_room_only(self):
        ann, bob = (SocketClient(user=User.objects.create_user(name)) for name in ("ann", "bob"))
        for client in (ann, bob):
            client.connect().subscribe("chat-1")
        ann.subscribe("chat-2")
        ann.channel("chat-2").send("alone")
        ann.channel("chat-1").send("hello")
        bob.assert_received("message", "ann: hello")
        bob.assert_nothing_received()
        ann.assert_received("message", "ann: alone")
        ann.assert_received("message", "ann: hello")

    def test_visitors_neither_read_nor_write(self):
        visitor = SocketClient().connect()
        with self.assertRaisesMessage(Refused, "Log in to chat"):
            visitor.subscribe("chat-1")
        self.assertIn("error", visitor.channel("chat-1").send("hello"))


class NotificationTests(TestCase):
    def test_all_tabs_of_the_user_and_no_others_are_told(self):
        ann, bob = (User.objects.create_user(name) for name in ("ann", "bob"))
        tabs = [SocketClient(user=ann).connect() for _ in range(2)]
        other = SocketClient(user=bob).connect()
        with self.captureOnCommitCallbacks(execute=True):
            Notice.objects.create(user=ann, text="Sent")
        for tab in tabs:
            tab.assert_received("notice", "Sent")
        other.assert_nothing_received()

    def test_a_rollback_sends_nothing(self):
        ann = User.objects.create_user("ann")
        tab = SocketClient(user=ann).connect()
        with self.captureOnCommitCallbacks(execute=True), transaction.atomic():
            Notice.objects.create(user=ann, text="Sent")
            transaction.set_rollback(True)
        tab.assert_nothing_received()

    def test_the_page_shows_those_of_before(self):
        ann = User.objects.create_user("ann")
        Notice.objects.create(user=ann, text="Sent")
        self.client.force_login(ann)
        self.assertContains(self.client.get("/notices/"), "Sent\n")


class ProgressTests(TestCase):
    def test_the_task_outlives_the_tab(self):
        ann = User.objects.create_user("ann")
        tab = SocketClient(user=ann).connect()
        self.assertEqual(tab.emit("progress", "first"), ("first", 0))
        tab.disconnect()
        export.apply([ann.pk], task_id="first")
        tab = SocketClient(user=ann).connect()
        self.assertEqual(tab.emit("progress", "first"), ("first", 100))
        self.assertEqual(tab.emit("progress", "second"), ("second", 0))

    def test_open_tabs_see_each_step_of_their_user_only(self):
        ann, bob = (User.objects.create_user(name) for name in ("ann", "bob"))
        tab, other = (SocketClient(user=user).connect() for user in (ann, bob))
        task = export.delay(ann.pk).id
        steps = [message.args for message in tab.received if message.event == "progress"]
        self.assertEqual(steps, [(task, percent) for percent in range(1, 101)])
        other.assert_nothing_received()


class DashboardTests(TestCase):
    def test_what_was_saved_and_what_is_saved(self):
        first = Order.objects.create(status="new")
        manager = User.objects.create_user("ann")
        manager.user_permissions.add(Permission.objects.get(codename="view_order"))
        page = SocketClient(user=manager).connect()
        page.subscribe("orders")
        page.assert_received("orders", {str(first.pk): "new"})
        with self.captureOnCommitCallbacks(execute=True):
            second = Order.objects.create(status="new")
        page.assert_received("orders", {str(second.pk): "new"})
        first.status = "paid"
        with self.captureOnCommitCallbacks(execute=True):
            first.save()
        page.assert_received("orders", {str(first.pk): "paid"})

    def test_others_are_refused(self):
        for client in (SocketClient(), SocketClient(user=User.objects.create_user("bob"))):
            client.connect()
            with self.assertRaises(Refused):
                client.subscribe("orders")
            self.assertEqual(client.channels, [])
