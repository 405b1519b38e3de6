"""Socket.IO's own browser client, as it comes from npm, against our server."""

import pytest

from django_socketio.events import on_connect, on_event, on_finish, on_message
from tests.clients.browser.conftest import stop
from tests.clients.browser.pages import js
from tests.clients.browser.site import BUNDLE

TRANSPORTS = {
    "websocket": ["websocket"],
    "polling": ["polling"],
    "upgraded": ["polling", "websocket"],
}


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    """The name of what carries the official client's packets in the end."""
    return request.param


@pytest.fixture(autouse=True)
def _handlers():
    @on_event("echo")
    def answer(request, socket, context, *args):
        return args

    @on_message
    def say(request, socket, context, message):
        socket.send_and_broadcast_channel(message)


@pytest.fixture
def page(server, visit):
    """A page with the official client."""
    if not BUNDLE.exists():
        pytest.fail(f"{BUNDLE} is missing: run make test, which installs it")
    return visit(server, "/official/")


def connect(page, transport):
    """Connect, and wait until the transport carries the packets."""
    code = """
      official({transports: arg});
      socket.io.on("reconnect", noted("reconnect"));
      await until(() => socket.connected);
      await until(() => socket.io.engine.transport.name === arg.at(-1));
      return socket.id.length"""
    assert js(page, code, TRANSPORTS[transport]) >= 20


def subscribe(page, channel):
    code = "return await new Promise((done) => socket.emit('subscribe', arg, done))"
    assert js(page, code, channel) is True


def test_acks_and_binary(page, transport):
    connect(page, transport)
    code = """
      const back = await socket.emitWithAck("echo", {data: new Uint8Array([1, 2]), text: "☃"});
      const both = await new Promise((resolve) => socket.emit("echo", 1, 2, (...a) => resolve(a)));
      return [bytes(back.data), back.text, both]"""
    assert js(page, code) == [[1, 2], "☃", [1, 2]]


def test_messages_arrive_in_order_while_the_transport_is_upgraded(page):
    subscribing = "official({transports: ['polling', 'websocket']}).emit('subscribe', 'a')"
    code = """
      for (let i = 0; i < 200; i++) socket.send(i);
      const name = () => socket.io.engine.transport.name;
      await until(() => count("message") === 200 && name() === "websocket");
      return seen.filter(([name]) => name === "message").map(([, value]) => value)"""
    assert js(page, f"{subscribing}; {code}") == list(range(200))


def test_the_official_client_and_ours_hear_each_other(page, server, visit, transport):
    connect(page, transport)
    ours = visit(server)
    js(ours, "await online(); await new Promise((done) => socket.subscribe('a', done))")
    subscribe(page, "a")
    heard = "await until(() => count('message') === arg); return seen.at(-1)[1]"
    js(ours, "socket.send({text: 'from ours'})")
    assert js(page, heard, 1) == js(ours, heard, 1) == {"text": "from ours"}
    js(page, "socket.send(new Uint8Array([7, 8]))")
    code = "await until(() => count('message') === 2); return bytes(seen.at(-1)[1])"
    assert js(page, code) == js(ours, code) == [7, 8]


def test_it_reconnects_after_a_restart(page, server, transport, restart):
    connect(page, transport)
    stop(server)
    js(page, "await until(() => !socket.connected)")
    restart(server)
    seen = js(page, "await until(() => count('connect') === 2); return seen")
    assert [name for name, *_ in seen if name != "connect_error"] == [
        "connect",
        "disconnect",
        "reconnect",
        "connect",
    ]
    assert js(page, "return await socket.emitWithAck('echo', 1)") == 1


def test_the_server_hears_when_it_leaves(page, transport, log):
    @on_finish
    def finish(request, socket, context):
        log(socket.disconnect_reason)

    connect(page, transport)
    js(page, "socket.disconnect()")
    log.until(["client namespace disconnect"])


@pytest.mark.parametrize("allowed", ["named", "*"])
def test_a_page_of_another_origin_sends_a_header_field_of_its_own(serve, visit, log, allowed):
    @on_connect
    def came(request, socket, context):
        log(request.headers.get("Authorization"), request.headers["Origin"])

    own = serve()
    origin = f"http://127.0.0.1:{own.port}"
    other = serve(ALLOWED_ORIGINS=[origin if allowed == "named" else "*"])
    code = """
      const options = {transports: ["polling"], extraHeaders: {Authorization: "Bearer token"}};
      window.socket = io(`http://127.0.0.1:${arg}`, options);
      await until(() => socket.connected);
      return await socket.emitWithAck("echo", 1)"""
    assert js(visit(own, "/official/"), code, other.port) == 1
    log.until([("Bearer token", origin)])


@pytest.mark.parametrize(("allowed", "told"), [([], "connect_error"), (["null"], "connect")])
def test_a_sandboxed_frame_connects_where_null_is_named(serve, visit, transport, allowed, told):
    page = visit(serve(ALLOWED_ORIGINS=allowed), "/elsewhere/")
    code = """
      const frame = document.createElement("iframe");
      frame.sandbox = "allow-scripts";
      frame.srcdoc = `<script src="${location.origin}/official.js"></script><script>
        const socket = io("${location.origin}", {transports: ${JSON.stringify(arg)}});
        for (const name of ["connect", "connect_error"])
          socket.on(name, () => parent.postMessage(name, "*"));
        </script>`;
      const told = new Promise((done) => addEventListener("message", done, {once: true}));
      document.body.append(frame);
      return (await told).data"""
    assert js(page, code, TRANSPORTS[transport]) == told
