"""Tests of the chat: no server runs, and each test is one transaction."""

from django.contrib.auth import get_user_model
from django.test import TestCase
from django.urls import reverse

from django_socketio import presence
from django_socketio.testing import Refused, SocketClient, assert_emitted

from .models import Room


class ChatTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.room = Room.objects.create(name="Lobby", slug="lobby")

    def enter(self, name, http=None):
        client = SocketClient(http=http, session={"name": name}).connect()
        client.subscribe(self.room.channel)
        return client

    def names(self):
        return [person.info["name"] for person in presence(self.room.channel)]

    def test_a_message_is_kept_and_reaches_the_room(self):
        ann, bob = self.enter("Ann"), self.enter("Bob")
        message = ann.send("Hello!")
        self.assertEqual(message["author"], "Ann")
        bob.assert_received("message", message)
        self.assertEqual(self.room.messages.get().text, "Hello!")

    def test_only_people_of_the_room_read_and_write(self):
        visitor = SocketClient().connect()
        with self.assertRaisesMessage(Refused, "Please join the room first."):
            visitor.subscribe(self.room.channel)
        with self.assertRaisesMessage(Refused, "There is no such room."):
            visitor.subscribe("room-nowhere")

    def test_a_visitor_enters_a_name_that_nobody_has(self):
        self.enter("Ann")
        page = self.client.post(self.room.get_absolute_url(), {"name": "ann"})
        self.assertContains(page, "Somebody here has this name already.")
        self.assertContains(page, "1 person is here now.")
        page = self.client.post(self.room.get_absolute_url(), {"name": "Bob"}, follow=True)
        self.assertContains(page, 'data-name="Bob"')

    def test_a_name_whose_address_would_be_too_long_makes_no_room(self):
        page = self.client.post(reverse("rooms"), {"name": "\N{VULGAR FRACTION ONE HALF}" * 40})
        self.assertContains(page, "Please choose a shorter name.")
        self.assertEqual(Room.objects.count(), 1)

    def test_a_room_that_was_refused_changes_nothing_in_the_other(self):
        ann = self.enter("Ann")
        with self.assertRaises(Refused):
            ann.subscribe("room-nowhere")
        self.assertEqual(ann.send("Hello!")["text"], "Hello!")

    def test_a_second_tab_and_a_reload_are_the_same_person(self):
        rooms = SocketClient().connect()
        rooms.subscribe("rooms")
        rooms.assert_received("rooms", {"lobby": 0})
        tabs = [self.enter("Ann", http=self.client) for _ in range(2)]
        rooms.assert_received("rooms", {"lobby": 1})
        tabs[0].drop()
        tabs[1].drop()
        tabs[1].advance(2)
        tabs[1].reconnect()
        tabs[1].advance(60)
        rooms.assert_nothing_received()
        self.assertEqual(self.names(), ["Ann"])

    def test_who_leaves_is_gone_at_once(self):
        self.enter("Ann")
        tabs = [self.enter("Bob", http=self.client) for _ in range(2)]
        self.client.post(reverse("leave", args=["lobby"]))
        for tab in tabs:
            tab.assert_received("left")
        self.assertEqual(self.names(), ["Ann"])

    def test_staff_send_system_messages_from_a_page(self):
        staff = get_user_model().objects.create_superuser("admin", password="admin")
        self.client.force_login(staff)
        ann = self.enter("Ann")
        data = {"text": "Lunch is ready", "room": self.room.pk}
        self.client.post(reverse("system_message"), data)
        ann.assert_received("message", {"system": "Lunch is ready"})
        assert_emitted("message", channel=self.room.channel)
