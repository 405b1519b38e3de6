"""Presence: who is on a channel, what handlers and clients are told of that."""

import json
import threading

import gevent
import pytest
from django.test import override_settings

from django_socketio import Person, disconnect, presence, presence_count
from django_socketio.channels.watching import Replica
from django_socketio.events import on_connect, on_event, on_join, on_leave, presence_info
from django_socketio.exceptions import RelayError
from django_socketio.relay.envelope import Envelope, EnvelopeKind
from django_socketio.relay.roster import Hold, Presence
from django_socketio.relay.topics import presence_topic
from tests.kit.clients import WebSocketClient, join
from tests.kit.waiting import wait_until


@pytest.fixture
def told():
    """What handlers are told of channels that begin with "room-"."""
    told = []
    on_join(channel="^room-")(lambda channel, person: told.append(("join", channel, person)))
    on_leave(channel="^room-")(lambda channel, person: told.append(("leave", channel, person)))
    return told


@pytest.fixture
def quick(serve):
    """A server without a time of grace."""
    return serve(PRESENCE_GRACE=0)


def person(client):
    return Person(f"socket:{client.id}")


def updates(client):
    """Return what a client was told of presence until now."""
    messages = [json.loads(one[2:]) for one in client.sync() if one.startswith("42")]
    assert {name for name, *_ in messages} <= {"_presence"}
    return [update for _, _, update in messages]


def test_people_join_and_leave_once(quick, told):
    first, second = join(quick, "room-1"), join(quick, "room-1", "hall")
    people = {person(first), person(second)}
    wait_until(lambda: {*presence("room-1")} == people)
    wait_until(lambda: len(told) == 2)
    assert {one for _, _, one in told} == people
    assert (presence_count("room-1"), presence("hall")) == (2, [])
    second.subscribe("room-1")
    second.close()
    first.ask("unsubscribe", "room-1")
    wait_until(lambda: len(told) == 4)
    assert [one[:2] for one in told] == [("join", "room-1")] * 2 + [("leave", "room-1")] * 2
    assert presence("room-1") == []
    assert quick.call(lambda: len(quick.socket_server.presence.keeper)) == 0


@pytest.mark.parametrize("reason", ["", "banned", "server shutting down", "session ended"])
def test_who_is_disconnected_leaves_at_once_whatever_the_reason(serve, told, reason):
    server = serve(PRESENCE_GRACE=3600)
    client = join(server, "room-1")
    wait_until(lambda: presence("room-1") == [person(client)])
    disconnect(channel="room-1", reason=reason)
    wait_until(lambda: presence("room-1") == [])
    assert server.call(lambda: len(server.socket_server.presence.keeper)) == 0


def test_info_comes_from_a_function_of_the_site(quick, told):
    @presence_info(channel="^room-")
    def info(request, channel):
        return {"path": request.path, "channel": channel}

    client = join(quick, "room-1")
    wait_until(lambda: told)
    expected = {"path": "/socket.io/", "channel": "room-1"}
    assert presence("room-1") == [Person(f"socket:{client.id}", None, expected)]


@pytest.mark.parametrize("info", [object(), "x" * 5000])
def test_an_info_that_cannot_be_told_is_an_error_of_the_function(quick, told, info, caplog):
    presence_info(lambda request, channel: info)
    client = join(quick, "room-1")
    wait_until(lambda: told)
    assert presence("room-1") == [person(client)]
    assert "A handler of <Socket" in caplog.text


def test_channels_joined_by_handlers_count_once_the_socket_is_accepted(quick, told):
    @on_connect
    def enter(request, socket, context):
        socket.subscribe("room-1")

    client = join(quick)
    wait_until(lambda: presence("room-1") == [person(client)])
    on_event("go")(lambda request, socket, context: socket.unsubscribe("room-1"))
    client.ask("go")
    wait_until(lambda: presence("room-1") == [])


