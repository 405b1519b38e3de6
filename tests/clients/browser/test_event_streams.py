"""Event streams in a browser: ``EventSource`` comes back by itself, and ``fetch`` reads as well."""

import pytest
from django.urls import path

from django_socketio import EventStreamView, emit
from tests.clients.browser import site
from tests.clients.browser.conftest import stop
from tests.clients.browser.pages import js


class Ticks(EventStreamView):
    channels = ("ticks",)
    retry = 0.05


@pytest.fixture
def server(serve, redis, monkeypatch):
    """A server with a stream."""
    monkeypatch.setattr(site, "urlpatterns", [*site.urlpatterns, path("ticks/", Ticks.as_view())])
    return serve(RELAY_URL=redis.url)


LISTEN = """
  window.got = [], window.resets = 0, window.opened = 0;
  window.source = new EventSource(arg);
  source.addEventListener("tick", (event) => got.push([JSON.parse(event.data), event.lastEventId]));
  source.onmessage = (event) => got.push([event.data]);
  source.addEventListener("reset", () => resets++);
  source.addEventListener("open", () => opened++);
  await until(() => opened);
"""

FETCH = """
  const answer = await fetch("/ticks/", {headers: {"Last-Event-ID": arg}});
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("data: ")) text += (await reader.read()).value;
  reader.cancel();
  return [answer.headers.get("Content-Type"), /^data: (.*)$/m.exec(text)[1]];
"""


def publish(server, *numbers):
    for number in numbers:
        server.call(lambda n=number: emit("tick", n, channel="ticks"))


def numbers(page, count):
    js(page, "await until(() => got.length >= arg)", count)
    return [number for number, _ in js(page, "return got")]


def test_a_browser_misses_nothing_in_a_restart(server, visit, restart):
    page = visit(server)
    js(page, LISTEN, "/ticks/")
    assert server.call(lambda: len(server.socket_server.open_sockets)) == 1
    stop(server)
    js(page, "await until(() => source.readyState === EventSource.CONNECTING)")
    emit("tick", 1, channel="ticks")  # nobody listens, and the page has got no event yet
    again = restart(server)
    assert numbers(page, 1) == [1]
    publish(again, 2)
    assert numbers(page, 2) == [1, 2]
    again.call(lambda: next(iter(again.socket_server.open_sockets)).close("transport close"))
    publish(again, 3, 4)
    assert numbers(page, 4) == [1, 2, 3, 4]
    assert js(page, "return [resets, source.readyState]") == [0, 1]
    before = js(page, "return got[2][1]")
    assert js(page, FETCH, before) == ["text/event-stream", "4"]
    js(page, "source.close()")
