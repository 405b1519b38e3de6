"""The live server of a test case: its database, its thread and its end.

``tests/clients/browser/test_live_server.py`` has a browser.
"""

import threading

from django.contrib.auth import get_user_model

from django_socketio import emit
from django_socketio.events import on_disconnect, on_event
from django_socketio.testing import LiveSocketServerTestCase, assert_emitted, outbox
from tests.kit.clients import WebSocketClient

User = get_user_model()


class LiveTests(LiveSocketServerTestCase):
    def test_handlers_share_the_database_of_the_test(self):
        threads, ended = [], threading.Event()
        on_disconnect(lambda request, socket, context: ended.set())

        @on_event("users")
        def users(request, socket, context):
            threads.append(threading.current_thread())
            User.objects.create_user("bob")
            return User.objects.count()

        User.objects.create_user("ann")
        client = WebSocketClient(self.server_thread.port)
        client.connect()
        assert client.ask("users") == [2]
        assert User.objects.filter(username="bob").exists()
        assert threads == [self.server_thread]
        assert emit("saved", 1).received == 1
        assert client.event() == ["saved", 1]
        assert_emitted("saved", 1)
        client.abandon()
        assert ended.wait(10)

    def test_the_outbox_and_the_database_are_empty_again(self):
        assert outbox == []
        assert not User.objects.exists()

    test_again = test_handlers_share_the_database_of_the_test