def test_a_person_leaves_although_the_handler_is_interrupted(quick, told, monkeypatch):
    def unsubscribe(self, topic):
        raise gevent.Timeout

    @on_event("leave")
    def leave(request, socket, context):
        with gevent.Timeout(10, False):
            socket.unsubscribe("room-1")

    client = join(quick, "room-1")
    wait_until(lambda: presence("room-1") == [person(client)])
    monkeypatch.setattr(type(quick.socket_server.relay), "unsubscribe", unsubscribe)
    client.ask("leave")
    wait_until(lambda: presence("room-1") == [])


def test_a_failing_handler_is_logged_and_the_others_are_called(quick, caplog):
    on_join(lambda channel, person: 1 / 0)
    told = []
    on_join(channel="^room-")(lambda channel, person: told.append(channel))
    join(quick, "room-1")
    wait_until(lambda: told)
    assert "ZeroDivisionError" in caplog.text


def test_a_socket_that_is_away_stays_so_when_the_groups_of_its_user_change(quick, told):
    client = WebSocketClient(quick.port, query="&recovery=1")
    client.connect()
    client.subscribe("room-1")
    client.abandon()
    wait_until(lambda: [one.is_away for one in presence("room-1")] == [True])
    (lifecycle,) = quick.socket_server.open_sockets
    quick.call(lifecycle.follow_groups, ())
    done = threading.Event()
    quick.call(lifecycle.obey, lambda _: done.set())
    assert done.wait(10)
    later = join(quick, "room-1")
    wait_until(lambda: person(later) in presence("room-1"))
    assert {one.is_away for one in presence("room-1") if one != person(later)} == {True}


# Clients


def test_a_client_is_told_who_is_there_and_then_each_change(quick, told):
    first, second = join(quick, "room-1"), join(quick, "room-1")
    wait_until(lambda: presence_count("room-1") == 2)
    first.emit("_presence", "room-1", id=7)
    messages = first.sync()
    assert messages.pop() == "437[true]"
    (update,) = [json.loads(one[2:])[2] for one in messages]
    ids = [f"socket:{one.id}" for one in (first, second)]
    assert sorted(one["id"] for one in update["people"]) == sorted(ids)
    assert (update["page"], update["pages"]) == (1, 1)
    third = join(quick, "room-1")
    expected = {"id": f"socket:{third.id}", "user": None, "info": None, "away": False}
    assert first.event()[2]["changes"] == [expected]
    third.close()
    second.close()
    changes = []
    while len(changes) < 2:
        changes += first.event()[2]["changes"]
    assert sorted(one["id"] for one in changes) == sorted(f"socket:{x.id}" for x in (second, third))
    assert {one["gone"] for one in changes} == {True}
    first.ask("unsubscribe", "room-1")
    wait_until(lambda: not quick.call(lambda: len(quick.socket_server.presence.watchers)))


@pytest.mark.parametrize(
    ("channels", "args", "text"),
    [
        ([], ["room-1"], "not on the channel"),
        ([], [], "not on the channel None"),
        (["hall"], ["hall"], "SOCKETIO_PRESENCE"),
        (["room-1"], ["room-1", {"since": 1}], "a position is a text"),
    ],
)
def test_a_client_that_may_not_watch_is_told(quick, told, channels, args, text):
    client = join(quick, *channels)
    client.emit("_presence", *args, id=7)
    (answer,) = [one for one in client.sync() if one.startswith("437")]
    assert text in answer
    assert not quick.call(lambda: len(quick.socket_server.presence.watchers))


def test_a_client_that_is_taken_off_while_people_are_read_is_not_told(quick, told, monkeypatch):
    client = join(quick, "room-1")
    wait_until(lambda: person(client) in presence("room-1"))
    (lifecycle,) = quick.socket_server.open_sockets
    rosters = type(quick.socket_server.relay.rosters)
    read = rosters.read

    def read_slowly(self, topic):
        lifecycle.socket.unsubscribe("room-1")  # by a handler of another socket
        return read(self, topic)

    monkeypatch.setattr(rosters, "read", read_slowly)
    client.emit("_presence", "room-1")
    client.sync()
    assert quick.call(lambda: len(quick.socket_server.presence.watchers)) == 0


