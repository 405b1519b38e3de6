"""Connection state recovery in another process: a client comes back to its socket there."""

import json
import secrets
import threading
from collections import Counter, defaultdict
from functools import partial

import pytest
from django.utils.safestring import mark_safe

from django_socketio import disconnect, emit, in_thread, presence, send, subscribe, unsubscribe
from django_socketio.channels import commands
from django_socketio.channels.claims import CLAIMED
from django_socketio.concurrency.tallies import RECOVERIES
from django_socketio.events import (
    on_event,
    on_join,
    on_leave,
    on_return,
)
from django_socketio.relay.envelope import Delivery, Envelope
from django_socketio.relay.topics import TopicKind, channel_topic, socket_topic
from django_socketio.security.login import Login
from django_socketio.sockets.taking import Taking
from tests.kit.clients import WebSocketClient, join
from tests.kit.live import nothing_is_left
from tests.kit.redis_server import RedisServer
from tests.kit.returning import Returning, record_life
from tests.kit.waiting import wait_until


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The address of a Redis that the tests of this module share."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def servers(url, serve):
    """Two servers of one site."""
    return [listening(serve, url) for _ in range(2)]


def listening(serve, url, **settings):
    server = serve(RELAY_URL=url, RELAY_TIMEOUT=10, **settings)
    server.wait_for_relay()
    return server


@pytest.fixture
def sockets(seen):
    """Record what happens to sockets, with the server that it happens in."""
    found = record_life(seen, lambda request: (port(request),))

    @on_event("note")
    def note(request, socket, context, value):
        context["note"] = value

    @on_event("read")
    def read(request, socket, context):
        return context.get("note"), socket.channels, socket.recovered

    return found


@pytest.fixture
def steps(monkeypatch):
    """Has something done after steps of the way from one process to the other, by their names."""
    todo = {}

    def note(name):
        step = getattr(Taking, name)

        def run(self, *args):
            result = step(self, *args)
            todo.get(name, lambda: None)()
            return result

        monkeypatch.setattr(Taking, name, run)

    for name in ("ask", "_past_since", "follow", "take"):
        note(name)
    return todo


def port(request):
    return int(request.META["SERVER_PORT"])


@pytest.fixture
def client(servers, transport, sockets):
    one = Returning(servers[0], transport)
    one.connect()
    return one


def go_away(client, server, seen):
    """Break the connection of a client, and wait until the server has noticed."""
    client.cut()
    assert seen.next() == ("away", server.port)


def publish(server, *messages, **audience):
    audience = audience or {"channel": "room"}
    for message in messages:
        server.call(lambda m=message: emit("message", m, **audience))


def test_it_comes_back_to_its_socket_in_another_process(servers, client, sockets, seen):
    here, there = servers
    client.client.subscribe("room")
    client.client.emit("note", {"of": ["mine"]})
    publish(here, "a")
    assert client.event() == ["message", "a"]
    id, pid = client.id, client.pid
    go_away(client, here, seen)
    here.call(lambda: sockets[id].emit("message", "b"))
    publish(here, b"binary", {"c": [1]})
    here.call(lambda: send(id, "d"))
    publish(here, "e", channel=["room", "other"])
    assert client.connect(server=there) == {"sid": id, "pid": pid}
    assert client.messages(1) == ["b"]
    assert client.client.receive().startswith('451-["message",{"_placeholder":true,"num":0},"')
    assert client.client.receive() == b"binary"
    assert client.messages(3) == [{"c": [1]}, "d", "e"]
    assert seen.next() == ("return", there.port)
    assert client.client.ask("read") == [{"of": ["mine"]}, ["room"], True]
    publish(here, "g")
    there.call(lambda: send(id, "h"))
    assert client.messages(2) == ["g", "h"]
    wait_until(lambda: nothing_is_left(here))
    go_away(client, there, seen)
    publish(here, "i")
    client.connect(server=here)
    assert (client.recovered, client.messages(1)) == (True, ["i"])
    assert seen.next() == ("return", here.port)
    wait_until(lambda: nothing_is_left(there))
    client.client.send("41")
    assert seen.take(3) == [
        ("disconnect", here.port, "client namespace disconnect"),
        ("left", here.port, "room"),
        ("finish", here.port),
    ]
    client.cut()
    wait_until(lambda: nothing_is_left(here))
    assert seen.empty


