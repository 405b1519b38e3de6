"""The live page of the sockets in Django's admin."""

import importlib
import os
import re
import sys
from itertools import count
from types import SimpleNamespace
from unittest import mock

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from playwright.sync_api import expect

from django_socketio import site_stats
from django_socketio.events import on_message
from django_socketio.testing import LiveSocketServerTestCase
from tests.kit.admin import admin_site, staff
from tests.kit.clients import PollingClient, WebSocketClient, join
from tests.kit.http import close_all
from tests.kit.programs import ROOT

STRICT = "tests.clients.browser.test_dashboard.strict"
POLICY = "default-src 'self'; img-src 'self' data:"


def strict(get_response):
    """Send a policy that admits no inline scripts and styles."""

    def middleware(request):
        response = get_response(request)
        response["Content-Security-Policy"] = POLICY
        return response

    return middleware


@pytest.fixture(scope="module", autouse=True)
def _site():
    ours = {"SOCKETIO_METRICS": True, "SOCKETIO_PRESENCE": ["^room-"]}
    with mock.patch.dict(os.environ, DJANGO_ALLOW_ASYNC_UNSAFE="true"), admin_site(STRICT, **ours):
        yield


ALL = ("view_dashboard", "send_events", "disconnect_sockets")


class DashboardTests(LiveSocketServerTestCase):
    @pytest.fixture(autouse=True)
    def _browser(self, chromium, tmp_path):
        # DOCS_PICTURES=1 keeps the picture of the documentation.
        self.folder = ROOT / "docs" if os.environ.get("DOCS_PICTURES") else tmp_path
        self.context = chromium.new_context()
        self.tab = self.context.new_page()
        self.refused = []
        self.tab.on("console", lambda message: self.refused.append(message.text))
        self.server = SimpleNamespace(port=self.server_thread.port)
        importlib.reload(sys.modules["django_socketio.dashboard.events"])
        on_message(lambda request, socket, context, text: text)
        yield
        self.context.close()
        close_all()

    def open(self, name):
        """Open the page as a user."""
        client = Client()
        assert client.login(username=name, password=name)
        value = client.cookies[settings.SESSION_COOKIE_NAME].value
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": value}
        self.context.add_cookies([{**cookie, "url": self.live_server_url}])
        answer = self.tab.goto(f"{self.live_server_url}/admin/socketio_dashboard/dashboard/")
        return answer.status

    def find(self, value, kind="channel"):
        self.tab.select_option("[name=kind]", kind)
        self.tab.fill("[name=value]", value)
        self.tab.click("#sio-find [type=submit]")

    def text(self, id):
        return self.tab.locator(f"#sio-{id}")

    def test_staff_sees_the_figures_finds_a_channel_sends_and_disconnects(self):
        from django.contrib.admin.models import LogEntry

        staff("ann", *ALL)
        clients = [join(self.server), join(self.server, kind=PollingClient)]
        for client in clients:
            client.subscribe("room-1")
        assert self.open("ann") == 200
        expect(self.text("status")).to_have_text("1 process")
        expect(self.text("sockets")).to_have_text("3")
        clients[0].ask("message", "hello")
        expect(self.text("received")).to_contain_text(re.compile(r"\d"))
        self.tab.click("#sio-channels button")
        expect(self.text("members").locator("tbody tr")).to_have_count(2)
        expect(self.text("name")).to_have_text("channel room-1 (/)")
        expect(self.text("people")).to_contain_text("Present: ")
        self.tab.fill("[name=event]", "notice")
        self.tab.fill("[name=text]", '{"a": [1]}')
        self.tab.click("#sio-send [type=submit]")
        expect(self.text("message")).to_contain_text("Sent 'notice' to channel room-1 (/)")
        assert clients[0].event() == ["notice", {"a": [1]}]
        asked = []
        self.tab.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
        row = self.text("members").locator("tbody tr", has_text=clients[0].id)
        row.get_by_role("button").click()
        expect(self.text("message")).to_contain_text(f"Disconnected socket {clients[0].id} (/)")
        assert asked == [f"Disconnect socket {clients[0].id}?"]
        assert clients[0].receive() == "41"
        expect(self.text("members").locator("tbody tr")).to_have_count(1)
        logged = [entry.change_message for entry in LogEntry.objects.order_by("pk")]
        assert logged[0].startswith("Sent 'notice' to channel room-1 (/): received by 2 sockets")
        assert len(logged) == 2
        assert self.refused == []
        self.tab.screenshot(path=self.folder / "dashboard.png", full_page=True)

    def test_a_user_is_found_by_name_or_key(self):
        ann = staff("ann", *ALL)
        self.open("ann")
        expect(self.text("status")).to_have_text("1 process")
        self.tab.fill("[name=namespace]", "/socketio-dashboard")
        for value in ("ann", str(ann.pk)):
            self.find(value, "user")
            expect(self.text("name")).to_have_text(f"user ann ({ann.pk}) (/socketio-dashboard)")
            expect(self.text("members").locator("tbody tr")).to_have_count(1)
        self.find("bob", "user")
        expect(self.text("message")).to_have_text("There is no user 'bob'")
        expect(self.text("found")).to_be_hidden()  # "Disconnect all" would be for another user

    def test_disconnecting_all_sockets_names_whom_it_disconnects(self):
        staff("ann", *ALL)
        client = join(self.server)
        client.subscribe("room-4")
        self.open("ann")
        expect(self.text("status")).to_have_text("1 process")
        self.find("room-4")
        expect(self.text("members").locator("tbody tr")).to_have_count(1)
        self.tab.on("dialog", lambda dialog: dialog.dismiss())
        with self.tab.expect_event("dialog") as dialog:
            self.text("disconnect").click()
        assert dialog.value.message == "Disconnect all sockets of channel room-4 (/)?"
        assert client.sync() == []

    def test_a_channel_that_is_about_to_be_chosen_stays_while_figures_change(self):
        staff("ann", *ALL)
        join(self.server).subscribe("room-5")
        self.open("ann")
        row = self.tab.locator("#sio-channels tbody tr", has_text="room-5")
        row.get_by_role("button").focus()
        join(self.server).subscribe("room-5")
        self.tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(row.locator("td").last).to_have_text("2")
        expect(row.get_by_role("button")).to_be_focused()

    def test_a_process_that_begins_anew_under_its_name_takes_nothing_from_the_rates(self):
        from django_socketio.dashboard import events

        starts = count(1)

        def numbers():
            (steady,), start = site_stats()["processes"], next(starts)
            anew = {**steady, "process": "web2:1", "started": start}
            measured = steady["measured"]
            steady["measured"] = {**measured, "messages_received": 1000 * start}
            anew["measured"] = {**measured, "messages_received": 1_000_000 // start}
            return {"processes": [steady, anew], "silent": 0}

        staff("ann", *ALL)
        with mock.patch.object(events, "site_stats", numbers):
            self.open("ann")
            expect(self.text("received")).to_have_text(re.compile("[1-9]"))

    def test_who_may_only_look_can_neither_send_nor_disconnect(self):
        staff("eve", "view_dashboard")
        client = join(self.server)
        client.subscribe("room-2")
        self.open("eve")
        expect(self.text("status")).to_have_text("1 process")
        self.find("room-2")
        expect(self.text("members").locator("tbody tr")).to_have_count(1)
        assert self.tab.locator("#sio-send, #sio-disconnect, #sio-members button").count() == 0
        asked = {"kind": "channel", "value": "room-2", "namespace": "/"}
        ask = """async ([event, asked]) => {
          const socket = io("/socketio-dashboard", { forceNew: true });
          return await socket.emitWithAck(event, asked, "x", "y");
        }"""
        for event, permission in (("send", ALL[1]), ("disconnect sockets", ALL[2])):
            refused = {"error": f"You need the permission {permission}"}
            assert self.tab.evaluate(ask, [event, asked]) == refused
        assert client.sync() == []

    def test_staff_without_the_permission_sees_nothing(self):
        staff("joe")
        assert self.open("joe") == 403
        client = WebSocketClient(self.server.port)
        client.send("40/socketio-dashboard,")
        assert "You need the permission view_dashboard" in client.receive()

    def test_the_page_fits_a_phone_in_the_dark(self):
        staff("ann", *ALL)
        join(self.server).subscribe("room-3")
        self.tab.emulate_media(color_scheme="dark")
        self.tab.set_viewport_size({"width": 390, "height": 844})
        self.open("ann")
        expect(self.text("status")).to_have_text("1 process")
        self.find("room-3")
        expect(self.text("members").locator("tbody tr")).to_have_count(1)
        wide = "document.documentElement.scrollWidth > innerWidth"
        assert not self.tab.evaluate(wide)
        color = "getComputedStyle(document.querySelector('.sio-card')).backgroundColor"
        assert self.tab.evaluate(color) == "rgb(18, 18, 18)"


def test_the_migration_is_that_of_the_model():
    call_command("makemigrations", "socketio_dashboard", check=True, dry_run=True, verbosity=0)
