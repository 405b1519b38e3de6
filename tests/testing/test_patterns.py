"""Patterns of channels match the start of a name, in handlers and in each setting."""

from django.test import TestCase, override_settings

from django_socketio import emit, history, presence
from django_socketio.events import on_event, on_join
from django_socketio.testing import Refused, SocketClient, Unanswered

NAMES = "room-1", "classroom-1"


class PatternTests(TestCase):
    def on_both(self):
        client = SocketClient().connect()
        for name in NAMES:
            client.subscribe(name)
        return client

    def test_of_handlers(self):
        on_event("ask", channel="room-")(lambda request, socket, context: socket.event_channel)
        client = self.on_both()
        assert client.channel("room-1").emit("ask") == "room-1"
        with self.assertRaises(Unanswered):
            client.channel("classroom-1").emit("ask")

    @override_settings(SOCKETIO_HISTORY={"room-": {"size": 9, "seconds": 60}})
    def test_of_histories(self):
        for name in NAMES:
            emit("saved", 1, channel=name)
        assert [len(history(name)) for name in NAMES] == [1, 0]

    @override_settings(SOCKETIO_PRESENCE=["room-"])
    def test_of_presence(self):
        client = self.on_both()
        assert [len(presence(name)) for name in NAMES] == [1, 0]
        with self.assertRaisesMessage(Refused, "nobody's presence is noted"):
            client.presence("classroom-1")

    def test_of_handlers_of_presence(self):
        joined = []
        on_join(channel="room-")(lambda channel, person: joined.append(channel))
        self.on_both()
        assert joined == ["room-1"]

    @override_settings(SOCKETIO_SIGNED_ONLY=["room-"])
    def test_of_signed_channels(self):
        client = SocketClient().connect()
        with self.assertRaisesMessage(Refused, "by a token only"):
            client.subscribe("room-1")
        assert client.subscribe("classroom-1") is True

    @override_settings(SOCKETIO_CLIENT_EVENTS={"room-": ["typing"]})
    def test_of_client_events(self):
        sender, receiver = self.on_both(), self.on_both()
        sender.channel("room-1").emit("typing")
        receiver.assert_received("typing")
        assert "error" in sender.channel("classroom-1").emit("typing")
