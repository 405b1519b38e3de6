"""Tests of the tour: what open pages are told."""

from unittest.mock import patch

from django.contrib.auth import get_user_model
from django.test import TestCase
from django.urls import reverse

from django_socketio import emit
from django_socketio.testing import SocketClient, assert_emitted, outbox

from . import load, tasks
from .models import Export


@patch.object(tasks, "STEP", 0)
@patch.object(tasks, "start_export", tasks.export_orders)
class ExportTests(TestCase):
    def start(self):
        with self.captureOnCommitCallbacks(execute=True):
            response = self.client.post(reverse("exports"))
        self.assertRedirects(response, reverse("export", args=[Export.objects.get().pk]))
        return Export.objects.get()

    def test_the_page_of_an_export_follows_it(self):
        export = self.start()
        assert_emitted("_fragment", channel=export.channel)
        self.assertTrue(any("100 %" in message.args[0]["html"] for message in outbox))
        self.assertContains(self.client.get(reverse("export", args=[export.pk])), "100 %")

    def test_the_end_is_told_to_all_tabs_of_a_visitor(self):
        self.client.post(reverse("exports"))
        page = SocketClient(http=self.client).connect()
        with self.captureOnCommitCallbacks(execute=True):
            self.client.post(reverse("exports"))
        self.assertIn("is ready", page.received[-1].args[0]["html"])

    def test_the_end_is_told_to_a_user_on_all_devices(self):
        ann = get_user_model().objects.create_user("ann")
        self.client.force_login(ann)
        self.start()
        self.assertIn("is ready", assert_emitted("_fragment", user=ann).args[0]["html"])


class LoadTests(TestCase):
    def look(self):
        with patch.object(load, "measure") as measure:
            page = SocketClient().connect()
            page.subscribe("load")
        measure.assert_called_once_with()
        return page

    def test_who_looks_has_it_measured(self):
        self.look().assert_nothing_received()

    def test_who_comes_later_sees_the_last_minute(self):
        self.look()
        for percent in (1.5, 2.5):
            emit("load", percent, channel=load.CHANNEL)
        page = self.look()
        page.assert_received("load", 1.5)
        page.assert_received("load", 2.5)

    def test_the_pages_are_there(self):
        for name in ("index", "exports", "dashboard", "stream"):
            self.assertEqual(self.client.get(reverse(name)).status_code, 200)
