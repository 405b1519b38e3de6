"""socketio.js where things go wrong: transports that fail, refusals, servers and pages that go."""

import threading
import time

import gevent
import pytest
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse

from django_socketio.events import on_connect, on_finish, on_message, on_subscribe
from tests.clients.browser.conftest import stop
from tests.clients.browser.pages import js
from tests.clients.browser.site import Door
from tests.kit.waiting import wait_until


@pytest.fixture(autouse=True)
def _echo():
    """Messages come back."""

    @on_message
    def send_back(request, socket, context, message):
        socket.send(message)


def is_websocket(request):
    return request.GET["transport"] == "websocket"


def deny(request):
    return HttpResponse("forbidden here, sorry", status=403)


def deny_websockets(request):
    return deny(request) if is_websocket(request) else None


# Falling back to polling


def test_polling_where_the_server_refuses_websockets(page):
    Door.keeper = deny_websockets
    code = "await online(); return [socket.transport, names()]"
    assert js(page, code) == ["polling", ["connect"]]


def test_polling_where_websockets_cannot_even_be_made(page):
    code = """
      window.WebSocket = class { constructor() { throw new Error("blocked"); } };
      await online();
      return socket.transport"""
    assert js(page, code) == "polling"


def test_polling_where_websockets_never_open(page):
    hang = threading.Event()

    def keep_waiting(request):
        while is_websocket(request) and not hang.is_set():
            gevent.sleep(0.01)

    Door.keeper = keep_waiting
    transport = js(page, "await online({timeout: 300}); return socket.transport")
    hang.set()
    assert transport == "polling"


def test_a_websocket_is_tried_again_on_the_next_connection(page, server, restart):
    Door.keeper = deny_websockets
    js(page, "await online()")
    Door.keeper = None
    stop(server)
    restart(server)
    code = "await until(() => count('reconnect')); return socket.transport"
    assert js(page, code) == "websocket"


def test_no_transport_at_all(page):
    code = """
      make({transports: ["nosuch"], reconnection: false}).connect();
      const early = seen.length;
      await until(() => seen.length);
      return [early, names(), socket.active]"""
    assert js(page, code) == [0, ["connect_error"], False]


# Refusals


@pytest.mark.own_window
def test_a_refused_connection_is_not_tried_again(page, transport):
    tries = []

    @on_connect
    def refuse(request, socket, context):
        tries.append(socket.auth)
        if socket.auth != {"token": "good"}:
            raise PermissionDenied("not allowed")

    page.clock.install()
    code = """
      make({transports: [arg], auth: {token: "bad"}}).send("kept").connect();
      await until(() => seen.length)"""
    js(page, code, transport)
    page.clock.run_for(60_000)
    assert js(page, "return [socket.active, seen]") == [False, [["connect_error", "not allowed"]]]
    code = """
      socket.auth = {token: "good"};
      socket.connect();
      await until(() => count("message"));
      return seen.slice(1)"""
    assert js(page, code) == [["connect"], ["message", "kept"]]
    assert tries == [{"token": "bad"}, {"token": "good"}]


def test_a_refused_handshake_is_tried_again(page, transport):
    Door.keeper = deny
    code = """
      make({transports: [arg], reconnectionAttempts: 2}).connect();
      await until(() => count("reconnect_failed"));
      return [names(), socket.active, seen[0][1]]"""
    names, active, error = js(page, code, transport)
    attempt = ["reconnect_attempt", "connect_error"]
    assert names == ["connect_error", *attempt, *attempt, "reconnect_failed"]
    assert not active
    if transport == "polling":
        assert error == "HTTP 403: forbidden here, sorry"


@pytest.mark.parametrize("event", ["disconnect", "connect_error"])
def test_an_attempt_that_a_listener_begins_is_not_a_failure(page, event):
    code = """
      make({reconnectionAttempts: 0}, arg === "connect_error" ? "127.0.0.1:1" : "");
      socket.once(arg, () => socket.connect());
      socket.connect();
      if (arg === "disconnect") await until(() => socket.connected);
      dispatchEvent(new Event("offline"));
      await until(() => count(arg) && (count("connect") === 2 || count("connect_error") === 2));
      return names()"""
    expected = {
        "disconnect": ["connect", "disconnect", "connect"],
        "connect_error": ["connect_error", "connect_error", "reconnect_failed"],
    }
    assert js(page, code, event) == expected[event]


def test_an_unknown_namespace(page):
    code = "make({}, '/nowhere').connect(); await until(() => seen.length); return seen"
    assert js(page, code) == [["connect_error", "Invalid namespace"]]


