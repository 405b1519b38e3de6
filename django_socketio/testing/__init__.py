"""Tests of what projects write: sockets without a server, and the messages that were sent.

    from django.test import TestCase
    from django_socketio.testing import SocketClient

    class ChatTests(TestCase):
        def test_a_message_reaches_the_room(self):
            ann, bob = SocketClient(), SocketClient()
            for client in (ann, bob):
                client.connect()
                client.subscribe("room-1")
            ann.channel("room-1").send("hello")
            bob.assert_received("message", "hello")

Nothing is imported before its first use: pytest imports this package at each start.
"""

from typing import TYPE_CHECKING

from django_socketio import lazy_names

__all__ = [
    "NO_ANSWER",
    "LiveSocketServerTestCase",
    "OutboxMessage",
    "Received",
    "Refused",
    "SocketClient",
    "Unanswered",
    "assert_emitted",
    "assert_nothing_emitted",
    "outbox",
    "stream_events",
]

if TYPE_CHECKING:
    from django_socketio.testing.client import NO_ANSWER, SocketClient
    from django_socketio.testing.errors import Refused, Unanswered
    from django_socketio.testing.live import LiveSocketServerTestCase
    from django_socketio.testing.messages import (
        OutboxMessage,
        assert_emitted,
        assert_nothing_emitted,
        outbox,
    )
    from django_socketio.testing.received import Received
    from django_socketio.testing.streams import stream_events
else:
    _MODULES = {
        "NO_ANSWER": "client",
        "LiveSocketServerTestCase": "live",
        "OutboxMessage": "messages",
        "Received": "received",
        "Refused": "errors",
        "SocketClient": "client",
        "Unanswered": "errors",
        "assert_emitted": "messages",
        "assert_nothing_emitted": "messages",
        "outbox": "messages",
        "stream_events": "streams",
    }

    __getattr__, __dir__ = lazy_names.hooks(__name__, _MODULES, globals())