def test_what_comes_on_the_way_from_one_process_to_the_other_comes_once(
    servers, client, sockets, seen, steps
):
    check_the_way(*servers, client, sockets, seen, steps)


@pytest.mark.needs("shards")
def test_what_comes_on_the_way_in_a_cluster_comes_once(cluster, serve, sockets, seen, steps):
    """Its nodes have no common order."""
    prefix = secrets.token_hex(4)
    servers = [listening(serve, cluster.url, RELAY_PREFIX=prefix) for _ in range(2)]
    client = Returning(servers[0], "websocket")
    client.connect()
    check_the_way(*servers, client, sockets, seen, steps)


def check_the_way(here, there, client, sockets, seen, steps):
    """Publish at each step of the way; the client gets all, once and in the order of a channel."""
    for channel in ("room", "other"):
        client.client.subscribe(channel)
    go_away(client, here, seen)
    socket = sockets[client.id]
    both = {"channel": ["other", "room"]}

    def publish_after(step):
        for message in (f"{step}-a", f"{step}-b"):
            emit("message", message, channel="room")
        emit("message", f"{step}-both", **both)
        emit("message", f"{step}-all")
        send(socket.session.session_id, f"{step}-sent")

    steps.update({step: partial(publish_after, step) for step in ("ask", "follow", "take")})
    publish(there, "before-both", **both)
    client.connect(server=there)
    assert client.recovered
    publish(here, "last")
    expected = {f"{step}-{what}" for step in steps for what in ("a", "b", "both", "all", "sent")}
    found = client.messages(len(expected) + 2)
    assert sorted(found) == sorted([*expected, "before-both", "last"])
    of_room = [one for one in found if one.endswith(("-a", "-b"))]
    assert of_room == [f"{step}-{what}" for step in ("ask", "follow", "take") for what in "ab"]
    assert client.client.sync() == []


@pytest.mark.parametrize("transport", ["websocket"])
def test_a_message_comes_by_one_topic_and_is_read_of_another_one(
    servers, client, sockets, seen, steps
):
    """Only "other" has to be read: nothing new was there on "room" when this process came."""
    here, there = servers
    for channel in ("room", "other"):
        client.client.subscribe(channel)
    go_away(client, here, seen)

    def publish_both():
        del steps["_past_since"]
        emit("message", "both", channel=["room", "other"])

    steps["ask"] = lambda: emit("message", "first", channel="other")
    steps["_past_since"] = publish_both
    client.connect(server=there)
    publish(here, "last")
    assert (client.recovered, sorted(client.messages(3))) == (True, ["both", "first", "last"])
    assert client.client.sync() == []


@pytest.mark.parametrize("transport", ["websocket"])
def test_what_the_socket_itself_sends_on_the_way_is_not_lost(servers, client, sockets, seen, steps):
    here, there = servers
    go_away(client, here, seen)
    socket = sockets[client.id]
    sent = []
    steps["ask"] = steps["follow"] = lambda: sent.append(socket.emit("message", len(sent)))
    steps["take"] = lambda: sent.append(socket.emit("message", "refused"))
    client.connect(server=there)
    assert sent == [True, True, False]
    assert (client.recovered, client.messages(2), client.client.sync()) == (True, [0, 1], [])


LEAVES = {
    "it leaves the socket": Taking.leave,
    "it dies": lambda taking: taking._socket.abandon(),
}