def test_a_server_that_takes_too_long_to_decide(page, server):
    released = gevent.event.Event()

    @on_connect
    def wait(request, socket, context):
        released.wait()

    code = """
      make({timeout: 200, reconnectionAttempts: 1}).connect();
      await until(() => count("reconnect_failed"));
      return seen"""
    seen = js(page, code)
    server.call(released.set)
    assert seen == [
        ["connect_error", "timeout"],
        ["reconnect_attempt", 1],
        ["connect_error", "timeout"],
        ["reconnect_failed"],
    ]


@pytest.mark.own_window
def test_a_page_that_the_server_disconnects_stays_away(page, transport):
    @on_message
    def kick(request, socket, context, message):
        socket.disconnect()

    page.clock.install()
    code = "await online({transports: [arg]}); socket.send(1); await until(() => !socket.connected)"
    js(page, code, transport)
    page.clock.run_for(60_000)
    disconnected = ["disconnect", "io server disconnect", None]
    seen = js(page, "return seen.filter(([name]) => name !== 'message')")
    assert seen == [["connect"], disconnected]
    assert js(page, "return socket.active") is False


# The server goes and comes back


def lose(page, server, transport):
    """Connect, then stop the server."""
    js(page, "await online({transports: [arg]})", transport)
    stop(server)
    js(page, "await until(() => !socket.connected)")


def test_a_page_whose_login_ends_hears_so_and_comes_back(page, server, transport):
    js(
        page,
        "make({transports: [arg]}); socket.connect(); await until(() => socket.connected)",
        transport,
    )
    (session,) = server.socket_server.engine.sessions.values()
    server.call(session.delegate.login.end)
    js(page, "await until(() => names().includes('reconnect'))")
    ended = next(event for event in js(page, "return seen") if event[0] == "disconnect")
    if transport == "websocket":
        assert ended == [
            "disconnect",
            "transport close",
            "the WebSocket was closed: 1008 session ended",
        ]
    else:
        assert ended[1] in ("transport close", "transport error")
    assert js(page, "return names()") == [
        *("connect", "disconnect", "reconnect_attempt", "connect", "reconnect")
    ]


def test_the_page_reconnects_when_the_server_is_back(page, server, transport, restart):
    lose(page, server, transport)
    js(page, "await until(() => count('connect_error') >= 2)")
    restart(server)
    seen = js(page, "await until(() => count('reconnect')); return seen")
    names = [name for name, *_ in seen]
    attempts = names.count("reconnect_attempt")
    failure = ["reconnect_attempt", "connect_error"]
    assert names[:2] == ["connect", "disconnect"]
    assert names[2:-3] == failure * (attempts - 1)
    assert names[-3:] == ["reconnect_attempt", "connect", "reconnect"]
    # A poll that comes after the end finds no session any more: "transport error".
    assert seen[1][1] in ("transport close", "transport error")
    assert seen[-1] == ["reconnect", attempts]


def test_channels_come_back_before_the_messages_that_waited(page, server, transport, restart, log):
    @on_subscribe
    def subscribe(request, socket, context, channel):
        log("subscribe", channel)

    @on_message
    def note(request, socket, context, message):
        log("message", message)

    code = """
      make({transports: [arg]});
      socket.on("connect", () => socket.subscribe("idiom"));
      socket.subscribe("early").connect();
      await until(() => socket.connected)"""
    js(page, code, transport)
    log.until([("subscribe", "early"), ("subscribe", "idiom")])
    stop(server)
    log.clear()
    code = """
      await until(() => !socket.connected);
      socket.send(1).subscribe("late").send(new Uint8Array([2]))"""
    js(page, code)
    restart(server)
    subscribed = [("subscribe", name) for name in ("early", "idiom", "late")]
    log.until([*subscribed, ("message", 1), ("message", b"\x02")])
    assert js(page, "return socket.channels") == ["early", "idiom", "late"]


def test_a_subscription_under_way_is_asked_for_again(page, server, restart, log):
    asked = threading.Event()

    @on_subscribe
    def subscribe(request, socket, context, channel):
        log(channel)
        if not asked.is_set():
            asked.set()
            while socket.connected:
                gevent.sleep(0.01)

    js(page, "(await online()).subscribe('slow', noted('slow'))")
    assert asked.wait(5)
    stop(server)
    restart(server)
    js(page, "await until(() => count('slow'))")
    assert js(page, "return seen.filter(([name]) => name === 'slow')") == [["slow", None]]
    assert log.entries == ["slow", "slow"]


