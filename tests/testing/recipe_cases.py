"""Tests of the recipes; test_documented.py has Django's runner run them in the recipes' project."""

import re

from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import RequestFactory, TestCase, override_settings
from exports.tasks import export
from notices.models import Notice
from orders.models import Order
from parcels.models import Parcel
from tenants.current import middleware
from tenants.news import publish

from django_socketio import emit
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


class ParcelTests(TestCase):
    def test_a_page_follows_the_parcels_that_it_shows(self):
        ann, bob = (User.objects.create_user(name) for name in ("ann", "bob"))
        parcel = Parcel.objects.create(customer=ann, place="Bergen")
        self.client.force_login(ann)
        shown = self.client.get("/parcels/").content.decode()
        token = re.search(r'data-channel="([^"]+)"', shown)[1]
        page = SocketClient(http=self.client).connect()
        page.subscribe(token)
        stranger = SocketClient(user=bob).connect()
        for asked in (token, f"parcel-{parcel.pk}"):
            with self.assertRaises(Refused):
                stranger.subscribe(asked)
        with self.captureOnCommitCallbacks(execute=True):
            parcel.place = "Oslo"
            parcel.save()
        page.assert_received("moved", parcel.pk, "Oslo")
        stranger.assert_nothing_received()


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


class CursorTests(TestCase):
    def test_pointers_go_to_the_others_and_end_with_their_page(self):
        ann, bob = (SocketClient(user=User.objects.create_user(name)) for name in ("ann", "bob"))
        for client in (ann, bob):
            client.connect().subscribe("board-1")
        ann.channel("board-1").emit("cursor", 0.5, 0.25)
        user = str(ann.socket.lifecycle.request.user.pk)
        sender = {"channel": "board-1", "session_id": ann.id, "user": user}
        bob.assert_received("cursor", 0.5, 0.25, sender)
        ann.assert_nothing_received()
        gone = ann.id
        ann.drop()
        bob.assert_received("gone", gone)

    def test_a_visitor_is_refused(self):
        with self.assertRaises(Refused):
            SocketClient().connect().subscribe("board-1")


class AnswerTests(TestCase):
    def test_a_page_gets_all_pieces_also_after_a_reload(self):
        other = SocketClient(http=self.client).connect()
        asked = self.client.post("/ask/", {"question": "two words"})
        other.assert_nothing_received()
        for _ in range(2):
            shown = self.client.get(asked.url).content.decode()
            page = SocketClient(http=self.client).connect()
            token = re.search(r'subscribe\("([^"]+)"', shown)[1]
            accepted, past = page.emit("subscribe", token)
            pieces = [["piece", "two"], ["piece", "words"], ["end"]]
            self.assertEqual((accepted, past["messages"]), (True, pieces))


class UploadTests(TestCase):
    def test_the_user_sees_each_percentage_once(self):
        ann = User.objects.create_user("ann")
        self.client.force_login(ann)
        page = SocketClient(http=self.client).connect()
        other = SocketClient(user=User.objects.create_user("bob")).connect()
        file = SimpleUploadedFile("large", b"x" * 1_000_000)
        answer = self.client.post("/upload/?upload=7", {"file": file})
        self.assertEqual(answer.context["size"], 1_000_000)
        told = [message.args for message in page.received]
        self.assertEqual({upload for upload, _ in told}, {"7"})
        percents = [percent for _, percent in told]
        self.assertEqual(percents, sorted(set(percents)))
        self.assertGreater(len(percents), 10)
        self.assertGreater(percents[-1], 98)
        other.assert_nothing_received()

    def test_a_visitor_uploads_without_a_bar(self):
        self.client.post("/upload/", {"file": SimpleUploadedFile("large", b"x" * 100_000)})


class MobileTests(TestCase):
    def token(self, **login):
        return self.client.post("/token/", login).json().get("token")

    def connect(self, token):
        return SocketClient(namespace="/mobile").connect({"token": token})

    def test_the_app_logs_in_by_its_token(self):
        ann = User.objects.create_user("ann", password="secret")
        app = self.connect(self.token(name="ann", password="secret"))
        emit("notice", "Sent", user=ann, namespace="/mobile")
        app.assert_received("notice", "Sent")

    def test_a_token_ends_with_the_password_and_its_user(self):
        ann = User.objects.create_user("ann", password="secret")
        token = self.token(name="ann", password="secret")
        ann.set_password("other")
        ann.save()
        renewed = self.token(name="ann", password="other")
        self.connect(renewed)
        ann.delete()
        for refused in (token, renewed, None, "", 7, self.token(name="ann", password="x")):
            with self.assertRaisesMessage(Refused, "Log in again"):
                self.connect(refused)


@override_settings(ALLOWED_HOSTS=["acme.example.com", "other.example.com"])
class TenantTests(TestCase):
    def connect(self, name):
        return SocketClient(headers={"host": f"{name}.example.com"}).connect()

    def test_each_tenant_has_its_channels(self):
        acme, other = self.connect("acme"), self.connect("other")
        acme.subscribe("tenant:acme:news")
        with self.assertRaises(Refused):
            other.subscribe("tenant:acme:news")
        other.subscribe("tenant:other:news")
        request = RequestFactory().get("/", headers={"host": "acme.example.com"})
        with self.captureOnCommitCallbacks(execute=True):
            middleware(lambda request: publish("Sale"))(request)
        acme.assert_received("news", "Sale")
        other.assert_nothing_received()
