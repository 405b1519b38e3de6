"""Tests of the chat: no server runs, and each test is one transaction."""

from django.contrib.auth import get_user_model
from django.test import TestCase
from django.urls import reverse

from django_socketio.testing import Refused, SocketClient, assert_emitted

from .models import Room


class ChatTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.room = Room.objects.create(name="Lobby", slug="lobby")

    def enter(self, name):
        client = SocketClient().connect()
        client.subscribe(self.room.channel)
        client.emit("join", name, f"token of {name}")
        return client

    def test_a_message_is_kept_and_reaches_the_room(self):
        ann, bob = self.enter("Ann"), self.enter("Bob")
        message = ann.send("Hello!")
        self.assertEqual(message["author"], "Ann")
        bob.assert_received("message", message)
        self.assertEqual(self.room.messages.get().text, "Hello!")

    def test_only_people_of_the_room_write(self):
        visitor = SocketClient().connect()
        visitor.subscribe(self.room.channel)
        self.assertEqual(visitor.send("Hello!"), {"error": "Please join the room first."})
        with self.assertRaisesMessage(Refused, "There is no such room."):
            visitor.subscribe("room-nowhere")

    def test_a_closed_page_leaves_the_room(self):
        ann, bob = self.enter("Ann"), self.enter("Bob")
        ann.assert_received("people", ["Ann", "Bob"])
        bob.drop()
        ann.assert_received("people", ["Ann"])

    def test_a_name_is_taken_once(self):
        self.enter("Ann")
        other = SocketClient().connect()
        other.subscribe(self.room.channel)
        self.assertIn("error", other.emit("join", "ann", "another token"))

    def test_staff_send_system_messages_from_a_page(self):
        staff = get_user_model().objects.create_superuser("admin", password="admin")
        self.client.force_login(staff)
        ann = self.enter("Ann")
        data = {"text": "Lunch is ready", "room": self.room.pk}
        self.client.post(reverse("system_message"), data)
        ann.assert_received("message", {"system": "Lunch is ready"})
        assert_emitted("message", channel=self.room.channel)