@pytest.mark.parametrize("transport", ["websocket"])
@pytest.mark.parametrize("how", LEAVES)
def test_the_owner_keeps_a_socket_that_was_not_taken(
    servers, client, sockets, seen, monkeypatch, how
):
    here, there = servers
    monkeypatch.setattr("django_socketio.sockets.handing.TAKE_TIMEOUT", 0.2)
    monkeypatch.setattr(Taking, "take", lambda taking: False)
    monkeypatch.setattr(Taking, "leave", LEAVES[how])
    client.client.subscribe("room")
    go_away(client, here, seen)
    pid, id = client.pid, client.id
    publish(there, "a")
    client.connect(server=there)
    assert not client.recovered
    go_away(client, there, seen)
    publish(there, "b")
    client.pid, client.offset = pid, None
    client.connect(server=here)
    assert (client.recovered, client.id, client.messages(2)) == (True, id, ["a", "b"])
    assert seen.next() == ("return", here.port)


@pytest.fixture
def displace(serve, url, seen, sockets, monkeypatch):
    """Have a client come to another process, which does not take the socket.

    The first process does not know that the older connection is not used any more. Returns this
    process and the client, with the secret of the older connection.
    """

    def run(how="it leaves the socket", before=lambda server: None, **settings):
        monkeypatch.setattr("django_socketio.sockets.handing.TAKE_TIMEOUT", 0.2)
        here, there = (listening(serve, url, **settings) for _ in range(2))
        before(here)
        client = Returning(here, "websocket")
        client.connect()
        client.client.subscribe("room")
        client.older, pid = client.client, client.pid
        with monkeypatch.context() as patch:
            patch.setattr(Taking, "take", lambda taking: False)
            patch.setattr(Taking, "leave", LEAVES[how])
            client.connect(server=there)
        assert not client.recovered
        assert seen.next() == ("away", here.port)
        assert client.older.receive() == "41"
        client.pid = pid
        return here, client

    return run


@pytest.mark.parametrize("how", LEAVES)
def test_an_older_connection_whose_socket_was_not_taken_ends_with_its_time(displace, seen, how):
    here, client = displace(how, RECOVERY_SECONDS=0.3)
    assert seen.take(3) == [
        ("disconnect", here.port, "transport close"), ("left", here.port, "room"),
        ("finish", here.port),
    ]  # fmt: skip
    client.older.abandon()
    wait_until(lambda: nothing_is_left(here))


@pytest.mark.parametrize("is_open", [True, False])
def test_a_client_whose_socket_was_not_taken_comes_back_to_it(displace, sockets, seen, is_open):
    here, client = displace()
    wait_until(lambda: len(here.socket_server.away) == 1)
    if not is_open:
        client.older.abandon()
        wait_until(lambda: here.call(lambda: here.socket_server.engine.sessions) == {})
    publish(here, "a")
    client.connect(server=here)
    assert (client.recovered, client.messages(1)) == (True, ["a"])
    assert seen.next() == ("return", here.port)


@pytest.mark.parametrize("is_open", [True, False])
def test_a_logout_ends_a_socket_that_was_not_taken(displace, seen, is_open):
    here, client = displace()
    (lifecycle,) = here.call(lambda: [*here.socket_server.open_sockets])
    if not is_open:
        client.older.abandon()
        wait_until(lambda: here.call(lambda: here.socket_server.engine.sessions) == {})
    here.call(lifecycle.login.end)
    assert seen.next() == ("disconnect", here.port, "session ended")
    wait_until(lambda: nothing_is_left(here))


def test_a_server_that_stops_ends_a_socket_that_was_not_taken(displace, seen):
    here, _ = displace()
    here.stop()
    assert seen.next() == ("disconnect", here.port, "server shutting down")


def test_a_socket_that_was_not_taken_ends_where_too_many_are_away(displace, seen):
    def fill(server):
        other = Returning(server, "websocket")
        other.connect()
        go_away(other, server, seen)

    here, _ = displace(before=fill, MAX_AWAY_SOCKETS=1)
    assert seen.next() == ("disconnect", here.port, "transport close")


NOT_JSON = [{1, 2}, (1, 2), {1: 2}, 1 + 2j, float("nan"), [b"x"]]
OF_SUBCLASSES = [Counter("a"), [defaultdict(list)], {"a": TopicKind.USER}, {mark_safe("a"): 1}]
"""These equal what another process would make of them."""


