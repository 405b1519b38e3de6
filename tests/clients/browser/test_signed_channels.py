"""Pages that subscribe by the token of the template tag, and have no handler."""

from datetime import timedelta
from unittest import mock
from unittest.mock import ANY

import pytest
from django.test import override_settings
from django.utils import timezone

from django_socketio import emit, sign_channel
from django_socketio.security import channel_tokens
from django_socketio.security.channel_tokens import TokenError
from tests.clients.browser.pages import js, sent_frames
from tests.kit.waiting import wait_until

IN_MEMORY = override_settings(SESSION_ENGINE="django.contrib.sessions.backends.cache")


@pytest.fixture
def server(serve):
    with IN_MEMORY:
        yield serve(SIGNED_ONLY=True, TOKEN_RENEWAL_SECONDS=86_400)


def arrive(page, **options):
    js(page, "make(arg); ready(); await until(() => socket.connected)", options)


REFUSED = """
  return await new Promise((done) => socket.subscribe(arg, (error) => done(error?.message)))"""


ANSWERED = "await new Promise((done) => socket.emit('subscribe', 'room-2', done))"


def publish(server, number):
    server.call(lambda: emit("message", number, channel="room-1"))


def test_a_page_is_on_a_channel_without_a_handler(server, visit, transport):
    page = visit(server, "/signed/?room=1")
    publish(server, 1)  # before the page has subscribed
    arrive(page, transports=[transport])
    js(page, "await until(() => got.length === 1)")
    publish(server, 2)
    js(page, "await until(() => got.length === 2)")
    assert js(page, "return [got, socket.channels, names().includes('missed')]") == [
        [[1], [2]],
        ["room-1"],
        False,
    ]
    assert "SOCKETIO_SIGNED_ONLY" in js(page, REFUSED, "room-2")
    token = js(page, "return document.body.dataset.room")
    assert "not signed by this site" in js(page, REFUSED, token.replace(":WyJ", ":WyK"))
    stranger = visit(server, "/signed/?room=1")
    js(stranger, "document.body.dataset.room = arg", token)
    arrive(stranger)
    assert "is for another session" in js(stranger, REFUSED, token)


def test_a_token_that_comes_after_the_name_is_asked_for_as_well(server, visit):
    page = visit(server, "/signed/?room=1")
    publish(server, 1)
    code = """
      await online();
      const token = document.body.dataset.room;
      socket.subscribe("room-1", noted("name")).subscribe(token, noted("token"));
      await until(() => count("token"));
      return [seen.slice(1, 3), seen[3].slice(0, 2)]"""
    assert js(page, code) == [[["message", 1], ["name", None, ANY]], ["token", None]]


def test_a_second_token_brings_its_own_past(server, visit):
    page = visit(server, "/signed/?room=1")
    publish(server, 1)
    token = server.call(lambda: sign_channel("room-1", anyone=True))
    publish(server, 2)
    code = """
      await online();
      socket.subscribe(document.body.dataset.room).subscribe(arg, noted("past"));
      await until(() => count("past"));
      return seen.slice(1)"""
    *got, (_, error, past) = js(page, code, token)
    assert got == [["message", 1], ["message", 2]]
    assert (error, past["messages"]) == (None, [["message", 2]])


@pytest.mark.own_window
def test_a_page_that_is_older_than_its_token_comes_back(server, visit):
    page = visit(server, "/signed/?room=1")
    frames = sent_frames(page)
    arrive(page)
    js(page, "await until(() => socket.channels.length)")
    publish(server, 1)
    js(page, "await until(() => got.length === 1)")
    page.context.set_offline(True)
    js(page, "await until(() => !socket.connected)")
    publish(server, 2)
    now = timezone.now
    with mock.patch.object(timezone, "now", lambda: now() + timedelta(hours=2)):
        page.context.set_offline(False)
        js(page, "await until(() => got.length === 2)")
    publish(server, 3)
    js(page, "await until(() => got.length === 3)")
    assert js(page, "return [got, socket.channels]") == [[[1], [2], [3]], ["room-1"]]
    given = js(page, "return document.body.dataset.room")
    asked = [frame for frame in frames if '["subscribe"' in frame]
    assert [given in frame for frame in asked] == [True, False]


def test_the_official_client_keeps_the_token_of_the_answer(server, visit):
    page = visit(server, "/signed/?room=1")
    token = js(page, "return document.body.dataset.room")
    page.goto(f"http://127.0.0.1:{server.port}/official/")  # in the same browser
    ask = """
      official();
      return await new Promise((done) => socket.emit("subscribe", arg, (...args) => done(args)))"""
    accepted, answer = js(page, ask, token)
    assert (accepted, answer["channel"], answer["recovered"]) == (True, "room-1", True)
    now = timezone.now
    with mock.patch.object(timezone, "now", lambda: now() + timedelta(hours=2)):
        assert "has expired" in js(page, ask, token)[0]["error"]
        assert js(page, ask, answer["token"])[0] is True


@pytest.mark.own_window
def test_a_token_is_renewed_while_the_page_is_open(serve, visit, monkeypatch):
    asked, read = [], channel_tokens.read

    def note(token):
        asked.append(token)
        if len(asked) == 3:
            raise TokenError("on purpose")
        return read(token)

    monkeypatch.setattr(channel_tokens, "read", note)
    with IN_MEMORY:
        page = visit(serve(TOKEN_RENEWAL_SECONDS=20), "/signed/?room=1")
    page.clock.install()
    arrive(page, transports=["websocket"])
    for number, pause in ((1, 10_100), (2, 10_100), (3, 1_100)):  # the third one fails
        wait_until(lambda n=number: len(asked) == n)
        js(page, ANSWERED)
        page.clock.run_for(pause)
    wait_until(lambda: len(asked) == 4)
    assert (asked[0] != asked[1], asked[2] == asked[3]) == (True, True)
    js(page, f"{ANSWERED}; socket.unsubscribe(document.body.dataset.room)")
    page.clock.run_for(20_000)
    js(page, ANSWERED)
    assert len(asked) == 4, "no longer once the page has left the channel"
