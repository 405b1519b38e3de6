"""socketio.js keeps positions: nothing is missed in a cut, a reload and a restart."""

import pytest

from django_socketio import emit, page_position, sign_channel
from django_socketio.events import on_away, on_connect, on_disconnect, on_message
from django_socketio.sockets import keeping
from tests.clients.browser.conftest import stop
from tests.clients.browser.pages import HOLD, js


@pytest.fixture
def server(serve, redis):
    """A server that subscribes each socket to a channel of its own choice."""

    @on_connect
    def join_hall(request, socket, context):
        socket.subscribe("hall")  # of which the page knows nothing

    return serve(RELAY_URL=redis.url, HISTORY={"^history": {"size": 9, "seconds": 600}})


BEGIN = """
  window.got = [];
  make({...arg, transports: [arg.transport]});
  socket.on("message", (...args) => got.push(args));
  socket.io.on("missed", noted("missed"));
"""

ARRIVE = f"""{BEGIN}
  socket.subscribe("room").connect();
  await until(() => socket.connected);
  await new Promise((done) => socket.subscribe("room", done));
"""


def publish(server, *numbers, **audience):
    for number in numbers:
        server.call(lambda n=number: emit("message", n, **audience))


def wait_for(page, *numbers):
    js(page, "await until(() => got.length >= arg)", len(numbers))
    assert js(page, "return got.sort()") == [[number] for number in numbers]
    assert js(page, "return names().includes('missed')") is False


@pytest.mark.own_window
def test_nothing_is_missed_in_a_cut_and_a_reload(server, visit, transport):
    page = visit(server)
    options = {"transport": transport, "positions": "session"}
    js(page, ARRIVE, options)
    publish(server, 1, channel="room")
    publish(server, 2)
    publish(server, 3, channel="hall")
    publish(server, 4, channel=["room", "hall"])
    wait_for(page, 1, 2, 3, 4)

    page.context.set_offline(True)
    js(page, "await until(() => !socket.connected)")
    publish(server, 5, channel="room")
    publish(server, 6)
    publish(server, 7, channel="hall")
    publish(server, 8, channel=["room", "hall"])
    page.context.set_offline(False)
    wait_for(page, 1, 2, 3, 4, 5, 6, 7, 8)

    page.goto("about:blank")
    publish(server, 9, channel="room")
    publish(server, 10, channel="hall")
    page.goto(f"http://127.0.0.1:{server.port}/")
    js(page, ARRIVE, options)
    js(page, "await until(() => got.length >= 2)")
    assert sorted(js(page, "return got")) == [[9], [10]]


CUT = """
  window.cut = {}; // {before: "…"} or {after: "…"}: the beginning of the last packet
  window.WebSocket = class extends WebSocket {
    set onmessage(listener) {
      super.onmessage = (event) => {
        if (event.data.startsWith(cut.before)) return this.#end();
        listener(event);
        if (event.data.startsWith(cut.after)) this.#end();
      };
    }
    #end() {
      [window.cut, super.onmessage] = [{}, null];
      this.close();
    }
  };
"""


@pytest.mark.own_window
def test_nothing_is_missed_if_the_answer_for_a_channel_of_a_handler_is_lost(server, visit):
    page = visit(server)
    js(page, CUT)
    js(page, ARRIVE, {"transport": "websocket"})
    js(page, "await new Promise((done) => socket.subscribe('hall', done))")
    page.context.set_offline(True)
    js(page, "await until(() => !socket.connected)")
    publish(server, 1, channel="hall")
    js(page, "cut.after = arg", '42["_positions"')
    page.context.set_offline(False)
    js(page, "await until(() => !cut.after && socket.connected)")
    publish(server, 2, channel="hall")
    wait_for(page, 1, 2)


ARRIVE_WITH_TWO = """
  window.got = [];
  const arrive = async (channel) => {
    const one = make({transports: ["websocket"], positions: "session"});
    one.on("message", (number) => got.push([channel, number]));
    one.io.on("missed", noted("missed"));
    one.connect();
    await new Promise((done) => one.subscribe(channel, done));
    return one;
  };
  if (arg.replaces) (await arrive("yard")).disconnect();
  for (const channel of ["room", "yard"]) await arrive(channel);
"""