@pytest.mark.parametrize("transport", ["websocket"])
@pytest.mark.parametrize("value", [*NOT_JSON, *OF_SUBCLASSES])
def test_a_context_that_is_not_plain_json_stays(servers, client, sockets, seen, caplog, value):
    @on_event("note it")
    def note(request, socket, context):
        context["note"] = value
        return True

    here, there = servers
    assert client.client.ask("note it") == [True]
    pid = client.pid
    go_away(client, here, seen)
    client.connect(server=there)
    assert not client.recovered
    assert ["not plain JSON" in one for one in caplog.messages].count(True) == 1
    client.pid = pid
    client.connect(server=here)
    assert client.recovered
    assert seen.next() == ("return", here.port)


@pytest.mark.parametrize("transport", ["websocket"])
def test_an_older_connection_with_a_context_that_stays_is_not_ended(servers, client, sockets, seen):
    @on_event("note it")
    def note(request, socket, context):
        context["note"] = {1, 2}
        return True

    there = servers[1]
    older = client.client
    assert older.ask("note it") == [True]
    client.connect(server=there)
    assert not client.recovered
    assert older.subscribe("room") is True
    go_away(client, there, seen)
    assert seen.empty


@pytest.mark.parametrize("transport", ["websocket"])
def test_an_owner_that_does_not_answer_in_time(servers, client, sockets, seen, monkeypatch):
    """Handlers of the old connection still run: the socket stays for the rest of its time."""
    here, there = servers
    gate = threading.Event()
    for module in ("taking", "handing"):
        monkeypatch.setattr(f"django_socketio.sockets.{module}.SEARCH_TIMEOUT", 0.1)

    @on_event("work")
    def work(request, socket, context):
        seen("works")
        in_thread(gate.wait, 10)

    client.client.emit("work")
    assert seen.next() == "works"
    pid, id = client.pid, client.id
    client.cut()
    client.connect(server=there)
    assert (client.recovered, client.id == id) == (False, False)
    gate.set()
    assert seen.next() == ("away", here.port)
    client.pid = pid
    client.connect(server=here)
    assert (client.recovered, client.id, seen.next()) == (True, id, ("return", here.port))


def test_a_return_to_another_process_is_counted_as_one(servers, client, sockets, seen):
    here, there = servers
    client.client.subscribe("room")
    go_away(client, here, seen)
    before = RECOVERIES.counts()
    publish(there, "a")
    client.connect(server=there)
    assert (client.recovered, client.messages(1)) == (True, ["a"])
    after = RECOVERIES.counts()
    assert {name: after[name] - before.get(name, 0) for name in after} == {
        **dict.fromkeys(after, 0),
        "socket": 1,
    }


def test_a_handler_still_runs_in_the_old_process_when_the_client_is_in_the_new_one(
    servers, client, sockets, seen
):
    here, there = servers
    gate = threading.Event()

    @on_event("work")
    def work(request, socket, context):
        seen("works")
        in_thread(gate.wait, 10)
        context["note"] = "done"
        socket.emit("message", "done")
        return "an answer that nothing waits for"

    client.client.emit("work", id=7)
    assert seen.next() == "works"
    client.cut()
    opening = threading.Timer(0.1, gate.set)
    opening.start()
    client.connect(server=there)
    assert client.messages(1) == ["done"]
    assert seen.take(2) == [("away", here.port), ("return", there.port)]
    assert client.client.ask("read")[0] == "done"


def test_the_end_of_the_time_waits_for_no_claim_that_has_failed(
    url, serve, sockets, seen, monkeypatch
):
    def fail(login, identity):
        raise ValueError

    monkeypatch.setattr(Login, "allows", fail)
    monkeypatch.setattr("django_socketio.sockets.taking.SEARCH_TIMEOUT", 0.1)
    here, there = (listening(serve, url, RECOVERY_SECONDS=0.3) for _ in range(2))
    client = Returning(here, "websocket")
    client.connect()
    go_away(client, here, seen)
    client.connect(server=there)
    assert not client.recovered
    assert seen.next() == ("disconnect", here.port, "transport close")


