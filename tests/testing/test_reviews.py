"""Channels are left when the client may not have them any more (may_subscribe)."""

from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.test import TestCase

from django_socketio import emit
from django_socketio.events import may_subscribe, on_message, on_unsubscribe
from django_socketio.testing import SocketClient, stream_events

INTERVAL = 60
"""SOCKETIO_LOGIN_CHECK_INTERVAL."""


class ReviewTests(TestCase):
    def setUp(self):
        self.left = []
        self.ann = User.objects.create_user("ann")
        self.staff = Group.objects.create(name="staff")
        self.ann.groups.add(self.staff)

        @on_unsubscribe
        def note(request, socket, context, channel):
            self.left.append(channel)

    def connect(self, *channels, **options):
        client = SocketClient(**options)
        client.connect()
        for channel in channels:
            self.assertIs(client.subscribe(channel), True)
        return client

    def test_a_user_who_loses_a_group_leaves_its_channel_at_once(self):
        @may_subscribe(channel="^staff$")
        def members(request, channel):
            return request.user.groups.filter(name=channel).exists()

        client = self.connect("staff", "lobby", user=self.ann)
        with self.captureOnCommitCallbacks(execute=True):
            self.ann.groups.remove(self.staff)
        self.assertEqual(client.socket.channels, ["lobby"])
        self.assertEqual(self.left, ["staff"])
        self.assertTrue(client.connected)

    def test_a_user_who_is_changed_is_asked_again_at_once(self):
        @may_subscribe
        def named(request, channel):
            return request.user.first_name == channel

        self.ann.first_name = "Ann"
        self.ann.save()
        client = self.connect("Ann", user=self.ann)
        self.ann.first_name = "Anne"
        with self.captureOnCommitCallbacks(execute=True):
            self.ann.save()
        self.assertEqual(client.socket.channels, [])

    def test_changes_without_a_signal_are_seen_at_the_next_check(self):
        @may_subscribe
        def permitted(request, channel):
            if not request.user.has_perm("auth.view_user"):
                raise PermissionDenied
            return True

        permission = Permission.objects.get(codename="view_user")
        self.ann.user_permissions.add(permission)
        client = self.connect("users", user=self.ann)
        client.advance(INTERVAL)
        self.assertEqual(client.socket.channels, ["users"])
        User.user_permissions.through.objects.all().delete()
        client.advance(INTERVAL)
        self.assertEqual(client.socket.channels, [])
        self.assertEqual(self.left, ["users"])

    def test_a_function_that_fails_takes_no_channel_away(self):
        failures = []

        @may_subscribe
        def permitted(request, channel):
            if failures:
                raise failures.pop()
            return channel == "lobby"

        client = self.connect("lobby", user=self.ann, raise_exceptions=False)
        for failures[:] in [OperationalError("away")], [TimeoutError()]:
            with self.assertLogs("django_socketio", "ERROR"):
                client.advance(INTERVAL)
            self.assertEqual(failures, [])
            self.assertEqual(client.socket.channels, ["lobby"])

    def test_event_streams_are_not_asked_about_and_stop_no_review(self):
        members = {"ann"}

        @may_subscribe(channel="^room-")
        def is_member(request, channel):
            return request.user.username in members

        self.client.force_login(self.ann)
        stream = self.client.get("/stream/?channel=room-1")
        client = self.connect("room-1", "room-2", user=self.ann)
        client.advance(INTERVAL)
        self.assertEqual(client.channels, ["room-1", "room-2"])
        members.clear()
        client.advance(INTERVAL)
        self.assertEqual(client.channels, [])
        members.add("ann")
        self.assertIs(client.subscribe("room-1"), True)
        members.clear()
        with self.captureOnCommitCallbacks(execute=True):
            self.ann.save()
        self.assertEqual(client.channels, [])
        emit("told", channel="room-1")
        self.assertEqual(stream_events(stream), [("told", None)])

    def test_visitors_and_channels_of_handlers_are_asked_about_as_well(self):
        rooms = {"room": True}

        @may_subscribe
        def is_open(request, channel):
            return rooms["room"]

        @on_message
        def join(request, socket, context, message):
            return socket.subscribe(message)

        client = self.connect("room")
        self.assertIs(client.send("other"), True)
        rooms["room"] = False
        client.advance(INTERVAL)
        self.assertEqual(client.socket.channels, [])
        self.assertEqual(self.left, ["room", "other"])
