"""socket.presence of socketio.js: who is on a channel, and what has changed."""

import pytest

from django_socketio import sign_channel
from tests.clients.browser.pages import HOLD, js
from tests.kit.clients import join


@pytest.fixture
def server(serve):
    return serve(PRESENCE=["^room"], PRESENCE_GRACE=0)


WATCH = """
  window.told = [];
  make({});
  const note = (people, change) => told.push([people.map((one) => one.id), change]);
  window.watch = () => socket.presence(arg ?? "room", note);
  window.end = watch();
  socket.subscribe(arg ?? "room").connect();
  await until(() => told.length && told.at(-1)[0].includes("socket:" + socket.id));
"""
LAST = """
  const [people, { joined, left, changed }] = told.at(-1);
  const ids = (list) => list.map((one) => one.id);
  return [people, ids(joined), ids(left), ids(changed)];
"""


@pytest.mark.own_window
def test_a_page_sees_who_is_there_and_each_change(server, visit):
    page = visit(server)
    js(page, WATCH)
    own = "socket:" + js(page, "return socket.id")
    count = js(page, "return told.length")
    other = join(server, "room")
    js(page, "await until(() => told.length > arg)", count)
    id = f"socket:{other.id}"
    assert js(page, LAST) == [[own, id], [id], [], []]
    other.close()
    js(page, "await until(() => told.length > arg + 1)", count)
    assert js(page, LAST) == [[own], [], [id], []]
    third = join(server, "room")
    js(page, "await until(() => told.length > arg + 2)", count)

    page.context.set_offline(True)
    js(page, "await until(() => !socket.connected)")
    fourth = join(server, "room")
    third.close()
    page.context.set_offline(False)
    js(page, "await until(() => socket.connected)")
    last = f"socket:{fourth.id}"
    js(page, "await until(() => told.at(-1)[0].includes(arg) && told.at(-1)[0].length === 2)", last)
    assert js(page, LAST)[0][-1] in (last, "socket:" + js(page, "return socket.id"))
    js(page, "socket.unsubscribe('room'); socket.disconnect()")


def test_a_page_names_the_channel_by_a_token(server, visit):
    token = server.call(lambda: sign_channel("room", anyone=True))
    js(visit(server), WATCH, token)


ANEW = {
    "subscribed": ("socket.unsubscribe('room')", "socket.subscribe('room')"),
    "watched": ("end(); watch()", ""),
}


@pytest.mark.parametrize("anew", ANEW)
def test_a_change_that_was_on_its_way_is_not_taken_for_the_list(server, visit, anew):
    page = visit(server)
    js(page, HOLD + WATCH)
    before, after = ANEW[anew]
    js(page, f"hold(); told.length = 0; {before}")
    other = join(server, "room")
    js(page, "await until_arrived('42[\"_presence\"')")
    js(page, f"{after}; release(); await until(() => told.length)")
    people = {f"socket:{other.id}", "socket:" + js(page, "return socket.id")}
    assert {*js(page, "return told[0][0]")} == people