@pytest.mark.own_window
@pytest.mark.parametrize("replaces", [False, True], ids=["two", "one-replaced"])
def test_each_of_two_sockets_goes_on_after_a_reload(server, visit, replaces):
    page = visit(server)
    js(page, ARRIVE_WITH_TWO, {"replaces": replaces})
    publish(server, 1, channel="room")
    publish(server, 2, channel="yard")
    js(page, "await until(() => got.length === 2)")
    page.goto("about:blank")
    publish(server, 3, channel="room")
    publish(server, 4, channel="yard")
    page.goto(f"http://127.0.0.1:{server.port}/")
    js(page, ARRIVE_WITH_TWO, {"replaces": False})
    publish(server, 5, channel="room")
    publish(server, 6, channel="yard")
    js(page, "await until(() => got.some(([, n]) => n === 5) && got.some(([, n]) => n === 6))")
    assert sorted(js(page, "return got")) == [["room", 3], ["room", 5], ["yard", 4], ["yard", 6]]


@pytest.mark.own_window
def test_a_socket_that_replaces_another_one_goes_on_where_that_has_ended(server, visit):
    options = {"transport": "websocket", "positions": "session"}
    page = visit(server)
    js(page, ARRIVE, options)
    publish(server, 1, channel="room")
    wait_for(page, 1)
    page.reload()
    js(page, ARRIVE, options)
    publish(server, 2, channel="room")
    publish(server, 3)
    publish(server, 4, channel="hall")
    wait_for(page, 2, 3, 4)
    js(page, "socket.disconnect()")
    publish(server, 5, channel="room")
    publish(server, 6)
    publish(server, 7, channel="hall")
    js(page, ARRIVE, options)
    publish(server, 8, channel="room")
    wait_for(page, 5, 6, 7, 8)


@pytest.fixture
def _passing_on():
    @on_message
    def pass_on(request, socket, context, number):
        socket.broadcast_channel(number, "room")


SEND = "await new Promise((done) => socket.send(arg, done))"


@pytest.mark.own_window
@pytest.mark.usefixtures("_passing_on")
def test_a_duplicate_of_a_tab_gets_what_the_tab_sends(server, visit):
    options = {"transport": "websocket", "positions": "session"}
    page, duplicate = visit(server), visit(server)
    js(page, ARRIVE, options)
    js(page, "dispatchEvent(new Event('visibilitychange'))")
    js(duplicate, "Object.assign(sessionStorage, arg)", js(page, "return {...sessionStorage}"))
    js(duplicate, ARRIVE, options)
    js(page, SEND, 1)
    wait_for(duplicate, 1)
    duplicate.context.set_offline(True)
    js(duplicate, "await until(() => !socket.connected)")
    js(page, SEND, 2)
    publish(server, 3, channel="room")
    duplicate.context.set_offline(False)
    wait_for(duplicate, 1, 2, 3)
    wait_for(page, 3)


@pytest.mark.own_window
@pytest.mark.usefixtures("_passing_on")
def test_what_a_page_has_sent_does_not_come_back_after_a_reload(server, visit):
    options = {"transport": "websocket", "positions": "session"}
    page = visit(server)
    js(page, ARRIVE, options)
    js(page, SEND, 1)
    page.goto("about:blank")
    publish(server, 2, channel="room")
    page.goto(f"http://127.0.0.1:{server.port}/")
    js(page, ARRIVE, options)
    publish(server, 3, channel="room")
    wait_for(page, 2, 3)


@pytest.mark.own_window
@pytest.mark.usefixtures("_passing_on")
def test_what_a_page_has_sent_does_not_come_back_if_it_subscribes_after_a_cut(server, visit):
    """It is known which positions are from before the reload: of others, messages come."""
    options = {"transport": "websocket", "positions": "session"}
    page, other = visit(server), visit(server)
    js(page, ARRIVE, options)
    js(page, SEND, 1)
    page.reload()
    js(other, "Object.assign(sessionStorage, arg)", js(page, "return {...sessionStorage}"))
    for one in (page, other):
        js(one, BEGIN + "socket.connect(); await until(() => socket.connected)", options)
        one.context.set_offline(True)
        js(one, "await until(() => !socket.connected)")
    publish(server, 2, channel="room")
    for one in (page, other):
        one.context.set_offline(False)
        js(one, "await until(() => socket.connected)")
        js(one, "await new Promise((done) => socket.subscribe('room', done))")
    js(page, SEND, 3)
    wait_for(other, 2, 3)
    other.context.set_offline(True)
    js(other, "await until(() => !socket.connected)")
    js(page, SEND, 4)
    other.context.set_offline(False)
    publish(server, 5, channel="room")
    wait_for(other, 2, 3, 4, 5)
    wait_for(page, 2, 5)


