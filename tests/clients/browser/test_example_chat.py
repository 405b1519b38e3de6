"""The example project as its README starts it, with people in windows of their own."""

import contextlib
import os
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

from tests.kit.programs import ROOT

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
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

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
    """Open a window and join a room: ``enter(name, room="lobby") -> Page``."""

    def start(name, room="lobby"):
        page = window(chat.url(f"/rooms/{room}/"))
        enter_name(page, name)
        expect(page.locator("#composer")).to_be_visible()
        return page

    return start


def enter_name(page, name):
    page.fill("#join-name", name)
    page.click("#join-form button")


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


def test_people_come_talk_and_go(enter):
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
    grace.close()
    expect_people(ada, "Ada")
    expect(ada.locator("#messages")).to_contain_text("Grace left")


def test_who_comes_later_reads_what_was_said(enter):
    say(enter("Ada"), "first")
    expect_messages(enter("Grace"), "first")


def test_who_leaves_the_room_is_gone(enter):
    ada, grace = enter("Ada"), enter("Grace")
    grace.click("#leave")
    expect_people(ada, "Ada")
    expect(grace.locator("#create-room-form")).to_be_visible()


def test_a_taken_name_is_told(enter, chat, window):
    ada = enter("Ada")
    page = window(chat.url("/rooms/lobby/"))
    enter_name(page, "ada")
    expect(page.locator("#join-error")).to_contain_text("has this name already")
    expect(page.locator("#composer")).to_be_hidden()
    enter_name(page, "Grace")
    expect_people(page, "Ada", "Grace")
    expect_people(ada, "Ada", "Grace")


def test_the_same_name_is_free_in_another_room(enter):
    expect_people(enter("Ada"), "Ada")
    expect_people(enter("Ada", room="django"), "Ada")


def test_who_writes_is_shown(enter):
    ada, grace = enter("Ada"), enter("Grace")
    grace.locator("#message-input").press_sequentially("Hm")
    expect(ada.locator("#typing")).to_contain_text("Grace is typing")
    grace.press("#message-input", "Enter")
    expect(ada.locator("#typing")).to_be_empty()


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


def log_in(page, chat):
    page.goto(chat.url("/admin/login/?next=/system-message/"))
    page.fill("#id_username", "admin")
    page.fill("#id_password", "admin")
    page.click("[type=submit]")
    expect(page.locator("#system-message-form")).to_be_visible()


def send_system_message(page, text, room):
    form = page.locator("#system-message-form")
    form.locator("[name=text]").fill(text)
    form.locator("[name=room]").select_option(label=room)
    form.locator("button").click()


def test_staff_reaches_a_room_and_everybody(chat, enter, window):
    lobby, django = enter("Ada"), enter("Grace", room="django")
    rooms, staff = window(chat.url("/")), window(chat.url("/"))
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
    page = window(chat.url("/"))
    for name in ("lobby", "Räume & <b>mehr</b>"):
        page.fill("#room-name", name)
        page.click("#create-room-form button")
        if name == "lobby":
            expect(page.locator(".errorlist")).to_contain_text("already a room with this name")
    expect(page.locator("h1")).to_have_text("Räume & <b>mehr</b>")
    enter_name(page, "Ada")
    expect_people(page, "Ada")


def test_the_list_shows_how_many_people_are_in_a_room(chat, window, enter):
    rooms = window(chat.url("/"))
    expect_state(rooms, "connected")
    count = rooms.locator("[data-room=lobby]")
    expect(count).to_have_text("0 people")
    page = enter("Ada")
    expect(count).to_have_text("1 person")
    enter("Grace")
    expect(count).to_have_text("2 people")
    page.close()
    expect(count).to_have_text("1 person")
