"""Chromium offers compression by itself: pages with our client and a server that agrees."""

import pytest

from django_socketio.events import on_message
from tests.clients.browser.pages import js
from tests.kit.tap import Tap

LONG = "[...Array(5000).keys()].map((id) => ({id, name: `name ${id}`}))"
"""About 150 KB of JSON."""


@pytest.fixture
def tap(serve):
    """What lies between the browser and a server that compresses."""
    tap = Tap(serve(COMPRESSION_THRESHOLD=1024).port)
    yield tap
    tap.close()


def test_messages_are_compressed_both_ways(tap, visit):
    @on_message
    def say(request, socket, context, message):
        socket.send_and_broadcast_channel(message)

    pages = [visit(tap), visit(tap)]
    for page in pages:
        js(page, "await online(); await new Promise((done) => socket.subscribe('a', done))")
    tap.up = tap.down = 0
    js(pages[0], f"for (const one of [{LONG}, 'short', {LONG}]) socket.send(one)")
    same = f"JSON.stringify(seen.filter(([name]) => name === 'message').map(([, one]) => one)) === \
        JSON.stringify([{LONG}, 'short', {LONG}])"
    for page in pages:
        assert js(page, f"await until(() => count('message') === 3); return {same}")
    assert tap.up < 100_000
    assert tap.down < 200_000