def test_a_page_that_is_loaded_again_begins_anew_unless_it_asks(server, visit):
    page = visit(server)
    js(page, ARRIVE, {"transport": "websocket"})
    page.reload()
    publish(server, 1, channel="room")
    js(page, ARRIVE, {"transport": "websocket"})
    publish(server, 2, channel="room")
    wait_for(page, 2)


@pytest.mark.own_window
def test_the_page_is_told_when_something_was_missed(server, visit, redis):
    page = visit(server)
    js(page, ARRIVE, {"transport": "websocket"})
    publish(server, 1, channel="room")
    publish(server, 2)
    js(page, "await until(() => got.length === 2)")
    page.context.set_offline(True)
    js(page, "await until(() => !socket.connected)")
    redis.client.flushall()
    page.context.set_offline(False)
    js(page, "await until(() => count('missed') === 3)")
    missed = js(page, "return seen.filter(([name]) => name === 'missed').map(([, topic]) => topic)")
    assert {*missed} == {None, "hall", "room"}


CUT_FOR_LONG = """
  make({reconnectionDelay: 60000, reconnectionDelayMax: 60000});
  window.got = [];
  socket.on("message", (...args) => got.push(args)).connect();
  socket.io.on("missed", noted("missed"));
  await until(() => socket.connected);
"""
GO_ON = "dispatchEvent(new Event('offline')); socket.connect(); await until(() => socket.connected)"


def test_positions_of_quiet_topics_are_kept_as_far_as_the_server_takes_them(serve, visit):
    @on_connect
    def join_halls(request, socket, context):
        for number in range(120):
            socket.subscribe(f"hall-{number}")

    server = serve(MAX_CHANNELS=120)
    page = visit(server)
    js(page, CUT_FOR_LONG)
    js(page, "dispatchEvent(new Event('offline'))")
    publish(server, 1, channel="hall-0")
    publish(server, 2)
    js(page, "socket.connect(); await until(() => got.length === 2)")
    assert js(page, "return count('missed')") == 0


def test_a_loss_is_told_where_the_server_takes_no_more_positions(serve, visit, monkeypatch):
    monkeypatch.setattr(keeping, "AUDIENCES", 1)
    halls = iter(["hall-0", "hall-1", "hall-0", "hall-0"])

    @on_connect
    def join_hall(request, socket, context):
        socket.subscribe(next(halls))

    page = visit(serve(MAX_CHANNELS=1))
    js(page, CUT_FOR_LONG)
    for _ in range(3):
        js(page, GO_ON)
    js(page, "await until(() => count('missed'))")
    assert js(page, "return seen.filter(([name]) => name === 'missed')") == [["missed", "hall-0"]]


def test_a_page_whose_positions_are_too_many_bytes_comes_back_without_them(serve, visit):
    halls = [f"{number}{'x' * 150}" for number in range(20)]

    @on_connect
    def join_halls(request, socket, context):
        for hall in halls:
            socket.subscribe(hall)

    page = visit(serve(MAX_MESSAGE_SIZE=2000))
    js(page, CUT_FOR_LONG)
    js(page, "await new Promise((done) => socket.subscribe('room', done))")
    js(page, f"seen.length = 0; {GO_ON}; await until(() => count('missed') === 22)")
    missed = js(page, "return seen.filter(([name]) => name === 'missed').map(([, topic]) => topic)")
    assert {*missed} == {None, "room", *halls}


def test_a_page_without_positions_gets_messages_as_they_are(server, visit):
    page = visit(server)
    js(page, ARRIVE, {"transport": "websocket", "positions": False})
    publish(server, 1, channel="room")
    wait_for(page, 1)


