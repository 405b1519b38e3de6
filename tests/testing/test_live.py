"""The live server of a test case: its database, its thread and its end.

``tests/clients/browser/test_live_server.py`` has a browser.
"""

import threading
import unittest

import pytest
from django.contrib.auth import get_user_model
from django.test import SimpleTestCase, skipUnlessDBFeature

from django_socketio import emit
from django_socketio.events import on_disconnect, on_event
from django_socketio.testing import LiveSocketServerTestCase, assert_emitted, outbox, running
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


@pytest.mark.parametrize("skip", [unittest.skip("on purpose"), skipUnlessDBFeature("none such")])
def test_the_outbox_of_a_test_that_is_skipped_is_closed(skip):
    def send(self):
        assert outbox == []
        assert not emit("saved", channel="orders", idempotency_key="order-7").is_repeat

    skipped = type("Skipped", (LiveSocketServerTestCase,), {"test": skip(send)})
    following = type("Following", (SimpleTestCase,), {"test_1": send, "test_2": send})
    result = unittest.TestResult()
    with running.suspended():  # this function is a test of its own
        for case in skipped, following:
            unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert (len(result.skipped), result.testsRun) == (1, 3)
    assert (result.errors, result.failures) == ([], [])
