"""The scenarios of the test by which Socket.IO checks the connection state recovery of its server.

Each speaks the protocol over long-polling, and comes back to the same process or to another one.
"""

import json

import pytest
from django.core.exceptions import PermissionDenied

from django_socketio import emit
from django_socketio.events import on_connect, on_event, on_return
from tests.kit.http import exchange


class Session:
    """An Engine.IO session on long-polling, without a thread."""

    def __init__(self, server, query="&recovery=1"):
        self._port = server.port
        self._path = "/socket.io/?EIO=4&transport=polling"
        self._path += "&sid=" + json.loads(self.poll(query)[0][1:])["sid"]

    def poll(self, query=""):
        """Return the packets of one answer."""
        status, body = exchange(self._port, "GET", self._path + query, None, {})
        assert status == 200, body
        return body.split("\x1e")

    def push(self, packet):
        assert exchange(self._port, "POST", self._path, packet.encode(), {}) == (200, "ok")

    def connect(self, **ticket):
        """Return what CONNECT answers, and the packets after it."""
        self.push("40" + json.dumps(ticket) if ticket else "40")
        answer, *others = self.poll()
        assert answer.startswith("40")
        return json.loads(answer[2:]), others


@pytest.fixture(params=["the same process", "another process"])
def servers(request, serve, redis):
    """The servers of the first connection and of the second one."""
    if request.param == "the same process":
        return [serve()] * 2
    pair = [serve(RELAY_URL=redis.url, RELAY_TIMEOUT=10) for _ in range(2)]
    for server in pair:
        server.wait_for_relay()
    return pair


@pytest.fixture
def seen():
    """What on_connect and on_return have got."""
    found = []

    @on_connect
    def connected(request, socket, context):
        found.append(("connect", socket))
        socket.subscribe("room1")
        socket.subscribe("room2")
        context["foo"] = "bar"

    @on_return
    def returned(request, socket, context):
        found.append(("return", socket, socket.recovered, socket.channels, context))

    return found


def begin(server):
    """Connect, get an event and leave; return the id, the secret and the offset."""
    session = Session(server)
    answer, _ = session.connect()
    server.call(lambda: emit("hello"))
    (packet,) = session.poll()
    name, offset = json.loads(packet[2:])
    assert name == "hello"
    session.push("1")
    return answer["sid"], answer["pid"], offset


def test_the_socket_and_what_it_has_missed_are_restored(servers, seen):
    here, there = servers
    sid, pid, offset = begin(here)
    socket = seen[0][1]
    here.call(lambda: emit("hello1"))
    here.call(lambda: emit("hello2", channel="room1"))
    here.call(lambda: socket.emit("hello3"))
    answer, events = Session(there).connect(pid=pid, offset=offset)
    assert answer == {"sid": sid, "pid": pid}
    names = [json.loads(event[2:])[0] for event in events]
    assert sorted(names) == ["hello1", "hello2", "hello3"]
    offsets = {json.loads(event[2:])[1] for event in events}
    assert len(offsets | {offset}) == 4


def test_channels_and_context_are_restored_without_on_connect(servers, seen):
    here, there = servers
    sid, pid, offset = begin(here)
    Session(there).connect(pid=pid, offset=offset)
    (_, first), (_, second, is_recovered, channels, context) = seen
    assert second.session.session_id == first.session.session_id == sid
    assert (is_recovered, channels, context) == (True, ["room1", "room2"], {"foo": "bar"})


def test_on_return_decides_as_middlewares_that_are_not_skipped(servers, seen):
    here, there = servers
    _, pid, offset = begin(here)

    @on_return
    def refuse(request, socket, context):
        raise PermissionDenied("no")

    session = Session(there)
    session.push("40" + json.dumps({"pid": pid, "offset": offset}))
    assert session.poll() == ['44{"message":"no"}']


def test_an_unknown_secret_restores_nothing(servers, seen):
    answer, _ = Session(servers[1]).connect(pid="foo", offset="bar")
    assert answer["sid"] != "foo"
    assert answer["pid"] != "foo"
    assert [what for what, *_ in seen] == ["connect"]


def test_it_is_disabled_by_default(servers):
    @on_event("x")
    def handle(request, socket, context): ...

    answer, _ = Session(servers[0], query="").connect()
    assert [*answer] == ["sid"]


def test_nothing_is_kept_or_restored_where_it_is_disabled(serve):
    @on_event("x")
    def handle(request, socket, context): ...

    server = serve(RECOVERY_SECONDS=0, RECOVERY_FOR_ALL=True)
    session = Session(server)
    answer, _ = session.connect(pid="foo", offset="bar")
    session.push("1")
    assert [*answer] == ["sid"]
    assert server.socket_server.away is None
    assert server.call(server.socket_server.open_sockets.wait_until_empty, 5)