def test_a_server_that_stops_fails_the_acks(page, server, transport):
    @on_message
    def wait(request, socket, context, message):
        while socket.connected:
            gevent.sleep(0.01)

    js(page, "(await online({transports: [arg]})).send(1, noted('never'))", transport)
    code = "socket.emitWithAck('message').catch(noted('ack'))"
    js(page, code)
    stop(server)
    seen = js(page, "await until(() => count('ack')); return seen")
    assert ["ack", "socket has been disconnected"] in seen
    assert js(page, "return count('never')") == 0


def test_connect_does_not_wait_for_the_next_attempt(page, server, restart):
    never = {"reconnectionDelay": 60_000, "reconnectionDelayMax": 60_000}
    js(page, "await online(arg)", never)
    stop(server)
    js(page, "await until(() => !socket.connected)")
    restart(server)
    js(page, "socket.connect(); await until(() => count('reconnect'))")


@pytest.mark.own_window
def test_attempts_wait_longer_and_longer(page, server):
    stop(server)
    page.clock.install()
    page.clock.pause_at(time.time() + 3600)
    options = {"transports": ["websocket"], "reconnectionDelay": 1000, "randomizationFactor": 0}
    js(page, "make({reconnectionDelayMax: 5000, ...arg}).connect()", options)
    for attempts, delay in enumerate([1000, 2000, 4000, 5000, 5000]):
        js(page, "await until(() => count('connect_error') === arg + 1)", attempts)
        page.clock.run_for(delay - 1)
        assert js(page, "return count('reconnect_attempt')") == attempts
        page.clock.run_for(1)
        assert js(page, "return count('reconnect_attempt')") == attempts + 1


@pytest.mark.parametrize(
    ("delay", "shortest", "longest"), [(1000, 500, 1500), (100_000, 5000 / 3, 5000)]
)
def test_attempts_are_spread(page, server, delay, shortest, longest):
    """They are, too, where the longest delay bounds them, as after some attempts."""
    stop(server)
    code = """
      const delays = [];
      const real = setTimeout;
      window.setTimeout = (action, ms) => { delays.push(ms); return real(action, ms); };
      const options = {transports: ["polling"], timeout: Infinity};
      const waits = {reconnectionDelay: arg, reconnectionDelayMax: 5000};
      const sockets = Array.from({length: 30}, () => make({...options, ...waits}).connect());
      await until(() => count("connect_error") === 30);
      sockets.forEach((one) => one.disconnect());
      return delays"""
    delays = js(page, code, delay)
    assert len({*delays}) == 30
    part = 0.3 * (longest - shortest)
    assert shortest <= min(delays) < shortest + part
    assert longest - part < max(delays) <= longest


def test_a_message_that_is_sent_while_the_connection_closes_arrives(page, log):
    @on_message
    def note(request, socket, context, message):
        log("message", message)
        return message

    @on_subscribe
    def subscribe(request, socket, context, channel):
        log("subscribe", channel)

    code = """
      const Native = WebSocket;
      window.WebSocket = class extends Native {
        constructor(url) { super(url); window.last = this; }
      };
      await online({transports: ["websocket"]});
      last.close();
      const answer = socket.send(1).send(2, noted("ack")).emitWithAck("message", 3);
      socket.volatile.send(4);
      socket.subscribe("a").subscribe("b").unsubscribe("a");
      return [last.readyState === Native.CLOSING, await answer, count("ack")]"""
    assert js(page, code) == [True, 3, 1]
    log.until([("subscribe", "b"), *[("message", number) for number in (1, 2, 3)]])
    assert js(page, "return [socket.channels, count('disconnect')]") == [["b"], 1]


# Heartbeats


@pytest.mark.own_window
def test_a_quiet_connection_stays(server, page, transport):
    """The page waits for 45 seconds; each ping is at the end of 40 seconds of its clock."""
    page.clock.install()
    js(page, "await online({transports: [arg]})", transport)
    (session,) = server.socket_server.engine.sessions.values()
    for _ in range(3):
        page.clock.fast_forward("00:40")
        server.call(lambda: session.wake(session.protocol.deadline))
        wait_until(lambda: not session.protocol._awaiting_pong)
    assert js(page, "return [names(), socket.connected]") == [["connect"], True]


def silence(socket_server):
    """Have the sockets that there are get no more pings."""
    for session in socket_server.engine.sessions.values():
        socket_server.timers.cancel(session.timer)