def test_nothing_is_read_any_more_for_a_client_whose_missed_changes_cannot_be_read(
    quick, told, monkeypatch
):
    client = join(quick, "room-1")
    (lifecycle,) = quick.socket_server.open_sockets

    def fail(self, topic, after=None, limit=None):
        lifecycle.socket.unsubscribe("room-1")  # so that it does not try again
        raise RelayError("away")

    monkeypatch.setattr(type(quick.socket_server.relay), "read", fail)
    client.emit("_presence", "room-1", "x.1", id=7)
    assert client.sync() == ["437[true]"]
    assert quick.call(lambda: len(quick.socket_server.presence.watchers)) == 0


def test_clients_are_told_of_people_once_the_relay_answers_which_is_asked_for_all_together(
    quick, told, monkeypatch
):
    monkeypatch.setattr("django_socketio.sockets.presence.RETRY_AFTER", 0.01)
    clients = [join(quick, "room-1") for _ in range(3)]
    wait_until(lambda: presence_count("room-1") == 3)
    rosters, wait = type(quick.socket_server.relay.rosters), Replica.wait
    go_on, read, reads, waiting = quick.call(gevent.event.Event), rosters.read, [], []

    def read_late(self, topic):
        reads.append(topic)
        if len(reads) == 1:
            go_on.wait()
            raise RelayError("away")
        return read(self, topic)

    def wait_noted(self):
        waiting.append(self)
        wait(self)

    monkeypatch.setattr(rosters, "read", read_late)
    monkeypatch.setattr(Replica, "wait", wait_noted)
    for client in clients:
        client.emit("_presence", "room-1", id=7)
    wait_until(lambda: len(waiting) == 2)
    quick.call(go_on.set)
    assert [client.receive() for client in clients] == ["437[true]"] * 3
    expected = {f"socket:{client.id}" for client in clients}
    assert [ids_of(client.event()[2]) for client in clients] == [expected] * 3
    assert len(reads) == 2


def test_many_people_come_in_pages_and_many_changes_together(serve, told, monkeypatch):
    monkeypatch.setattr("django_socketio.channels.watching.PAGE", 3)
    server = serve(PRESENCE_GRACE=0)
    clients = [join(server, "room-1") for _ in range(8)]
    wait_until(lambda: presence_count("room-1") == 8)
    clients[0].emit("_presence", "room-1")
    pages = updates(clients[0])
    assert [(one["page"], one["pages"], len(one["people"])) for one in pages] == [
        (1, 3, 3),
        (2, 3, 3),
        (3, 3, 2),
    ]
    for client in clients[1:]:
        client.close()
    gone, events = set(), 0
    while len(gone) < 7:
        gone |= {one["id"] for one in clients[0].event()[2]["changes"]}
        events += 1
    assert events < 7


def watch(server, channel):
    """Return a client that is told who is on a channel, once it has been told of itself."""
    client = join(server, channel)
    wait_until(lambda: person(client) in presence(channel))
    client.emit("_presence", channel)
    assert f"socket:{client.id}" in ids_of(client.event()[2])
    return client


def ids_of(update):
    return {one["id"] for one in update["people"]}


def next_people(client):
    """Return the ids of all people that a client is told next; changes may come before."""
    while "people" not in (update := client.event()[2]):
        pass
    return ids_of(update)


@pytest.fixture
def lossy(quick, told, monkeypatch):
    """Have changes be lost; the function takes what happens while a process reads who is there."""
    relay, topic = quick.socket_server.relay, presence_topic("/", "room-1")
    rosters = type(relay.rosters)
    read = rosters.read

    def lose(meanwhile):
        def read_slowly(self, topic):
            found = read(self, topic)
            meanwhile(lambda one: self.hold("p2", [Hold(topic, one, Presence.ONLINE)]))
            return found

        monkeypatch.setattr(rosters, "read", read_slowly)
        quick.call(quick.socket_server.presence.lost, topic)

    return lose