def test_a_page_goes_on_from_the_position_that_it_was_rendered_with(server, visit):
    position = server.call(page_position, "yard")
    page = visit(server)
    publish(server, 1, channel="yard")
    code = """
      window.got = [];
      make().on("message", (...args) => got.push(args)).connect();
      socket.io.on("missed", noted("missed"));
      const past = await new Promise((done) =>
        socket.subscribe("yard", {since: arg}, (error, past) => done([error, past])));
      return past"""
    error, past = js(page, code, position)
    assert (error, past["recovered"]) == (None, True)
    publish(server, 2, channel="yard")
    wait_for(page, 1, 2)


def test_a_page_gets_the_last_messages_and_then_new_ones(server, visit):
    publish(server, 1, 2, 3, channel="history")
    page = visit(server)
    code = """
      window.got = [];
      make().on("message", (...args) => got.push(args)).connect();
      socket.io.on("missed", noted("missed"));
      await new Promise((done) => socket.subscribe("history", {last: 2}, done));"""
    js(page, code)
    publish(server, 4, channel="history")
    wait_for(page, 2, 3, 4)


OPTIONS = {
    "history": lambda: ["history-3", {"last": 3}],
    "position": lambda: ["history-3", {"since": page_position("history-3")}],
    "token": lambda: [sign_channel("history-3", anyone=True)],
}


@pytest.mark.parametrize("options", OPTIONS)
def test_a_page_asks_for_a_past_although_a_handler_has_joined_the_channel(server, visit, options):
    @on_message
    def join(request, socket, context, channel):
        socket.subscribe(channel)

    page, given = visit(server), server.call(OPTIONS[options])
    publish(server, 1, 2, channel="history-3")
    js(page, ARRIVE, {"transport": "websocket"})
    js(page, SEND, "history-3")
    publish(server, 3, channel="history-3")
    wait_for(page, 3)
    js(page, "await new Promise((done) => socket.subscribe(...arg, done))", given)
    publish(server, 4, channel="history-3")
    wait_for(page, 1, 2, 3, 4)


@pytest.mark.parametrize("options", OPTIONS)
def test_a_past_whose_answer_was_lost_has_no_message_that_came_meanwhile(server, visit, options):
    on_connect(lambda request, socket, context: socket.subscribe("history-3"))
    page, given = visit(server), server.call(OPTIONS[options])
    publish(server, 1, 2, channel="history-3")
    js(page, CUT)
    js(page, ARRIVE, {"transport": "websocket"})
    publish(server, 3, channel="history-3")
    wait_for(page, 3)
    js(page, "cut.before = '43'")
    js(page, "await new Promise((done) => socket.subscribe(...arg, done))", given)
    assert js(page, "return count('disconnect')") == 1
    publish(server, 4, channel="history-3")
    wait_for(page, 1, 2, 3, 4)


@pytest.mark.parametrize("options", OPTIONS)
def test_a_past_that_is_asked_for_while_the_channel_is_asked_for_is_read(server, visit, options):
    page, given = visit(server), server.call(OPTIONS[options])
    publish(server, 1, 2, channel="history-3")
    code = """
      await online();
      socket.subscribe("history-3", noted("plain"));
      socket.subscribe(arg[0], ...arg.slice(1), noted("past"));
      await until(() => count("past"));
      await new Promise((done) => socket.subscribe("history-3", {last: 0}, done));
      return seen.slice(1)"""
    plain, (name, error, past) = js(page, code, given)
    assert (plain, name, error) == (["plain", None], "past", None)
    assert past["messages"][-2:] == [["message", 1], ["message", 2]]


@pytest.mark.parametrize("options", ["position", "token"])
def test_a_past_without_a_callback_is_for_the_listeners(server, visit, options):
    page, given = visit(server), server.call(OPTIONS[options])
    publish(server, 1, 2, channel="history-3")
    code = """
      await online();
      socket.subscribe("history-3").subscribe(...arg);
      await until(() => count("message") === 2);
      return seen.slice(1)"""
    assert js(page, code, given) == [["message", 1], ["message", 2]]


def test_a_past_without_a_callback_that_is_not_kept_is_missed(server, visit):
    page = visit(server)
    token = server.call(lambda: sign_channel("room", user=7))
    code = """
      await online();
      console.warn = () => {};
      socket.io.on("missed", noted("missed"));
      socket.subscribe("room").subscribe("room", {since: "none.1"});
      await until(() => count("missed") === 1);
      socket.unsubscribe("room").subscribe("room").subscribe(arg); // for a user
      await until(() => count("missed") === 2);
      return socket.channels"""
    assert js(page, code, token) == ["room"]