@pytest.mark.own_window
def test_a_server_that_has_gone_silent_is_left(server, page, transport):
    page.clock.install()
    js(page, "await online({transports: [arg]})", transport)
    server.call(silence, server.socket_server)
    page.clock.fast_forward("00:46")
    seen = js(page, "await until(() => count('reconnect')); return seen")
    why = "the server has stopped sending pings"
    assert seen[:2] == [["connect"], ["disconnect", "ping timeout", why]]


@pytest.mark.own_window
def test_a_page_that_wakes_up_after_a_long_sleep_reconnects(page):
    page.clock.install()
    js(page, "await online()")
    page.clock.fast_forward("02:00")  # as when a laptop's lid was closed: timers fire now, once
    seen = js(page, "await until(() => count('reconnect')); return seen")
    assert seen[1][:2] == ["disconnect", "ping timeout"]


def test_a_page_that_becomes_visible_looks_at_the_clock(page):
    code = """
      await online();
      const now = Date.now;
      Date.now = () => now() + 60000; // its timers slept on
      document.dispatchEvent(new Event("visibilitychange", {bubbles: true}));
      Date.now = now;
      const reason = seen[1][1];
      await until(() => count("reconnect"));
      return reason"""
    assert js(page, code) == "ping timeout"


# The network, the page


@pytest.mark.own_window
def test_offline_and_online(page, transport):
    never = {"reconnectionDelay": 60_000, "reconnectionDelayMax": 60_000}
    js(page, "await online({transports: [arg[0]], ...arg[1]})", [transport, never])
    page.context.set_offline(True)
    js(page, "await until(() => !socket.connected)")
    page.context.set_offline(False)
    seen = js(page, "await until(() => count('reconnect')); return seen")
    assert seen == [
        ["connect"],
        ["disconnect", "transport close", "the network is gone"],
        ["reconnect_attempt", 1],
        ["connect"],
        ["reconnect", 1],
    ]


@pytest.mark.own_window
def test_garbage_on_a_websocket_ends_the_connection(page):
    routes = []

    def through(route):
        routes.append(route)
        route.connect_to_server()

    page.context.route_web_socket("**/socket.io/**", through)
    page.reload()
    js(page, "await online({transports: ['websocket']})")
    routes[0].send("42{oops")
    seen = js(page, "await until(() => count('reconnect')); return seen")
    assert seen[1][:2] == ["disconnect", "parse error"]


@pytest.mark.own_window
def test_garbage_in_an_answer_ends_the_connection(page):
    answers = iter([None, "42{oops"])  # the first GET with a sid brings the CONNECT

    def spoil(route):
        body = next(answers, None) if route.request.method == "GET" else None
        if body is None:
            route.continue_()
        else:
            route.fulfill(body=body)

    page.route("**/socket.io/*sid=*", spoil)
    js(page, "await online({transports: ['polling']})")
    seen = js(page, "await until(() => count('reconnect')); return seen")
    assert seen[1][:2] == ["disconnect", "parse error"]


def finished(log):
    """Have the ends of sockets noted."""

    @on_finish
    def finish(request, socket, context):
        log(socket.disconnect_reason)


def test_the_server_notices_at_once_when_a_page_is_left(page, server, transport, log):
    finished(log)
    js(page, "await online({transports: [arg]})", transport)
    page.goto(f"http://127.0.0.1:{server.port}/elsewhere/")
    log.until(["transport close"])


@pytest.mark.own_window
def test_the_server_notices_at_once_when_a_page_is_closed(page, transport, log):
    finished(log)
    js(page, "await online({transports: [arg]})", transport)
    page.close()
    log.until(["transport close"])


@pytest.mark.own_window
@pytest.mark.whole_chromium
def test_a_page_that_comes_back_out_of_the_cache_reconnects(page, server, transport, log):
    finished(log)
    js(page, "await online({transports: [arg]}); window.kept = true", transport)
    page.goto(f"http://127.0.0.1:{server.port}/elsewhere/")
    log.until(["transport close"])
    page.go_back(wait_until="commit")
    assert page.evaluate("window.kept"), "Chromium did not keep the page"
    names = js(page, "await until(() => socket.connected); return names()")
    assert names == ["connect", "disconnect", "reconnect_attempt", "connect", "reconnect"]


def test_a_page_out_of_the_cache_does_not_connect_what_was_disconnected(page):
    code = """
      await online();
      socket.disconnect();
      dispatchEvent(new PageTransitionEvent("pagehide", {persisted: true}));
      dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}));
      return [socket.active, socket.connected]"""
    assert js(page, code) == [False, False]