@pytest.mark.parametrize(
    "args",
    [(), ("x",), ("x", "y", "z", None, []), ("x", "y", "00", 7, []), ("x", "y", "00", None, "no")],
)
@pytest.mark.parametrize("command", [commands.CLAIM, commands.TAKE, commands.KEEP])
def test_a_claim_of_no_known_form_is_ignored(servers, sockets, seen, command, args):
    here, there = servers
    client = Returning(here, "websocket")
    client.connect()
    topic = socket_topic("/", client.id)
    claims = there.socket_server.away.claims
    assert there.call(claims.send, topic, command, *args) is True
    client.client.sync()
    client.cut()
    client.connect(server=there)
    assert client.recovered


@pytest.mark.parametrize("transport", ["websocket"])
@pytest.mark.parametrize(
    "forge",
    [
        lambda pid: pid[:-1] + ("a" if pid[-1] != "a" else "b"),
        lambda pid: f"{'x' * 20}.{'y' * 24}",
        lambda pid: pid.partition(".")[2],
    ],
)
def test_a_forged_secret_takes_nothing(servers, client, sockets, seen, forge):
    here, there = servers
    pid, id = client.pid, client.id
    go_away(client, here, seen)
    client.pid = forge(pid)
    client.connect(server=there)
    assert (client.recovered, client.id == id) == (False, False)
    client.pid = pid
    client.connect(server=there)
    assert (client.recovered, client.id) == (True, id)


@pytest.mark.parametrize("transport", ["websocket"])
def test_a_forged_secret_is_not_in_the_way_of_the_client(servers, client, sockets, seen, steps):
    here, there = servers
    claims, topic = there.socket_server.away.claims, socket_topic("/", client.id)
    steps["follow"] = lambda: claims.send(topic, commands.CLAIM, "x", "y", "00", None, [])
    go_away(client, here, seen)
    client.connect(server=there)
    assert client.recovered


def test_who_has_missed_more_than_is_kept_is_not_recovered(url, serve, sockets, seen):
    here, there = (listening(serve, url, MAX_UNSENT_BYTES=2000) for _ in range(2))
    client = Returning(here, "websocket")
    client.connect()
    go_away(client, here, seen)
    for _ in range(5):
        here.call(lambda: emit("message", "x" * 400))
    client.connect(server=there)
    assert not client.recovered
    reason = "client namespace disconnect"
    assert seen.take(2) == [("disconnect", here.port, reason), ("finish", here.port)]


ROOM = channel_topic("/", "room")


def deliver_too_much(server):
    for number in range(5):
        envelope = Envelope((ROOM,), "/", "message", (number, "x" * 1000))
        server.socket_server.channels.deliver(Delivery(envelope, ROOM))


def report_a_loss(server):
    for socket in server.socket_server.channels.members(ROOM):
        socket.missed(ROOM)


@pytest.mark.parametrize("step", ["follow", "take"])
@pytest.mark.parametrize("lose", [deliver_too_much, report_a_loss])
def test_who_has_missed_what_came_on_the_way_is_not_recovered(
    url, serve, sockets, seen, steps, step, lose
):
    here, there = (listening(serve, url, MAX_UNSENT_BYTES=2000) for _ in range(2))
    client = Returning(here, "websocket")
    client.connect()
    client.client.subscribe("room")
    publish(here, "kept")
    assert client.event() == ["message", "kept"]
    go_away(client, here, seen)
    steps[step] = partial(lose, there)
    client.connect(server=there)
    assert not client.recovered
    expected = ("disconnect", there.port, "transport close")
    assert [seen.next() for _ in range(2)] == [expected, ("left", there.port, "room")]


def test_without_logs_nothing_is_proved(url, serve, sockets, seen):
    here, there = (listening(serve, url, RELAY_LOG=0) for _ in range(2))
    client = Returning(here, "websocket")
    client.connect()
    go_away(client, here, seen)
    client.connect(server=there)
    assert not client.recovered


