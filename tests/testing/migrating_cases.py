"""Tests of the code under "After" in docs/migrating/, in the project of test_migrating.py."""

from django.contrib.auth.models import Group, Permission, User
from django.test import RequestFactory, TestCase
from facilities.views import notify
from flask_rooms.events import task
from items.models import Item
from prices.views import changed

from django_socketio import history
from django_socketio.testing import Refused, SocketClient, stream_events


class MigratingTests(TestCase):
    def setUp(self):
        self.ann, self.bob = (User.objects.create_user(name) for name in ("ann", "bob"))

    def clients(self, *users, **options):
        return [SocketClient(user=user, **options).connect() for user in users]

    def test_django_socketio(self):
        ann, bob = self.clients(self.ann, self.bob)
        ann.subscribe("room-1")
        bob.subscribe("room-1")
        ann.send({"text": "hi"})
        for client in (ann, bob):
            client.assert_received("message", {"text": "hi"})

    def test_gevent_socketio(self):
        ann, bob = self.clients(self.ann, self.bob, namespace="/chat")
        self.assertEqual(ann.emit("nickname", "ann"), (True, "ann"))
        bob.assert_received("announcement", "ann")
        for client in (ann, bob):
            client.emit("join", "lobby")
        ann.send("hello")
        bob.assert_received("message", "hello")

    def test_django_websocket_redis(self):
        self.bob.groups.add(Group.objects.create(name="editors"))
        ann, bob = self.clients(self.ann, self.bob, namespace="/notices")
        request = RequestFactory().get("/")
        request.user = self.ann
        notify(request, "hello")
        for client in (ann, bob):
            client.assert_received("message", "hello")

    def test_event_streams(self):
        response = self.client.get("/prices/")
        changed(7)
        self.assertEqual(stream_events(response), [("price", {"value": 7})])
        self.assertEqual(history("prices", last=1)[0].args, ({"value": 7},))

    def test_swampdragon(self):
        visitor, ann = SocketClient().connect(), self.clients(self.ann)[0]
        with self.assertRaises(Refused):
            visitor.subscribe("items")
        ann.subscribe("items")
        with self.captureOnCommitCallbacks(execute=True):
            item = Item.objects.create(name="milk")
        fields = {"name": "milk", "done": False}
        ann.assert_received("created", {"model": "items.item", "pk": item.pk, "fields": fields})
        self.assertEqual(ann.emit("items"), [{"id": item.pk, **fields}])
        self.assertEqual(ann.emit("item_done", item.pk), {"error": "You may not change items"})
        self.ann.user_permissions.add(Permission.objects.get(codename="change_item"))
        with self.captureOnCommitCallbacks(execute=True):
            self.clients(self.ann)[0].emit("item_done", item.pk)
        changes = {"fields": {**fields, "done": True}, "changed": ["done"]}
        ann.assert_received("changed", {"model": "items.item", "pk": item.pk, **changes})

    def test_dwebsocket(self):
        self.assertContains(self.client.get("/echo/", {"message": "hi"}), "hi")

    def test_channels(self):
        with self.assertRaises(Refused):
            SocketClient().connect().subscribe("chat-1")
        ann, bob = self.clients(self.ann, self.bob)
        for client in (ann, bob):
            client.subscribe("chat-1")
        ann.send("hello")
        for client in (ann, bob):
            client.assert_received("message", {"message": "hello"})

    def test_flask_socketio(self):
        ann, bob = self.clients(self.ann, self.bob)
        bob.subscribe("room-1")
        self.assertEqual(ann.emit("join", {"room": "room-1"}), "welcome")
        bob.assert_received("joined", ann.id)
        task()
        for client in (ann, bob):
            client.assert_received("done", {"id": 1})
