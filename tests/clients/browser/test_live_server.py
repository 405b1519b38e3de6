"""A browser on the live server of a project's test case."""

import os
import threading
from unittest import mock

import pytest
from django.http import HttpResponse
from django.template import engines
from django.test import override_settings
from django.urls import include, path
from playwright.sync_api import expect

from django_socketio import emit
from django_socketio.events import on_message, on_subscribe
from django_socketio.testing import LiveSocketServerTestCase

PAGE = """{% load socketio_tags %}<!doctype html>{% socketio %}<ul></ul><script>
  const socket = new io.Socket();
  socket.on("message", (text) => {
    const item = document.createElement("li");
    item.textContent = text;
    document.querySelector("ul").append(item);
  });
  socket.connect();
  socket.subscribe("room-1");
</script>"""


def page(request):
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


urlpatterns = [path("", include("django_socketio.urls")), path("page/", page)]


@pytest.fixture(scope="module", autouse=True)
def _event_loop_of_playwright():
    """Have Django use the database in the thread in which Playwright's event loop runs."""
    with mock.patch.dict(os.environ, DJANGO_ALLOW_ASYNC_UNSAFE="true"):
        yield


class LiveTests(LiveSocketServerTestCase):
    databases = frozenset()

    @pytest.fixture(autouse=True)
    def _browser(self, chromium):
        self.tab = chromium.new_page()
        with override_settings(ROOT_URLCONF=__name__):
            yield
        self.tab.close()

    def test_a_browser_gets_what_the_test_and_the_page_send(self):
        subscribed = threading.Event()
        on_subscribe(lambda request, socket, context, channel: subscribed.set())
        on_message(channel="^room-")(
            lambda request, socket, context, text: socket.send_and_broadcast_channel(text, "room-1")
        )
        self.tab.goto(f"{self.live_server_url}/page/")
        assert subscribed.wait(15)
        emit("message", "from the test", channel="room-1")
        expect(self.tab.locator("li")).to_have_text(["from the test"])
        self.tab.evaluate("socket.send('from the page')")
        expect(self.tab.locator("li")).to_have_text(["from the test", "from the page"])