COMMANDS = {
    "subscribe": lambda socket_id: subscribe("hall", session_id=socket_id),
    "unsubscribe": lambda socket_id: unsubscribe("room", session_id=socket_id),
    "disconnect": lambda socket_id: disconnect(session_id=socket_id),
}


@pytest.mark.parametrize("transport", ["websocket"])
@pytest.mark.parametrize("step", ["ask", "follow", "take"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_on_the_way_is_obeyed_or_the_client_is_not_recovered(
    servers, client, sockets, seen, steps, step, command
):
    here, there = servers
    client.client.subscribe("room")
    go_away(client, here, seen)
    id = client.id
    steps[step] = lambda: COMMANDS[command](id)
    client.connect(server=there)
    if client.recovered:
        channels = {"subscribe": ["room", "hall"], "unsubscribe": []}.get(command)
        wait_until(lambda: has_obeyed(client.client, channels))
    else:
        assert client.client.ask("read")[1] == []


@pytest.mark.parametrize("transport", ["websocket"])
@pytest.mark.parametrize("audience", ["socket", "channel"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([unsubscribe], ["lobby"]),
        ([subscribe, unsubscribe], ["lobby"]),
        ([unsubscribe, subscribe], ["lobby", "room"]),
    ],
    ids=["off", "on and off", "off and on"],
)
def test_commands_that_come_after_a_socket_was_given_are_obeyed(
    servers, client, sockets, seen, monkeypatch, audience, given, expected
):
    """The process that takes it has not heard that it may."""
    here, there = servers
    for channel in ("room", "lobby"):
        client.client.subscribe(channel)
    witness = join(there, "lobby")
    to = {"session_id": client.id} if audience == "socket" else {"channel": "lobby"}
    go_away(client, here, seen)
    relay, answers = here.socket_server.relay, []
    take = relay.publish

    def command_before_the_last_answer(envelope):
        if envelope.name == CLAIMED:
            answers.append(envelope)
        if envelope.name == CLAIMED and len(answers) == 2:
            for command in given:
                command("room", **to)
            emit("message", "after the commands", channel="lobby")
            in_thread(witness.event)
        return take(envelope)

    monkeypatch.setattr(relay, "publish", command_before_the_last_answer)
    client.connect(server=there)
    assert client.recovered
    assert client.messages(1) == ["after the commands"]
    wait_until(lambda: client.client.ask("read")[1] == expected)


def has_obeyed(client, channels):
    """Whether a client is on channels; None for one that has been told to go."""
    client.emit("read", id=7)
    answer = client.receive()
    return answer == "41" if channels is None else json.loads(answer[3:])[1] == channels


@pytest.fixture
def away(url, serve, sockets, seen):
    """Two servers, and a client that is away from the first one, with its person on "room"."""

    @on_join(channel="room")
    def joined(channel, who):
        seen("joined")

    @on_leave(channel="room")
    def left(channel, who):
        seen("gone")

    here, there = (listening(serve, url, PRESENCE_GRACE=0.2) for _ in range(2))
    client = Returning(here, "websocket")
    client.connect()
    client.client.subscribe("room")
    assert seen.next() == "joined"
    go_away(client, here, seen)
    return here, there, client


def test_its_person_does_not_leave_the_channel(away, seen):
    here, there, client = away
    client.connect(server=there)
    assert (client.recovered, seen.next()) == (True, ("return", there.port))
    wait_until(lambda: len(here.socket_server.presence.keeper) == 0)
    assert [one.is_away for one in there.call(presence, "room")] == [False]
    client.client.send("41")
    assert [one for one in seen.take(4) if one == "gone"] == ["gone"]


def test_its_person_does_not_leave_the_channel_while_on_return_waits(away, seen):
    here, there, client = away

    @on_return
    def wait(request, socket, context):
        in_thread(wait_until, lambda: len(here.socket_server.presence.keeper) == 0)

    client.connect(server=there)
    assert client.recovered
    client.client.send("41")
    events = seen.take(5)
    assert (events.count("gone"), events.count("joined")) == (1, 0)


def test_its_person_does_not_leave_the_channel_if_the_new_connection_breaks(away, seen, steps):
    """It breaks while the other process takes the socket, which is away there then."""
    here, there, client = away
    newer = WebSocketClient(there.port, query="&recovery=1")

    def cut():
        del steps["take"]
        newer.abandon()
        in_thread(wait_until, lambda: there.socket_server.engine.sessions == {})

    steps["take"] = cut
    newer.send("40" + json.dumps({"pid": client.pid}))
    wait_until(lambda: len(there.socket_server.away) == 1)
    wait_until(lambda: len(here.socket_server.presence.keeper) == 0)
    assert [one.is_away for one in there.call(presence, "room")] == [True]
    client.connect(server=there)
    assert (client.recovered, seen.next()) == (True, ("return", there.port))
    wait_until(lambda: [one.is_away for one in there.call(presence, "room")] == [False])
    client.client.send("41")
    assert [one for one in seen.take(4) if one == "gone"] == ["gone"]


def watch(client, known, *people):
    """Return a client's updates of presence, up to the one after which it knows these people."""
    updates = []
    while {id for id, one in known.items() if not one.get("gone")} != {*people}:
        name, _, update = client.event()
        assert name == "_presence"
        updates.append(update)
        known |= {one["id"]: one for one in update.get("people", update.get("changes"))}
    return updates


@pytest.mark.parametrize("step", [None, "ask", "follow", "take"])
def test_a_client_that_watches_presence_is_told_of_all_changes(
    url, serve, sockets, seen, steps, step
):
    here, there = (listening(serve, url, PRESENCE=["^here"]) for _ in range(2))
    client, known, channel = Returning(here, "websocket"), {}, f"here-{step}"
    client.connect()
    client.client.subscribe(channel)
    wait_until(lambda: here.call(presence, channel))
    (mine,) = (one.id for one in here.call(presence, channel))
    client.client.emit("_presence", channel)
    watch(client, known, mine)
    go_away(client, here, seen)
    other = join(there)
    if step is None:
        assert other.subscribe(channel) is True
    else:
        steps[step] = lambda: subscribe(channel, session_id=other.id)
    client.connect(server=there)
    assert (client.recovered, seen.next()) == (True, ("return", there.port))
    wait_until(lambda: len(there.call(presence, channel)) == 2)
    (its,) = {one.id for one in there.call(presence, channel)} - {mine}
    assert all("people" not in update for update in watch(client, known, mine, its))
    unsubscribe(channel, session_id=other.id)
    watch(client, known, mine)


@pytest.mark.parametrize("transport", ["websocket"])
def test_an_older_connection_in_another_process_ends(servers, client, sockets, seen):
    here, there = servers
    client.client.subscribe("room")
    older, id = client.client, client.id
    client.connect(server=there)
    assert (client.recovered, client.id) == (True, id)
    assert seen.take(2) == [("away", here.port), ("return", there.port)]
    assert older.receive() == "41"
    publish(here, "b")
    assert client.messages(1) == ["b"]
    older.send('42["message","from the older one"]')
    older.abandon()
    wait_until(lambda: nothing_is_left(here))
    assert seen.empty


def test_of_many_claims_at_once_one_has_the_socket(url, serve, sockets, seen):
    """Each connection ends, or is the one that has the socket; handlers run for one at a time."""
    servers = [listening(serve, url) for _ in range(3)]
    client = Returning(servers[0], "websocket")
    client.connect()
    pid, id = client.pid, client.id
    go_away(client, servers[0], seen)
    others = [Returning(server, "websocket") for server in servers]
    for other in others:
        other.pid = pid
    threads = [threading.Thread(target=other.connect) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    have_had = [other for other in others if other.recovered]
    assert have_had
    returns = [seen.next() for _ in range(2 * len(have_had) - 1)]
    assert [what for what, _ in returns] == ["return", "away"] * (len(have_had) - 1) + ["return"]
    servers[0].call(lambda: send(id, "for it"))
    last = returns[-1][1]
    (now,) = [other for other in others if other.server.port == last]
    assert now.messages(1) == ["for it"]
