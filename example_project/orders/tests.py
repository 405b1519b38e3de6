"""Tests of the orders: what open pages are told."""

from django.test import TestCase
from django.urls import reverse

from django_socketio.testing import assert_emitted, assert_nothing_emitted, outbox

from .models import Order


class OrderTests(TestCase):
    def change(self, order):
        with self.captureOnCommitCallbacks(execute=True):
            self.client.post(reverse("change_order"), {"order": order.pk})

    def test_an_order_goes_from_state_to_state_on_all_pages(self):
        order = Order.objects.create(pizza="Margherita")
        for label in ("In the oven", "Ready"):
            self.change(order)
            html = assert_emitted("_fragment", channel="orders").args[0]["html"]
            self.assertIn(label, html)
            outbox.clear()
        self.change(order)
        self.assertEqual(outbox[0].args[0]["swap"], "remove")
        self.assertFalse(Order.objects.exists())

    def test_a_new_order_is_shown_on_all_pages(self):
        with self.captureOnCommitCallbacks(execute=True):
            self.client.post(reverse("orders"), {"pizza": "Funghi", "number": 2})
        fragment = assert_emitted("_fragment", channel="orders").args[0]
        self.assertEqual(fragment["swap"], "append")
        self.assertIn("2 x Funghi", fragment["html"])

    def test_a_wrong_order_is_none(self):
        with self.captureOnCommitCallbacks(execute=True):
            response = self.client.post(reverse("orders"), {"pizza": "Funghi", "number": 0})
        self.assertContains(response, "greater than or equal to 1")
        assert_nothing_emitted()

    def test_what_is_no_order_is_not_found(self):
        for order in ("", "x", "1.5", "9" * 30):
            response = self.client.post(reverse("change_order"), {"order": order})
            self.assertEqual(response.status_code, 404, order)
