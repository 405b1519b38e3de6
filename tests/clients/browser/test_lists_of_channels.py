"""socketio.js: several channels in one ``subscribe``, and the states of a socket."""

import pytest
from django.core.exceptions import PermissionDenied

from django_socketio import emit
from django_socketio.events import on_connect, on_subscribe
from tests.clients.browser.pages import js, sent_frames


@pytest.fixture(autouse=True)
def _channels():
    @on_subscribe(channel="^no")
    def refuse(request, socket, context, channel):
        raise PermissionDenied("not for you")


@pytest.mark.own_window
def test_one_packet_before_and_one_after_connecting(page):
    sent = sent_frames(page)
    code = """
      console.warn = noted("warning");
      const note = (error) => seen.push(["first", error.message, error.refused]);
      make().subscribe(["a", "no1", "b"], note);
      socket.connect();
      await until(() => count("first"));
      socket.subscribe(["b", "c", "d"], noted("second"));
      socket.subscribe(["no2", "e"]);
      await until(() => count("second") && count("warning"));
      return [socket.channels, seen.slice(1)]"""
    assert js(page, code) == [
        ["a", "b", "c", "d", "e"],
        [
            ["first", "no1: not for you", {"no1": "not for you"}],
            ["second", None],
            ["warning", "socket.io: subscribe no2: not for you"],
        ],
    ]
    assert sent == [
        '40{"_positions":true}',
        '420["subscribe",["a","no1","b"]]',
        '421["subscribe",["c","d"]]',
        '422["subscribe",["no2","e"]]',
    ]


def test_the_pasts_of_several_and_nothing_to_ask_for(serve, visit):
    server = serve(HISTORY={"^room-": {"size": 10, "seconds": 60}})
    server.call(lambda: emit("message", "hello", channel="room-1"))
    code = """
      await online();
      socket.subscribe(["room-1", "room-2"], {last: 5}, noted("past"));
      await until(() => count("past"));
      socket.subscribe([], noted("none")).unsubscribe(["room-1", "room-2"], noted("left"));
      await until(() => count("none") && count("left"));
      return [seen.slice(1), socket.channels]"""
    seen, channels = js(visit(server), code)
    assert seen[0] == ["message", "hello"]
    name, error, pasts = seen[1]
    assert (name, error) == ("past", None)
    assert {name: past["messages"] for name, past in pasts.items()} == {
        "room-1": [["message", "hello"]],
        "room-2": [],
    }
    assert sorted(seen[2:]) == [["left", None], ["none", None]]
    assert channels == []


def test_a_refused_list_is_told_for_each_channel(serve, visit):
    code = """
      await online();
      socket.subscribe(["a", "b"], (error) => seen.push(["refused", error.refused]));
      await until(() => count("refused"));
      return [seen[1], socket.channels]"""
    told = "subscribe takes at most 1 channels (SOCKETIO_MAX_CHANNELS), not 2"
    answer = js(visit(serve(MAX_CHANNELS=1)), code)
    assert answer == [["refused", {"a": told, "b": told}], []]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_list_that_is_too_large_is_refused_and_costs_nothing_else(serve, visit, when):
    code = """
      make();
      const connect = async () => { socket.connect(); await until(() => socket.connected); };
      if (arg === "after") await connect();
      const list = Array.from({length: 30}, (_, number) => number + "x".repeat(150));
      const size = (object) => Object.keys(object).length;
      const note = ({refused, message}) => seen.push(["list", size(refused), message]);
      socket.subscribe(list, note).subscribe("small", noted("small"));
      if (arg === "before") await connect();
      await until(() => count("list") && count("small"));
      return [seen, socket.channels, socket.connected]"""
    seen, channels, connected = js(visit(serve(MAX_MESSAGE_SIZE=2000)), code, when)
    assert sorted(name for name, *_ in seen) == ["connect", "list", "small"]
    (told,) = [event for event in seen if event[0] == "list"]
    assert told[1] == 30
    assert "the server takes 2000" in told[2]
    assert (channels, connected) == (["small"], True)


@pytest.mark.own_window
def test_all_channels_are_there_again_after_a_broken_connection(server, page):
    code = """
      await online();
      await new Promise((done) => socket.subscribe(["a", "b"], done));
      dispatchEvent(new Event("offline"));
      dispatchEvent(new Event("online"));
      await until(() => count("connect") === 2);
      await new Promise((done) => socket.subscribe(["a", "b"], done));"""
    js(page, code)
    server.call(lambda: emit("message", "hello", channel="b"))
    js(page, "await until(() => count('message'))")


STATES = """
  const names = ["connecting", "connected", "closing", "closed"];
  const state = () => names.filter((one) => socket[`is_${one}`]()).join();
  const states = [];
  const note = () => { if (states[states.length - 1] !== state()) states.push(state()); };
"""


def test_the_state_of_a_socket(page, transport):
    code = f"""{STATES}
      make({{transports: [arg]}});
      note();
      socket.connect();
      note();
      await until(() => socket.connected);
      note();
      socket.disconnect();
      note();
      await until(() => socket.is_closed());
      note();
      return states"""
    expected = ["closed", "connecting", "connected", "closing", "closed"]
    assert js(page, code, transport) == expected


def test_a_refused_socket_and_one_that_waits_are_closed(page):
    @on_connect
    def refuse(request, socket, context):
        raise PermissionDenied("no")

    code = f"""{STATES}
      make().connect();
      await until(() => count("connect_error"));
      await until(() => socket.is_closed());
      note();
      const refused = socket;
      make({{reconnectionDelay: 60000, randomizationFactor: 0}}, "127.0.0.1:1").connect();
      await until(() => count("connect_error") === 2);
      note();
      const active = socket.active;
      socket.disconnect();
      return [states, refused.active, active]"""
    assert js(page, code) == [["closed"], False, True]
