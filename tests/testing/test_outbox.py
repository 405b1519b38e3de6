"""The outbox of a test, and the messages that stay in the process while tests run."""

from django.contrib.auth import get_user_model
from django.test import TestCase

from django_socketio.events import on_message
from django_socketio.testing import SocketClient, assert_emitted, assert_nothing_emitted, outbox

User = get_user_model()


class OutboxTests(TestCase):
    def test_messages_of_handlers_are_in_it_but_no_answers(self):
        @on_message
        def say(request, socket, context, message):
            socket.send("for you")
            socket.broadcast_channel(message, "room-1", event="said")

        assert_nothing_emitted()
        SocketClient().connect().send(b"hello")
        message = assert_emitted("said", b"hello", channel="room-1")
        assert message.channels == ["room-1"]
        assert outbox == [message]
