"""Publishing with a commit, in the test cases of a project."""

from contextlib import suppress

from django.db import transaction
from django.test import TestCase, override_settings

from django_socketio import emit


class CaseTests(TestCase):
    """In the transaction that Django puts around a test."""

    def publish(self):
        emit("saved", 1, channel="b")

    def test_the_transaction_of_a_test_case_is_none_of_the_site(self):
        with override_settings(DEBUG=True):
            with self.assertNoLogs("django_socketio.publishing", "WARNING"):
                self.publish()
            with self.assertLogs("django_socketio.publishing", "WARNING"), transaction.atomic():
                self.publish()

    def test_messages_keep_their_order_among_the_captured_functions(self):
        order = []
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            with transaction.atomic():
                first = emit("saved", 1, channel="b", on_commit=True)
                transaction.on_commit(lambda: order.append((bool(first), bool(second))))
                second = emit("saved", 2, channel="b", on_commit=True)
            with suppress(ZeroDivisionError), transaction.atomic():
                undone = emit("saved", 3, channel="b", on_commit=True)
                _ = 1 / 0
        self.assertEqual((len(callbacks), order), (3, [(True, False)]))
        self.assertEqual([bool(one) for one in (first, second, undone)], [True, True, False])