def test_each_past_that_is_asked_for_at_once_is_read(server, visit):
    page = visit(server)
    publish(server, 1, 2, 3, channel="history-5")
    code = """
      await online();
      for (const last of [1, 3]) socket.subscribe("history-5", {last}, noted("past"));
      socket.subscribe("history-5", {last: 2});
      await until(() => count("past") === 2);
      return seen.slice(1).map(([name, ...args]) => [name, args[1]?.messages.length])"""
    assert js(page, code) == [["message", None], ["past", 1], ["past", 3]]


def test_a_channel_is_left_before_it_is_asked_for_again(server, visit):
    page = visit(server)
    code = """
      await online();
      socket.subscribe("room", () => socket.subscribe("room", noted("again"))).unsubscribe("room");
      await until(() => count("again"));
      await new Promise((done) => socket.subscribe("other", done));"""
    js(page, code)
    publish(server, 1, channel="room")
    js(page, "await until(() => count('message'))")


def test_no_past_is_read_of_a_channel_that_the_page_has_left_meanwhile(page):
    code = """
      await online();
      socket.subscribe("room", () => socket.unsubscribe("room"));
      socket.subscribe("room", {last: 1}, noted("past"));
      await until(() => count("past"));
      return seen.slice(1)"""
    assert js(page, code) == [["past", None]]


def test_a_message_that_was_on_its_way_is_no_position_of_a_new_subscription(server, visit):
    publish(server, 1, 2, channel="history-4")
    page = visit(server)
    js(page, HOLD + ARRIVE, {"transport": "websocket"})
    js(page, "await new Promise((done) => socket.subscribe('history-4', done))")
    js(page, "hold(); socket.unsubscribe('history-4')")
    publish(server, 3, channel="history-4")
    wait_for(page, 3)
    code = """
      got.length = 0;
      const again = new Promise((done) => socket.subscribe("history-4", {last: 3}, done));
      release();
      await again"""
    js(page, code)
    publish(server, 4, channel="history-4")
    wait_for(page, 1, 2, 3, 4)


@pytest.mark.own_window
def test_nothing_is_missed_while_the_server_is_started_again(server, visit, restart, transport):
    page = visit(server)
    js(page, ARRIVE, {"transport": transport})
    publish(server, 1, channel="room")
    wait_for(page, 1)
    page.context.set_offline(True)
    stop(server)
    again = restart(server)
    publish(again, 2, channel="room")  # nobody is on the channel
    publish(again, 3)
    page.context.set_offline(False)
    js(page, "await until(() => got.length === 3)")
    publish(again, 4, channel="room")
    wait_for(page, 1, 2, 3, 4)


@pytest.mark.own_window
def test_a_page_without_positions_gets_the_last_messages_once(server, visit):
    publish(server, 1, 2, channel="history-2")
    page = visit(server)
    code = """
      window.got = [];
      make({positions: false}).on("message", (...args) => got.push(args)).connect();
      socket.io.on("missed", noted("missed"));
      await new Promise((done) => socket.subscribe("history-2", {last: 2}, done));"""
    js(page, code)
    publish(server, 3, channel="history-2")
    wait_for(page, 1, 2, 3)
    page.context.set_offline(True)
    js(page, "await until(() => !socket.connected)")
    page.context.set_offline(False)
    js(page, "await until(() => count('connect') === 2)")
    js(page, "await new Promise((done) => socket.subscribe('history-2', done))")
    publish(server, 4, channel="history-2")
    wait_for(page, 1, 2, 3, 4)


@pytest.mark.parametrize("positions", [True, False])
def test_a_page_is_offered_no_other_recovery_and_its_goodbye_is_final(
    serve, visit, transport, log, positions
):
    """Events have no further argument, even where each official client gets one."""

    @on_away
    def away(request, socket, context):
        log("away")

    @on_disconnect
    def gone(request, socket, context):
        log("gone", request.GET.get("recovery"))

    server = serve(RECOVERY_FOR_ALL=True)
    page = visit(server)
    js(page, ARRIVE, {"transport": transport, "positions": positions, "query": {"recovery": 1}})
    publish(server, 1, channel="room")
    publish(server, 2)
    wait_for(page, 1, 2)
    page.goto("about:blank")
    log.until([("gone", "1" if positions else "0")])
