"""The example project as its README starts it, with people in windows of their own."""

import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.kit.programs import ROOT, free_port

MANAGE = ROOT / "example_project" / "manage.py"
START_TIMEOUT = 30  # seconds
STOP_TIMEOUT = 10  # seconds
BACK_TIMEOUT = 20_000  # milliseconds: pages wait up to 5 seconds between two attempts


class Chat:
    """The example's server, on a port that it keeps over restarts."""

    def __init__(self, database):
        self.database = database
        self._environment = environment(database)
        self._output = database.with_suffix(".log")
        self._process = None
        self.port = free_port()

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def start(self):
        address = f"127.0.0.1:{self.port}"
        command = [sys.executable, MANAGE, "runserver_socketio", address, "--noreload"]
        with self._output.open("a") as output:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=output, stderr=output
            )
        self._wait_until_it_listens()

    def _wait_until_it_listens(self):
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end and self._process.poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"the server did not start:\n{self._output.read_text()}")

    def stop(self):
        """Stop it as a service manager does; return the exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_TIMEOUT)

    def kill(self):
        """End it, whatever it does."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def environment(database):
    """Return the environment of the example; the tests' own settings are none of its business."""
    inherited = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    return inherited | {"DEMO_DATABASE": str(database)}


@pytest.fixture(scope="module")
def fresh_database(tmp_path_factory):
    """A database as the README has it made."""
    database = tmp_path_factory.mktemp("chat") / "fresh.sqlite3"
    for command in ("migrate", "create_demo"):
        done = subprocess.run(
            [sys.executable, MANAGE, command],
            env=environment(database),
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    return database


@pytest.fixture(scope="module")
def running(fresh_database, tmp_path_factory):
    """The example, running."""
    folder = tmp_path_factory.mktemp("running")
    server = Chat(Path(shutil.copy(fresh_database, folder / "chat.sqlite3")))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def chat(running, fresh_database):
    """The example, without what other tests have left in its database."""
    with (
        contextlib.closing(sqlite3.connect(fresh_database)) as fresh,
        contextlib.closing(sqlite3.connect(running.database)) as used,
    ):
        fresh.backup(used)
    return running


@pytest.fixture
def enter(chat, window):
    """Open a window in which somebody has joined a room: ``enter(name, room="lobby") -> Page``.

    All leave at the end of the test: who only closes a page is present for some seconds. For
    neither, a page of its own is shown: each takes a third of a second.
    """
    pages = []

    def start(name, room="lobby"):
        page, url = window("about:blank"), chat.url(f"/rooms/{room}/")
        post(page, url, name=name)
        page.goto(url)
        expect(page.locator("#messages")).to_have_attribute("aria-busy", "false")
        pages.append(page)
        return page

    yield start
    for page in pages:
        if not page.is_closed() and page.locator("#leave").is_visible():
            page.evaluate(LEAVE)


def post(page, url, **fields):
    """Send a form as the page at this URL does, which the window does not show."""
    request = page.context.request
    token = re.search('name="csrfmiddlewaretoken" value="(.+?)"', request.get(url).text())[1]
    answer = request.post(url, form={"csrfmiddlewaretoken": token, **fields}, max_redirects=0)
    assert answer.status == 302, answer.text()


LEAVE = """async () => {
    const { form, dataset } = document.getElementById("leave");
    dataset.rooms = "#";  // the page to show next
    await fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" });
}"""


@pytest.fixture
def photograph(tmp_path):
    """Take a picture of the documentation; ``DOCS_PICTURES=1`` keeps it there."""
    folder = ROOT / "docs" if os.environ.get("DOCS_PICTURES") else tmp_path

    def take(page, name, clip=None):
        page.screenshot(path=folder / name, clip=clip)
        assert (folder / name).stat().st_size > 5_000

    return take


def enter_name(page, name):
    page.fill("#join-form [name=name]", name)
    page.click("#join-form button")


def another_tab(page):
    """Open the page again, in the same browser."""
    tab = page.context.new_page()
    tab.goto(page.url)
    return tab


def say(page, text):
    page.fill("#message-input", text)
    page.press("#message-input", "Enter")


def expect_people(page, *names):
    expect(page.locator("#people li")).to_have_text(list(names))


def expect_messages(page, *texts):
    expect(page.locator("#messages .message-text")).to_have_text(list(texts))
    expect(page.locator("#messages .waiting")).to_have_count(0)


def expect_state(page, state, timeout=None):
    badge = page.locator("#connection-state")
    expect(badge).to_have_attribute("data-state", state, timeout=timeout)


@pytest.mark.own_window
def test_people_come_talk_and_go(enter, photograph):
    ada, grace = enter("Ada"), enter("Grace")
    expect_people(ada, "Ada", "Grace")
    expect_people(grace, "Ada", "Grace")
    say(ada, "Hello Grace")
    expect_messages(grace, "Hello Grace")
    say(grace, "Hello Ada")
    for page in (ada, grace):
        expect_messages(page, "Hello Grace", "Hello Ada")
        authors = page.locator("#messages .message .message-author")
        expect(authors).to_have_text(["Ada", "Grace"])
    ada.set_viewport_size({"width": 960, "height": 600})
    photograph(ada, "chat.png")


def test_a_reload_and_a_second_tab_are_the_same_person_and_are_not_told(enter):
    ada, grace, bob = enter("Ada"), enter("Grace"), enter("Bob")
    tab = another_tab(ada)
    expect_people(tab, "Ada", "Bob", "Grace")
    ada.reload()
    expect_people(ada, "Ada", "Bob", "Grace")
    tab.close()
    bob.close()  # later than all else: what is told of it comes last
    expect_people(grace, "Ada", "Grace")
    told = grace.locator("#messages .quiet")
    expect(told).to_have_text(["You are here as Grace", "Bob joined", "Bob left"])
    expect_people(ada, "Ada", "Grace")


def test_who_comes_later_reads_what_was_said(enter):
    say(enter("Ada"), "first")
    expect_messages(enter("Grace"), "first")


def test_who_leaves_the_room_is_gone(enter):
    ada, grace = enter("Ada"), enter("Grace")
    tab = another_tab(grace)
    expect_people(tab, "Ada", "Grace")
    grace.click("#leave")
    expect_people(ada, "Ada")
    for page in (grace, tab):
        expect(page.locator("#create-room-form")).to_be_visible()
    grace.goto(ada.url)
    expect(grace.locator("#join-form")).to_be_visible()


def test_a_taken_name_is_told(enter, chat, window):
    ada = enter("Ada")
    page = window(chat.url("/rooms/lobby/"))
    enter_name(page, "ada")
    expect(page.locator(".errorlist")).to_contain_text("has this name already")
    enter_name(page, "Eve")
    expect_people(page, "Ada", "Eve")
    expect_people(ada, "Ada", "Eve")


def test_the_same_name_is_free_in_another_room(enter):
    expect_people(enter("Ada"), "Ada")
    expect_people(enter("Ada", room="django"), "Ada")


def test_who_writes_is_shown(enter):
    ada, grace = enter("Ada"), enter("Grace")
    grace.locator("#message-input").press_sequentially("Hm")
    expect(ada.locator("#typing")).to_contain_text("Grace is typing")
    grace.press("#message-input", "Enter")
    expect(ada.locator("#typing")).to_be_empty()


@pytest.mark.own_window
def test_html_is_shown_as_it_was_written(enter):
    html = "<img src=x onerror=alert(1)>"
    name = "<b onclick=alert(1)>Eve</b>"
    dialogs = []
    eve, ada = enter(name), enter("Ada")
    for page in (eve, ada):
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    say(eve, html)
    say(eve, "<script>alert(1)</script>")
    for page in (eve, ada):
        expect_messages(page, html, "<script>alert(1)</script>")
        expect_people(page, name, "Ada")
        expect(
            page.locator("#messages img, #messages script, #messages b, #people b")
        ).to_have_count(0)
    assert dialogs == []


def test_both_go_on_after_the_server_was_restarted(chat, enter):
    ada, grace = enter("Ada"), enter("Grace")
    say(ada, "before")
    expect_messages(grace, "before")
    assert chat.stop() == 0
    for page in (ada, grace):
        expect_state(page, "offline")
    say(ada, "meanwhile")
    expect(ada.locator("#messages .waiting")).to_have_count(1)
    chat.start()
    for page in (ada, grace):
        expect_state(page, "connected", BACK_TIMEOUT)
        expect_people(page, "Ada", "Grace")
        expect_messages(page, "before", "meanwhile")
    say(grace, "after")
    for page in (ada, grace):
        expect_messages(page, "before", "meanwhile", "after")


def test_orders_change_in_all_windows_without_javascript_of_the_site(chat, window, photograph):
    cook, guest = window(chat.url("/orders/")), window(chat.url("/orders/"))
    for page in (cook, guest):
        expect_orders(page, ["Margherita", "New"], ["stagioni", "In the oven"], ["Funghi", "Ready"])
        page.wait_for_function(
            "io.live.socket.connected && io.live.socket.channels.includes('orders')"
        )
        # The page has asked by itself; another callback tells that the server has answered.
        page.evaluate("new Promise((done) => io.live.socket.subscribe('orders', done))")
    guest.fill("[name=pizza]", "Marin")  # begins to write
    cook.locator("li", has_text="Margherita").locator("button").click()
    cook.locator("li", has_text="Funghi").locator("button").click()
    expect_orders(guest, ["Margherita", "In the oven"], ["stagioni", "In the oven"])
    guest.locator("[name=pizza]").press_sequentially("ara")
    photograph(guest, "orders.png", {"x": 300, "y": 80, "width": 680, "height": 420})
    guest.keyboard.press("Enter")
    for page in (cook, guest):
        expect(page.locator("#orders > li")).to_contain_text(["Margherita", "stagioni", "Marinara"])


def expect_orders(page, *orders):
    rows = page.locator("#orders > li")
    expect(rows).to_have_count(len(orders))
    for number, texts in enumerate(orders):
        expect(rows.nth(number)).to_contain_text(texts[0])
        expect(rows.nth(number).locator(".state")).to_have_text(texts[1])


def test_an_export_tells_how_far_it_is_and_all_pages_when_it_is_done(chat, window, photograph):
    page = window(chat.url("/exports/"))
    page.click("main button")
    other = page.context.new_page()
    other.goto(page.url)
    for tab in (page, other):
        expect(tab.locator(".progress")).to_have_text("100 %")
        expect(tab.locator("#notices")).to_contain_text("is ready")
    photograph(page, "export.png", {"x": 300, "y": 80, "width": 680, "height": 420})
    other.click("#notices a")
    expect(other).to_have_url(page.url)


def test_the_load_is_plotted_and_is_an_event_stream(chat, window):
    page = window(chat.url("/load/"))
    expect(page.locator("#now")).to_contain_text("% now")
    other = window(chat.url("/stream/"))
    expect(other.locator("#events li").first).to_contain_text("load: ")
    page.wait_for_function("document.querySelector('polyline').points.numberOfItems > 1")


@pytest.mark.own_window
def test_pages_fit_a_phone(chat, window):
    page = window(chat.url())
    page.set_viewport_size({"width": 360, "height": 640})
    for path in ("/", "/rooms/", "/orders/", "/exports/", "/load/", "/stream/"):
        page.goto(chat.url(path))
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        for field in page.locator("main input:not([type=hidden], [type=number])").all():
            assert field.bounding_box()["width"] > 180, path
    page.goto(chat.url("/orders/"))
    for name in page.locator(".order-name").all():  # their words are not broken
        assert name.bounding_box()["height"] < 30, name.text_content()


def test_an_address_in_a_message_is_a_link(enter):
    ada, grace = enter("Ada"), enter("Grace")
    say(ada, "see https://example.com/a?b=1, or javascript:alert(1)")
    link = grace.locator("#messages .message-text a")
    expect(link).to_have_count(1)
    expect(link).to_have_attribute("href", "https://example.com/a?b=1")
    expect_messages(grace, "see https://example.com/a?b=1, or javascript:alert(1)")


def log_in(page, chat):
    post(page, chat.url("/admin/login/"), username="admin", password="admin")
    page.goto(chat.url("/system-message/"))
    expect(page.locator("#system-message-form")).to_be_visible()


def send_system_message(page, text, room):
    form = page.locator("#system-message-form")
    form.locator("[name=text]").fill(text)
    form.locator("[name=room]").select_option(label=room)
    form.locator("button").click()


def test_staff_reaches_a_room_and_everybody(chat, enter, window):
    lobby, django = enter("Ada"), enter("Grace", room="django")
    rooms, staff = window(chat.url("/rooms/")), window(chat.url("/rooms/"))
    expect_state(rooms, "connected")
    log_in(staff, chat)
    send_system_message(staff, "Only <b>Lobby</b>", "Lobby")
    expect(staff.locator(".notice")).to_contain_text("Open pages which show it now: 1.")
    expect(lobby.locator("#messages")).to_contain_text("Only <b>Lobby</b>")
    send_system_message(staff, "To all", "All rooms")
    expect(staff.locator(".notice")).to_contain_text("Open pages which show it now: 3.")
    for page in (lobby, django):
        expect(page.locator("#messages")).to_contain_text("To all")
    expect(rooms.locator("#notices")).to_contain_text("To all")
    expect(django.locator("#messages")).not_to_contain_text("Lobby")


def test_only_staff_sends_system_messages(chat, window):
    page = window(chat.url("/system-message/"))
    expect(page).to_have_url(chat.url("/admin/login/?next=/system-message/"))


def test_a_new_room(chat, window, enter):
    page = window(chat.url("/rooms/"))
    for name in ("lobby", "Räume & <b>mehr</b>"):
        page.fill("#room-name", name)
        page.click("#create-room-form button")
        if name == "lobby":
            expect(page.locator(".errorlist")).to_contain_text("already a room with this name")
    expect(page.locator("h1")).to_have_text("Räume & <b>mehr</b>")
    enter_name(page, "Zoe")
    expect_people(page, "Zoe")


def test_the_list_shows_how_many_people_are_in_a_room(chat, window, enter):
    rooms = window(chat.url("/rooms/"))
    expect_state(rooms, "connected")
    count = rooms.locator("[data-room=lobby]")
    expect(count).to_have_text("0 people")
    page = enter("Ada")
    expect(count).to_have_text("1 person")
    enter("Grace")
    expect(count).to_have_text("2 people")
    page.click("#leave")
    expect(count).to_have_text("1 person")
