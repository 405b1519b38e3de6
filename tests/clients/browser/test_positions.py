"""socketio.js keeps positions: nothing is missed in a cut, a reload and a restart."""

import pytest

from django_socketio import emit
from django_socketio.events import on_connect
from tests.clients.browser.pages import js
from tests.kit.clients import WebSocketClient
from tests.kit.redis_server import RedisServer


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture
def server(serve, redis):
    """A server with a client that stays on the channels, so that their messages are kept."""

    @on_connect
    def join_hall(request, socket, context):
        socket.subscribe("hall")  # by the server: the page knows nothing of it

    server = serve(RELAY_URL=redis.url)
    client = WebSocketClient(server.port)
    client.connect()
    client.subscribe("room")
    return server


ARRIVE = """
  window.got = [];
  make({...arg, transports: [arg.transport]});
  socket.on("message", (...args) => got.push(args));
  socket.io.on("missed", noted("missed"));
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


def test_a_page_that_is_loaded_again_begins_anew_unless_it_asks(server, visit):
    page = visit(server)
    js(page, ARRIVE, {"transport": "websocket"})
    page.reload()
    publish(server, 1, channel="room")
    js(page, ARRIVE, {"transport": "websocket"})
    publish(server, 2, channel="room")
    wait_for(page, 2)


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
    js(page, "await until(() => count('missed') === 2)")
    missed = js(page, "return seen.filter(([name]) => name === 'missed').map(([, topic]) => topic)")
    assert {*missed} >= {None, "room"}


def test_a_page_without_positions_gets_messages_as_they_are(server, visit):
    page = visit(server)
    js(page, ARRIVE, {"transport": "websocket", "positions": False})
    publish(server, 1, channel="room")
    wait_for(page, 1)