def test_a_change_that_comes_while_lost_ones_are_read_again_is_not_lost(quick, lossy):
    client = watch(quick, "room-1")
    lossy(lambda come: come("bob"))
    assert next_people(client) == {f"socket:{client.id}", "bob"}


DEEP = f"[null,{'[' * 100_000}{']' * 100_000}]"
FOREIGN = [
    (),
    ("eve",),
    ("eve", "online", None),
    (1, "online", ""),
    ("eve", [], ""),
    ("eve", "here", ""),
    *(("eve", "online", text) for text in ("eve", "{}", "1", "[1]", "[1,2,3]", "[", DEEP)),
]


def test_foreign_changes_are_left_out(quick, told, caplog):
    client = watch(quick, "room-1")
    topic = presence_topic("/", "room-1")
    relay = quick.socket_server.relay
    for args in FOREIGN:
        foreign = Envelope((topic,), "/", "presence", args, kind=EnvelopeKind.CONTROL)
        quick.call(relay.publish, foreign)
    quick.call(relay.rosters.hold, "p2", [Hold(topic, "bob", Presence.ONLINE)])
    assert [one["id"] for one in client.event()[2]["changes"]] == ["bob"]
    told_of = "Ignored a change of no known form: Envelope("
    wait_until(lambda: caplog.text.count(told_of) == len(FOREIGN))


def test_lost_changes_are_read_again_until_the_relay_answers(quick, lossy, monkeypatch):
    monkeypatch.setattr("django_socketio.sockets.presence.RETRY_AFTER", 0.01)
    client = watch(quick, "room-1")
    failures = iter([RelayError("away"), RelayError("away")])

    def meanwhile(come):
        for failure in failures:
            raise failure
        come("bob")

    lossy(meanwhile)
    assert next_people(client) == {f"socket:{client.id}", "bob"}


def test_presence_is_not_noted_unless_a_site_asks(serve):
    server = serve()
    client = join(server, "room-1")
    client.emit("_presence", "room-1", id=7)
    (answer,) = client.sync()
    assert "nobody's presence is noted" in answer
    assert presence("room-1") == []
    assert server.call(lambda: len(server.socket_server.presence.keeper)) == 0


def test_under_debug_the_log_says_once_that_no_presence_is_noted_on_a_channel(serve, caplog):
    serve(PRESENCE=["^room-"])
    with override_settings(SOCKETIO_PRESENCE=["^room-"], DEBUG=True):
        assert (presence("rom-1"), presence("rom-1"), presence_count("rom-1")) == ([], [], 0)
        assert presence("room-1") == []
    (logged,) = [one for one in caplog.records if "presence" in one.getMessage()]
    assert "noted on the channel 'rom-1': no pattern of SOCKETIO_PRESENCE" in logged.getMessage()
    presence("rom-2")
    assert "rom-2" not in caplog.text


def test_a_setting_names_channels(serve):
    server = serve(PRESENCE=["^room-"])
    client = join(server, "room-1", "hall")
    wait_until(lambda: presence("room-1") == [person(client)])
    assert presence("hall") == []


def test_a_socket_that_is_away_is_present_and_its_client_may_come_back(quick, told):
    client = WebSocketClient(quick.port, query="&recovery=1")
    answer = json.loads(client.connect()[2:])
    assert client.subscribe("room-1") is True
    wait_until(lambda: presence("room-1") == [person(client)])
    client.abandon()
    wait_until(lambda: [one.is_away for one in presence("room-1")] == [True])
    back = WebSocketClient(quick.port, query="&recovery=1")
    assert json.loads(back.connect(auth={"pid": answer["pid"]})[2:])["pid"] == answer["pid"]
    wait_until(lambda: [one.is_away for one in presence("room-1")] == [False])
    assert back.id == client.id
    assert [one[0] for one in told] == ["join"]
    back.send("41")
    wait_until(lambda: told[-1][0] == "leave")
