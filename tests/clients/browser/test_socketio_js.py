"""socketio.js, our browser client, against our server."""

import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import gevent
import pytest
from django.core.exceptions import PermissionDenied
from django.core.handlers.wsgi import WSGIHandler
from django.test.utils import override_settings

from django_socketio.events import (
    on_connect,
    on_disconnect,
    on_event,
    on_message,
    on_subscribe,
    on_unsubscribe,
)
from tests.clients.browser.pages import js, sent_frames
from tests.clients.browser.site import NONCE


@pytest.fixture
def echo():
    """Handlers that send back what they get."""

    @on_message
    def send_back(request, socket, context, message=None):
        socket.send(message)

    @on_event("echo")
    def answer(request, socket, context, *args):
        return args


@pytest.fixture
def page_server():
    """The port of a server that serves pages, and cannot hold sockets."""
    with make_server("127.0.0.1", 0, WSGIHandler(), handler_class=QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


class QuietHandler(WSGIRequestHandler):
    """Logs no requests."""

    def log_message(self, *args):
        pass


# The page


def test_the_tag_respects_the_nonce(server, visit):
    page = visit(server, "/csp/")
    assert js(page, "await online(); return socket.transport") == "websocket"
    assert page.locator("script").get_attribute("data-path") == "/socket.io/"


def test_without_the_nonce_the_policy_stops_the_script(server, visit):
    page = visit(server, f"/csp/?nonce=not-{NONCE}")
    assert js(page, "return typeof io") == "undefined"


def test_the_script_defines_io_and_nothing_else(server, visit):
    globals_of = "return Object.getOwnPropertyNames(window)"
    before, after = (set(js(visit(server, p), globals_of)) for p in ("/elsewhere/", "/"))
    assert after - before == {"io"}


# Connecting


def test_a_socket_connects_and_leaves(page, transport, log):
    @on_connect
    def came(request, socket, context):
        log("came", socket.auth, request.GET["q"], request.GET["transport"])

    @on_disconnect
    def left(request, socket, context):
        log("left", socket.disconnect_reason)

    options = {"transports": [transport], "auth": {"token": "x"}, "query": {"q": "é&"}}
    states = js(
        page,
        """
        const state = () => [socket.connected, socket.active, socket.transport, typeof socket.id];
        make(arg);
        const states = [state()];
        if (socket.connect() !== socket || socket.open() !== socket) throw new Error("chain");
        await until(() => socket.connected);
        states.push(state());
        socket.disconnect();
        return [...states, state()]""",
        options,
    )
    offline = [False, False, None, "undefined"]
    assert states == [offline, [True, True, transport, "string"], offline]
    log.until([("came", {"token": "x"}, "é&", transport), ("left", "client namespace disconnect")])
    assert js(page, "return seen") == [
        ["connect"],
        ["disconnect", "io client disconnect", None],
    ]


def test_the_id_is_the_session_id_of_the_server(page, transport, log):
    @on_connect
    def came(request, socket, context):
        log(socket.session.session_id)

    assert js(page, "return (await online({transports: [arg]})).id", transport) == log.entries[0]


def test_addresses(page, server, log):
    for namespace in ("/", "/admin"):

        @on_connect(namespace=namespace)
        def came(request, socket, context):
            log(socket.namespace, request.GET.get("q"), request.get_host())

    js(
        page,
        """
        const addresses = [
          [`127.0.0.1:${arg}`], ["127.0.0.1", {port: arg}], [null, {port: arg}], [],
          [`http://127.0.0.1:${arg}/admin?q=1`], [`ws://127.0.0.1:${arg}`], ["/admin"],
          [undefined, {namespace: "/admin", path: "socket.io"}], [{namespace: "admin"}],
        ];
        for (const address of addresses) {
          const socket = new io.Socket(...address).connect();
          await until(() => socket.connected);
          socket.disconnect();
        }""",
        server.port,
    )
    namespaces = ["/"] * 4 + ["/admin", "/", "/admin", "/admin", "/admin"]
    host = f"127.0.0.1:{server.port}"
    assert log.entries == [(n, "1" if i == 4 else None, host) for i, n in enumerate(namespaces)]


def test_a_socket_on_another_server(serve, visit):
    own = serve()
    page, other = visit(own), serve(ALLOWED_ORIGINS=[f"http://127.0.0.1:{own.port}"])
    code = "await online({transports: [arg[0]], withCredentials: true}, arg[1])"
    for transport in ("websocket", "polling"):
        js(page, code, [transport, f"127.0.0.1:{other.port}"])


def test_a_page_of_another_origin_is_refused(serve, visit, transport):
    page, other = visit(serve()), serve()
    code = """
      make({transports: [arg[0]], reconnection: false}, arg[1]).connect();
      await until(() => seen.length);
      return names()"""
    address = f"127.0.0.1:{other.port}"
    assert js(page, code, [transport, address]) == ["connect_error"]
    assert not other.socket_server.engine.sessions


def test_a_page_of_another_server_learns_the_port_from_the_tag(serve, window, page_server):
    origin = f"http://127.0.0.1:{page_server}"
    server = serve(ALLOWED_ORIGINS=[origin])
    with override_settings(SOCKETIO_PORT=server.port):
        page = window(origin)
    assert page.locator("script").get_attribute("data-port") == str(server.port)
    js(page, "await online()")


def test_io_connects_at_once(page):
    code = """
      const [one, two] = [io(), io.connect("/")];
      await until(() => one.connected && two.connected);
      return [io.protocol, io({autoConnect: false}).active, one.id !== two.id]"""
    assert js(page, code) == [5, False, True]


def test_auth_may_be_a_function(page, log):
    @on_connect
    def came(request, socket, context):
        log(socket.auth)

    js(page, "await online({auth: (send) => setTimeout(() => send({late: 1}))})")
    assert log.entries == [{"late": 1}]


def test_an_auth_function_that_throws(page):
    code = """
      make({auth() { throw new Error("mine"); }, reconnection: false}).connect();
      await until(() => seen.length);
      return [seen, socket.active]"""
    assert js(page, code) == [[["connect_error", "mine"]], False]


def test_many_sockets_of_one_page(page):
    code = """
      const ids = new Set();
      for (let i = 0; i < 20; i++) ids.add((await online()).id); // all at once, Chromium waits
      return ids.size"""
    assert js(page, code) == 20


def test_connect_and_disconnect_inside_events(page, server):
    code = """
      await online();
      socket.once("disconnect", () => socket.connect());
      socket.disconnect();
      await until(() => socket.connected);
      socket.once("disconnect", () => socket.connect().disconnect());
      socket.disconnect().disconnect();
      socket.once("connect", () => socket.disconnect());
      socket.connect();
      await until(() => count("disconnect") === 3);
      return [names(), socket.active]"""
    assert js(page, code) == [["connect", "disconnect"] * 3, False]
    assert server.call(server.socket_server.open_sockets.wait_until_empty, 5)


# Messages


@pytest.mark.usefixtures("echo")
def test_messages_arrive_as_they_were_sent(page, transport):
    values = ["text ☃ \u2028 😀", '"\u001f,1-/', {"a": [1, None, {"b": True}]}, ["x", 1], 0, None]
    values += [[1.5, -0.25, 1e21], {"_placeholder": True, "num": 0}, {"__x": {}}]
    code = """
      await online({transports: [arg[1]]});
      arg[0].forEach((value) => socket.send(value));
      await until(() => count("message") === arg[0].length);
      return seen.slice(1).map(([, value]) => value)"""
    assert js(page, code, [values, transport]) == values


@pytest.mark.usefixtures("echo")
def test_binary_goes_both_ways(page, transport):
    code = """
      await online({transports: [arg]});
      const view = new DataView(new Uint8Array([5, 6, 7]).buffer, 1);
      const words = new Uint16Array([1, 2, 3]).subarray(1);
      const back = await socket.emitWithAck("echo", {deep: [view, "x"]});
      socket.send(words).send(new ArrayBuffer(0));
      await until(() => count("message") === 2);
      const [first, second] = seen.slice(1).map(([, value]) => value);
      const types = [back.deep[0], first].map((value) => value instanceof ArrayBuffer);
      return [types, bytes(back.deep[0]), back.deep[1], bytes(first), bytes(second)]"""
    assert js(page, code, transport) == [[True, True], [6, 7], "x", [2, 0, 3, 0], []]


def test_messages_of_the_server_arrive_in_order(page, transport):
    @on_event("burst")
    def burst(request, socket, context, number):
        for n in range(number):
            socket.emit("n", n, bytes([n % 256]), "é" * (n % 7))

    code = """
      await online({transports: [arg]});
      const got = [];
      socket.on("n", (n, data) => got.push([n, bytes(data)[0]]));
      socket.emit("burst", 500);
      await until(() => got.length === 500);
      return got"""
    assert js(page, code, transport) == [[n, n % 256] for n in range(500)]


def test_the_server_gets_messages_in_order(page, transport, log):
    @on_message
    def note(request, socket, context, message):
        log(message)

    code = """
      make({transports: [arg]}).send(0).send(1).connect();
      await until(() => socket.connected);
      for (let i = 2; i < 100; i++) socket.send(i);"""
    js(page, code, transport)
    log.until(list(range(100)))


def test_what_was_sent_before_disconnecting_arrives(page, transport, log):
    @on_message
    def note(request, socket, context, message):
        log(message)

    @on_disconnect
    def left(request, socket, context):
        log(socket.disconnect_reason)

    code = """
      await online({transports: [arg]});
      for (let i = 0; i < 5; i++) socket.send(i);
      socket.disconnect()"""
    js(page, code, transport)
    log.until([0, 1, 2, 3, 4, "client namespace disconnect"])


@pytest.mark.own_window
def test_polling_posts_no_more_than_the_server_takes(serve, visit, echo):
    page = visit(serve(MAX_MESSAGE_SIZE=20_000))
    sizes = []
    page.on("request", lambda request: sizes.append(len(request.post_data_buffer or b"")))
    code = """
      await online({transports: ["polling"]});
      const texts = Array.from({length: 40}, (_, i) => i + "é".repeat(1500));
      texts.forEach((text) => socket.send(text));
      socket.send(new Uint8Array(9000));
      await until(() => count("message") === 41);
      return texts.every((text, i) => seen[i + 1][1] === text) && seen.length"""
    assert js(page, code) == 42
    assert 10_000 < max(sizes) <= 20_000
    assert len([size for size in sizes if size]) < 15


def test_a_message_too_large_throws_and_costs_nothing_else(serve, visit, transport, echo):
    page = visit(serve(MAX_MESSAGE_SIZE=20_000))
    code = """
      await online({transports: [arg]});
      let error;
      try { socket.send("x".repeat(20001)); } catch (caught) { error = caught.name; }
      socket.send("small");
      await until(() => count("message"));
      return [error, seen]"""
    assert js(page, code, transport) == ["RangeError", [["connect"], ["message", "small"]]]


def test_a_message_too_large_that_waited_is_told_to_its_ack(serve, visit, page_errors, echo):
    page = visit(serve(MAX_MESSAGE_SIZE=20_000))
    code = """
      make().emitWithAck("echo", "x".repeat(20001)).catch((error) => seen.push([error.name]));
      socket.send("small").connect();
      await until(() => count("message"));
      return seen"""
    assert js(page, code) == [["connect"], ["RangeError"], ["message", "small"]]
    assert "the server takes 20000" in page_errors.pop()


def test_what_cannot_be_sent_throws_at_once(page):
    code = """
      make();
      const loop = {};
      loop.loop = loop;
      const failure = (...args) => {
        try { socket.emit(...args); } catch (error) { return error.name; }
      };
      return [failure("m", new Blob(["x"])), failure("m", loop, () => 0),
        ...["connect", "connect_error", "disconnect", "disconnecting"].map((n) => failure(n))]"""
    assert js(page, code) == ["TypeError", "TypeError", *["Error"] * 4]


# Acknowledgments


@pytest.mark.usefixtures("echo")
def test_acks_of_the_server(page, transport):
    code = """
      await online({transports: [arg]});
      const answer = await new Promise((resolve) =>
        socket.emit("echo", "q", new Uint8Array([9]), (...args) => resolve(args)));
      const timed = await new Promise((resolve) =>
        socket.timeout(3000).emit("echo", 1, (...args) => resolve(args)));
      return [answer[0], bytes(answer[1]), timed, await socket.emitWithAck("echo", {a: 1})]"""
    assert js(page, code, transport) == ["q", [9], [None, 1], {"a": 1}]


def test_an_event_for_one_channel(page, log):
    @on_message(channel="^room-")
    def say(request, socket, context, message):
        log([socket.event_channel, message])
        return socket.event_channel

    code = """
      const socket = new io.Socket();
      socket.connect().subscribe("room-1").subscribe("room-2");
      socket.channel("room-1").send("hello");
      const errors = [];
      try { socket.channel("room-1").emit("connect"); } catch ({message}) { errors.push(message); }
      const answer = await socket.channel("room-2").timeout(3000).emitWithAck("message", {a: 1});
      const refused = await socket.channel("room-3").emitWithAck("message", 1);
      return [answer, refused.error, ...errors]"""
    answer, refused, error = js(page, code)
    assert answer == "room-2"
    assert "'room-3'" in refused
    assert "reserved" in error
    assert log.entries == [["room-1", "hello"], ["room-2", {"a": 1}]]


def test_the_server_asks_and_the_page_answers(page, transport, log):
    @on_event("ask")
    def ask(request, socket, context):
        log(socket.call("question", 1))

    code = """
      await online({transports: [arg]});
      socket.on("question", (n, reply, ...more) => reply(n + 1, new Uint8Array([7]), more.length));
      await socket.emitWithAck("ask")"""
    js(page, code, transport)
    assert log.entries == [(2, b"\x07", 0)]


@pytest.mark.own_window
def test_an_answer_is_given_once(page):
    sent = sent_frames(page)

    @on_event("ask")
    def ask(request, socket, context):
        return socket.call("question")

    code = """
      await online();
      socket.on("question", (reply) => { reply(1); reply(2); });
      await socket.emitWithAck("ask")"""
    js(page, code)
    assert [frame for frame in sent if frame.startswith("43")] == ["430[1]"]


@pytest.fixture
def never(server):
    """A handler that does not answer while the test runs."""
    released = gevent.event.Event()

    @on_event("never")
    def wait(request, socket, context):
        released.wait()

    yield
    server.call(released.set)


@pytest.mark.usefixtures("never")
def test_who_waits_for_an_ack_hears_of_a_timeout(page):
    code = """
      await online({ackTimeout: 30});
      socket.emit("never", noted("default"));
      socket.timeout(10).emit("never", noted("timeout"));
      const promise = socket.timeout(20).emitWithAck("never");
      const rejected = await promise.catch((error) => error.message);
      await until(() => count("default") && count("timeout"));
      return [rejected, seen.slice(1).sort()]"""
    why = "operation has timed out"
    assert js(page, code) == [why, [["default", why], ["timeout", why]]]


@pytest.mark.usefixtures("never")
def test_who_waits_for_an_ack_hears_of_the_end(page):
    code = """
      await online();
      socket.emit("never", noted("bare"));
      socket.timeout(9000).emit("never", noted("timed"));
      const lost = socket.emitWithAck("never").catch((error) => error.message);
      socket.disconnect();
      return [await lost, seen]"""
    why = "socket has been disconnected"
    assert js(page, code) == [
        why,
        [["connect"], ["timed", why], ["disconnect", "io client disconnect", None]],
    ]


# Messages that wait


def test_messages_wait_for_the_connection_within_bounds(page, log):
    @on_event("m")
    def note(request, socket, context, *args):
        log(*args)

    code = """
      console.warn = () => seen.push(["warning"]);
      make({bufferSize: 3});
      socket.timeout(5000).emit("m", 0, noted("lost"));
      socket.emitWithAck("m", 1).catch(noted("lost"));
      const array = new Uint8Array([1]);
      socket.emit("m", array);
      array[0] = 2;
      for (let i = 3; i < 5; i++) socket.emit("m", i);
      await until(() => count("lost") === 2);
      return seen"""
    dropped = ["lost", "dropped: too many messages while offline"]
    assert sorted(js(page, code)) == [dropped, dropped, ["warning"]]
    js(page, "socket.connect()")
    log.until([b"\x01", 3, 4])


def test_volatile_messages_do_not_wait(page, log):
    @on_event("m")
    def note(request, socket, context, *args):
        log(*args)

    code = """
      make().volatile.emit("m", 1);
      socket.volatile.timeout(9000).emit("m", 1, noted("lost"));
      await socket.volatile.emitWithAck("m", 1).catch(noted("lost"));
      socket.connect();
      await until(() => socket.connected);
      socket.volatile.emit("m", 2);
      return seen"""
    lost = ["lost", "not connected"]
    assert js(page, code) == [lost, lost, ["connect"]]
    log.until([2])


def test_what_timed_out_while_it_waited_is_not_sent(page, log):
    @on_event("m")
    def note(request, socket, context, *args):
        log(*args)

    code = """
      make({ackTimeout: 10}).emit("m", 1, noted("lost"));
      await until(() => count("lost"));
      socket.emit("m", 2).connect()"""
    js(page, code)
    log.until([2])


# Listeners


@pytest.mark.usefixtures("echo")
def test_listeners_cannot_hurt_each_other(page, page_errors):
    code = """
      make();
      let thrown = 0;
      addEventListener("error", () => { thrown += 1; });
      socket.on("connect", () => { throw new Error("mine"); });
      socket.on("connect", function () { noted("this")(this === socket); });
      socket.on("message", () => seen.push(["still here"]));
      socket.connect();
      await until(() => socket.connected);
      socket.emit("echo", () => { throw new Error("in an ack"); });
      socket.send("x");
      await until(() => count("still here") && thrown === 2);
      return seen.slice(1)"""
    assert js(page, code) == [["this", True], ["message", "x"], ["still here"]]
    assert sorted(page_errors) == ["in an ack", "mine"]
    page_errors.clear()


def test_listeners_come_and_go(page):
    @on_event("hello")
    def greet(request, socket, context):
        socket.emit("hello")

    code = """
      await online();
      const removed = noted("removed");
      socket.once("hello", noted("once")).on("hello", noted("each"));
      socket.on("hello", removed).once("hello", removed).off("hello", removed);
      socket.emit("hello");
      await until(() => count("each") === 1);
      socket.on("hello", () => { socket.off("hello"); seen.push(["last"]); });
      socket.emit("hello");
      await until(() => count("last"));
      await socket.emitWithAck("hello");
      return names()"""
    assert js(page, code) == ["connect", "once", "each", "each", "last"]


SITES_OWN = ["reconnect", "reconnect_attempt", "reconnect_failed", "reconnect_error", "error"]
SITES_OWN += ["ping", "open", "close", "packet", "subscribe", "constructor", "__proto__", "message"]


RECONNECT = (
    "dispatchEvent(new Event('offline')); await until(() => count('reconnect') && socket.id);"
)


def test_events_of_the_site_are_apart_from_those_of_the_client(page):
    @on_event("all")
    def send_all(request, socket, context):
        for name in SITES_OWN:
            socket.emit(name, "of the site")

    code = """
      make();
      for (const name of arg) socket.on(name, (...args) => seen.push([`site's ${name}`, ...args]));
      socket.connect();
      await until(() => socket.connected);
      await socket.emitWithAck("all");
      return seen.filter(([name]) => name !== "message")"""
    assert js(page, code, SITES_OWN) == [
        ["connect"],
        *[[f"site's {name}", "of the site"] for name in SITES_OWN],
    ]
    js(page, f"seen.length = 0; {RECONNECT}")
    assert js(page, "return names()") == ["disconnect", "reconnect_attempt", "connect", "reconnect"]


def test_listeners_of_the_connection_come_and_go(page):
    code = """
      const {io} = await online();
      const removed = noted("removed");
      io.once("reconnect", noted("once")).on("reconnect", removed).off("reconnect", removed);
      io.on("reconnect", function () { noted("this")(this === io); });
      socket.off();"""
    js(page, code)
    for expected in (["reconnect", "once", "this"], ["reconnect", "this"]):
        js(page, f"seen.length = 0; {RECONNECT}")
        assert js(page, "return names()") == ["reconnect_attempt", *expected]
    assert js(page, "return seen.at(-1)") == ["this", True]


# Channels


@pytest.fixture
def channels(log):
    """Channels of which those that begin with "no" are refused."""

    @on_subscribe
    def subscribe(request, socket, context, channel):
        log("subscribe", channel)
        if channel.startswith("no"):
            raise PermissionDenied(f"{channel}: not for you")

    @on_unsubscribe
    def unsubscribe(request, socket, context, channel):
        if socket.connected:
            log("unsubscribe", channel)

    @on_message
    def say(request, socket, context, message):
        log("message", message)
        socket.send_and_broadcast_channel(message)


@pytest.mark.usefixtures("channels")
def test_the_idiom_of_the_readme_subscribes_once(page, transport, log):
    code = """
      make({transports: [arg]});
      socket.on("connect", () => socket.subscribe("news").send("hello"));
      socket.subscribe("news").connect();
      await until(() => count("message"));
      return [socket.channels, seen]"""
    assert js(page, code, transport) == [["news"], [["connect"], ["message", "hello"]]]
    assert log.entries == [("subscribe", "news"), ("message", "hello")]


@pytest.mark.own_window
@pytest.mark.usefixtures("channels")
def test_nothing_is_asked_for_twice(page):
    sent = sent_frames(page)
    code = """
      make().on("connect", () => socket.subscribe("news"));
      socket.subscribe("news").connect();
      await until(() => socket.connected);
      await new Promise((done) => socket.subscribe("news", done));
      await new Promise((done) => socket.subscribe("news", done))"""
    js(page, code)
    assert sent == ['40{"_positions":true}', '420["subscribe","news"]']


@pytest.mark.usefixtures("channels")
def test_channels_are_subscribed_before_messages_that_waited(page, transport, log):
    code = """
      make({transports: [arg]}).send("first").subscribe("a").subscribe("b").send("second");
      const before = socket.channels;
      socket.connect();
      await until(() => count("message") === 2);
      return before"""
    assert js(page, code, transport) == ["a", "b"]
    subscribed = [("subscribe", "a"), ("subscribe", "b")]
    assert log.entries == [*subscribed, ("message", "first"), ("message", "second")]


def test_a_refusal_that_no_listener_takes_is_on_the_console(page):
    @on_connect
    def refuse(request, socket, context):
        raise PermissionDenied("not for you")

    code = """
      console.warn = noted("warning");
      const heard = io().on("connect_error", noted("heard"));
      await until(() => !heard.active);
      const unheard = io();
      await until(() => !unheard.active);
      return seen"""
    warning = "socket.io: the server has refused the connection: not for you"
    assert js(page, code) == [["heard", "not for you"], ["warning", warning]]


@pytest.mark.usefixtures("channels")
def test_refusals_are_told(page, transport):
    code = """
      console.warn = noted("warning");
      await online({transports: [arg]});
      socket.subscribe("no1", noted("no1")).subscribe("no2").subscribe("yes", noted("yes"));
      await until(() => count("yes"));
      return [socket.channels, seen.slice(1)]"""
    assert js(page, code, transport) == [
        ["yes"],
        [
            ["no1", "no1: not for you"],
            ["warning", "socket.io: subscribe no2: no2: not for you"],
            ["yes", None],
        ],
    ]


@pytest.mark.usefixtures("channels")
def test_subscribing_and_unsubscribing_again_and_again(page, log):
    code = """
      await online();
      socket.subscribe("a", noted("1")).subscribe("a", noted("2"));
      socket.subscribe("gone", noted("gone")).unsubscribe("gone", noted("ungone"));
      await until(() => count("ungone"));
      socket.subscribe("a", noted("3"));
      await until(() => count("3"));
      socket.unsubscribe("a", noted("un-a")).unsubscribe("never", noted("un-never"));
      await until(() => count("un-never"));
      return [socket.channels, seen.slice(1)]"""
    gone = ["gone", "unsubscribed before the server answered"]
    order = [gone, ["1", None], ["2", None], ["ungone", None], ["3", None]]
    assert js(page, code) == [[], [*order, ["un-a", None], ["un-never", None]]]
    came_and_went = [("subscribe", "a"), ("subscribe", "gone"), ("unsubscribe", "gone")]
    log.until([*came_and_went, ("unsubscribe", "a")])


@pytest.mark.usefixtures("channels")
def test_unsubscribing_offline_succeeds(page):
    code = """
      make().subscribe("a", noted("a")).unsubscribe("a", noted("un-a"));
      await until(() => count("un-a"));
      return seen"""
    assert js(page, code) == [["a", "unsubscribed before the server answered"], ["un-a", None]]


@pytest.mark.usefixtures("channels")
def test_a_page_that_the_server_took_off_a_channel_can_subscribe_again(page, transport, log):
    @on_event("leave")
    def leave(request, socket, context):
        socket.unsubscribe("a")
        return True

    code = """
      await online({transports: [arg]});
      socket.subscribe("a", noted("first"));
      await until(() => count("first"));
      await socket.emitWithAck("leave");
      socket.subscribe("a", noted("again"));
      await until(() => count("again"));
      return seen.slice(1)"""
    assert js(page, code, transport) == [["first", None], ["again", None]]
    log.until([("subscribe", "a")] * 2)


@pytest.mark.usefixtures("channels")
def test_messages_of_a_channel_reach_the_pages_on_it(server, visit, transport):
    pages = [visit(server) for _ in range(3)]
    for page, channel in zip(pages, ("a", "a", "b"), strict=True):
        code = """
          const socket = await online({transports: [arg[0]]});
          await new Promise((done) => socket.subscribe(arg[1], done))"""
        js(page, code, [transport, channel])
    js(pages[0], "socket.send('to a')")
    js(pages[2], "socket.send('to b')")
    heard = "await until(() => count('message')); return seen.slice(1)"
    assert js(pages[0], heard) == js(pages[1], heard) == [["message", "to a"]]
    assert js(pages[2], heard) == [["message", "to b"]]
