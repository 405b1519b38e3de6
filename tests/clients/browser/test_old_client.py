"""The browser client of Socket.IO 2, over each of its transports."""

import pytest

from django_socketio.events import on_event
from tests.clients.browser.pages import js

TRANSPORTS = {
    "websocket": {"transports": ["websocket"]},
    "polling": {"transports": ["polling"]},
    "polling without binary": {"transports": ["polling"], "forceBase64": True},
    "jsonp": {"transports": ["polling"], "forceJSONP": True},
    "upgraded": {"transports": ["polling", "websocket"]},
}

TEXT = "žluťoučký 🦄 \\n \n \u2028 </script>"


@pytest.fixture
def page(serve, visit):
    """A page with the client, whose server admits it."""
    return visit(serve(ALLOW_EIO3=True), "/old/")


@pytest.mark.parametrize("options", TRANSPORTS.values(), ids=TRANSPORTS)
def test_text_and_binary_travel_both_ways(page, options):
    @on_event("echo")
    def echo(request, socket, context, *args):
        socket.emit("echoed", *args)
        return args

    code = """
      window.socket = io(arg);
      const echoed = new Promise((done) => socket.on("echoed", (...args) => done(args)));
      await until(() => socket.connected);
      await until(() => socket.io.engine.transport.name === arg.transports.at(-1));
      const sent = [arg.text, Uint8Array.from([0, 255, 4]).buffer];
      const answered = (done) => socket.emit("echo", ...sent, (...args) => done(args));
      const acked = await new Promise(answered);
      const shown = ([text, binary]) => [text, bytes(binary)];
      return [shown(acked), shown(await echoed), document.title]"""
    came = [TEXT, [0, 255, 4]]
    assert js(page, code, {"text": TEXT, **options}) == [came, came, "old"]
