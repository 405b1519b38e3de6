"""Connection state recovery: a client of the official library comes back to its socket."""

import gc
import json
import threading
import weakref

import pytest
from django.core.exceptions import PermissionDenied

from django_socketio import (
    CallTimeout,
    ChannelError,
    RelayGap,
    disconnect,
    emit,
    in_thread,
    send,
    sign_channel,
    subscribe,
    unsubscribe,
)
from django_socketio.events import (
    may_subscribe,
    on_away,
    on_connect,
    on_disconnect,
    on_error,
    on_event,
    on_return,
    on_subscribe,
)
from django_socketio.sockets.away import digest_of
from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.live import nothing_is_left
from tests.kit.returning import Returning, record_life
from tests.kit.timeouts import miss_pong
from tests.kit.waiting import wait_until


@pytest.fixture
def server(serve):
    return serve()


@pytest.fixture
def sockets(seen):
    """Record what happens to sockets, and return them by their ids."""
    return record_life(seen)


@pytest.fixture
def client(server, transport, sockets):
    one = Returning(server, transport)
    one.connect()
    return one


def publish(server, *messages, **audience):
    audience = audience or {"channel": "room"}
    for message in messages:
        server.call(lambda m=message: emit("message", m, **audience))


def test_events_have_an_offset_and_those_with_an_ack_id_have_none(server, client, sockets):
    assert client.client.subscribe("room") is True
    publish(server, {"a": 1}, b"binary")
    name, *args = client.client.event()
    assert (name, args[0]) == ("message", {"a": 1})
    assert isinstance(args[1], str)
    assert client.client.receive().startswith('451-["message",{"_placeholder":true,"num":0},"')
    assert client.client.receive() == b"binary"
    socket = sockets[client.id]
    server.call(socket.emit, "direct")
    name, offset = client.client.event()
    assert (name, offset != args[1]) == ("direct", True)
    server.call(lambda: socket.emit("question", "text", callback=print))
    assert client.client.receive() == '420["question","text"]'


def test_it_comes_back_to_its_socket_with_all_it_has_missed(server, client, sockets, seen):
    @on_event("note")
    def note(request, socket, context, text):
        context["note"] = text

    @on_event("read")
    def read(request, socket, context):
        return context["note"], socket.channels, socket.recovered, socket.auth

    client.client.subscribe("room")
    client.client.emit("note", "mine")
    publish(server, "a")
    assert client.event() == ["message", "a"]
    id, pid = client.id, client.pid
    client.cut()
    assert seen.next() == "away"
    publish(server, "b")
    server.call(lambda: sockets[id].emit("message", "c"))
    server.call(lambda: send(id, "d"))
    server.call(lambda: emit("message", "e"))
    publish(server, {"f": [1]})
    assert client.connect(token="x") == {"sid": id, "pid": pid}
    assert client.messages(5) == ["b", "c", "d", "e", {"f": [1]}]
    assert seen.next() == "return"
    assert client.client.ask("read") == ["mine", ["room"], True, {"token": "x"}]
    publish(server, "g")
    assert client.messages(1) == ["g"]
    client.cut()
    assert seen.next() == "away"
    publish(server, "h")
    client.connect()
    assert (client.recovered, client.messages(1)) == (True, ["h"])
    client.client.send("41")
    assert seen.take(4) == [
        "return", ("disconnect", "client namespace disconnect"), ("left", "room"), "finish",
    ]  # fmt: skip
    client.cut()
    assert nothing_is_left(server)
    assert server.socket_server.away.budget.used == 0


# When a client does not come back


@pytest.mark.parametrize("end", ["by the handler", "by a cut"])
def test_a_socket_that_ends_while_on_connect_runs_leaves_nothing(server, seen, gate, end):
    @on_connect
    def come(request, socket, context):
        seen(weakref.ref(socket))
        socket.disconnect() if end == "by the handler" else gate.wait()

    client = WebSocketClient(server.port, query="&recovery=1")
    client.send("40")
    socket = seen.next()
    client.abandon()
    wait_until(lambda: server.socket_server.engine.sessions == {})
    gate.open()
    assert nothing_is_left(server)
    wait_until(lambda: gc.collect() >= 0 and socket() is None)


@pytest.mark.parametrize("transport", ["websocket"])
def test_the_last_handlers_run_once_at_the_end_of_the_time(serve, transport, sockets, seen):
    server = serve(RECOVERY_SECONDS=0.1)
    client = Returning(server, transport)
    client.connect()
    client.client.subscribe("room")
    client.cut()
    assert seen.take(4) == [
        "away", ("disconnect", "transport close"), ("left", "room"), "finish",
    ]  # fmt: skip
    publish(server, "missed")
    client.connect()
    assert not client.recovered
    assert nothing_is_left_but(server, 1)
    assert seen.empty


def nothing_is_left_but(server, sockets):
    return server.call(lambda: len(server.socket_server.open_sockets)) == sockets


FINAL = {
    "a DISCONNECT": lambda client: client.client.send("41"),
    "a page that is left": lambda client: client.client.ws.close(1001, timeout=0),
    "a packet that is none": lambda client: client.client.send("4x"),
}


@pytest.mark.parametrize("transport", ["websocket"])
@pytest.mark.parametrize("how", FINAL)
def test_an_end_is_final_after(server, transport, sockets, seen, how):
    client = Returning(server, transport)
    client.connect()
    FINAL[how](client)
    assert seen.next()[0] == "disconnect"
    assert seen.next() == "finish"
    client.connect()
    assert not client.recovered


@pytest.mark.parametrize(
    "reason", ["slow client", "rate exceeded", "session ended", "too many events"]
)
def test_an_end_by_the_server_is_final(server, sockets, seen, reason):
    client = Returning(server, "websocket")
    client.connect()
    sid = client.client.sid
    server.call(lambda: server.socket_server.engine.sessions[sid].close(reason))
    assert seen.take(2) == [("disconnect", reason), "finish"]


def test_a_logout_ends_a_socket_that_is_away(server, client, sockets, seen):
    client.cut()
    assert seen.next() == "away"
    lifecycle = next(iter(server.socket_server.away._away))
    server.call(lifecycle.login.end)
    assert seen.take(2) == [("disconnect", "session ended"), "finish"]
    client.connect()
    assert not client.recovered


def test_the_server_stops_and_ends_what_is_away(serve, client, server, seen):
    client.cut()
    assert seen.next() == "away"
    server.stop()
    assert seen.take(2) == [("disconnect", "server shutting down"), "finish"]


def test_a_window_of_0_offers_no_recovery(serve, connect):
    client = connect(serve(RECOVERY_SECONDS=0, RECOVERY_FOR_ALL=True), join=False)
    assert json.loads(client.connect()[2:]) == {"sid": client.id}


@pytest.mark.parametrize(
    ("for_all", "query", "expected"),
    [(False, "", False), (False, "&recovery=1", True), (False, "&recovery=0", False),
     (True, "", True), (True, "&recovery=0", False), (False, "&xrecovery=1", False),
     (False, "&recovery=yes", False), (True, "&xrecovery=0", True)],
)  # fmt: skip
def test_who_is_offered_recovery(serve, for_all, query, expected):
    client = Returning(serve(RECOVERY_FOR_ALL=for_all), "websocket", query)
    assert ("pid" in client.connect()) is expected


def test_a_client_that_keeps_positions_is_offered_no_other_recovery(serve, connect):
    client = connect(serve(RECOVERY_FOR_ALL=True), join=False)
    answer = json.loads(client.connect(auth={"_positions": True})[2:])
    assert "pid" not in answer


# What a client presents


@pytest.mark.parametrize("pid", ["x" * 24, "x" * 10_000, 7, None, [], {"a": 1}, "\ud800", ""])
@pytest.mark.parametrize("offset", ["AAAAAAAA.1", None])
def test_a_forged_secret_makes_an_ordinary_socket(server, sockets, seen, pid, offset):
    client = Returning(server, "websocket")
    first = client.connect()
    client.cut()
    assert seen.next() == "away"
    client.pid = None
    again = client.connect(pid=pid, offset=offset)
    assert again["sid"] != first["sid"]
    assert sockets[again["sid"]].auth == {}
    assert seen.empty


@pytest.mark.parametrize("offset", [7, [], {}, "", "x", "x" * 10_000, "a.1", "AAAAAAAA.-1", True])
def test_an_offset_that_no_server_has_sent_makes_an_ordinary_socket(server, sockets, offset):
    client = Returning(server, "websocket")
    first = client.connect()
    pid, client.pid = client.pid, None
    client.cut()
    again = client.connect(pid=pid, offset=offset)
    assert again["sid"] != first["sid"]
    assert again["pid"] != pid


def test_a_secret_is_kept_as_its_digest_only(server, client):
    away = server.socket_server.away
    assert client.pid not in repr([vars(away), away._by_digest])
    assert digest_of(client.pid) in away._by_digest


def test_a_secret_of_another_namespace_is_as_a_forged_one(server, client, sockets, seen):
    @on_event("x", namespace="/other")
    def handle(request, socket, context): ...

    client.cut()
    assert seen.next() == "away"
    other = Returning(server, "websocket")
    answer = other.connect("/other", pid=client.pid)
    assert answer["sid"] != client.id
    client.connect()
    assert client.recovered


def test_an_old_secret_comes_back_to_nothing(server, client, sockets, seen):
    pid, id = client.pid, client.id
    client.client.send("41")
    assert seen.take(2)[1] == "finish"
    client.connect()
    assert (client.recovered, client.id == id, client.pid == pid) == (False, False, False)


# Interleavings that lose or double an event


class Gate:
    """Holds handlers until the test opens it."""

    def __init__(self):
        self.entered, self._open = threading.Event(), threading.Event()

    def wait(self):
        self.entered.set()
        assert in_thread(self._open.wait, 10)

    def open(self):
        self._open.set()


@pytest.fixture
def gate():
    one = Gate()
    yield one
    one.open()


def test_a_message_buffered_while_on_subscribe_decides_comes_after_a_later_one_and_the_cut(
    server, client, sockets, seen, gate
):
    """b waits for on_subscribe, c is sent at once, the client is cut, then b is admitted."""

    @on_subscribe(channel="^slow$")
    def decide(request, socket, context, channel):
        gate.wait()

    client.client.subscribe("room")
    client.client.emit("subscribe", "slow")
    assert gate.entered.wait(10)
    publish(server, "b", channel="slow")
    publish(server, "c")
    assert client.messages(1) == ["c"]
    client.cut()
    wait_until(lambda: len(server.socket_server.away) == 1)
    gate.open()
    assert seen.next() == "away"
    client.connect()
    assert client.messages(1) == ["b"]
    assert (client.recovered, seen.next(), client.client.sync()) == (True, "return", [])


def test_an_offset_of_an_earlier_socket_comes_with_a_new_secret(server, client, sockets, seen):
    """The official client keeps the offset until an event of its new socket comes."""
    publish_to_all(server, "a")
    assert client.messages(1) == ["a"]
    client.client.send("41")
    assert seen.take(2)[1] == "finish"
    client.connect()
    assert not client.recovered
    client.cut()
    assert seen.next() == "away"
    publish_to_all(server, "b", "c")
    client.connect()
    assert (client.recovered, client.messages(2), client.client.sync()) == (True, ["b", "c"], [])


def test_a_client_that_has_had_no_event_comes_back_without_an_offset(server, client, seen):
    client.cut()
    assert seen.next() == "away"
    publish_to_all(server, "a")
    client.connect()
    assert (client.recovered, client.messages(1)) == (True, ["a"])


def test_it_is_kicked_and_joins_again_and_gets_nothing_of_the_time_between(
    server, client, sockets, seen
):
    """Joined, 1 had, 2 sent; kicked, 3; back, 4; the client comes back with the offset of 1."""
    client.client.subscribe("room")
    publish(server, 1)
    assert client.messages(1) == [1]
    socket = sockets[client.id]
    client.cut()
    assert seen.next() == "away"
    publish(server, 2)
    assert server.call(socket.unsubscribe, "room")
    publish(server, 3)
    assert server.call(socket.subscribe, "room")
    publish(server, 4)
    client.connect()
    assert (client.recovered, client.messages(2), client.client.sync()) == (True, [2, 4], [])


def test_a_handler_still_runs_for_the_old_connection_while_the_new_one_claims_the_socket(
    server, client, sockets, seen, gate
):
    """What the handler has sent is missed by the client, and on_away runs before on_return."""

    @on_event("work")
    def work(request, socket, context):
        gate.wait()
        context["done"] = socket.emit("message", "done")
        return "an answer that nothing waits for"

    @on_event("read")
    def read(request, socket, context):
        return context["done"]

    client.client.emit("work", id=7)
    assert gate.entered.wait(10)
    client.cut()
    wait_until(lambda: len(server.socket_server.away) == 1)
    opening = threading.Timer(0.05, gate.open)
    opening.start()
    client.connect()
    assert client.messages(1) == ["done"]
    assert seen.take(2) == ["away", "return"]
    assert client.client.ask("read") == [True]


ON_THE_WAY = {
    "unsubscribe": ([lambda one: unsubscribe("room", session_id=one)], []),
    "subscribe": ([lambda one: subscribe("hall", session_id=one)], ["room", "hall"]),
    "several": (
        [
            lambda one: subscribe("hall", session_id=one),
            lambda one: unsubscribe("hall", session_id=one),
            lambda one: unsubscribe("room", session_id=one),
            lambda one: subscribe("hall", session_id=one),
        ],
        ["hall"],
    ),
}
"""Commands of the site, and the channels that a socket on "room" has after them."""


@pytest.fixture
def claimed(server, sockets, seen, gate):
    """Have a client come back while a handler still runs for its old connection.

    Returns the client, and its new connection.
    """

    @on_event("work")
    def work(request, socket, context):
        gate.wait()

    client = Returning(server, "websocket")
    client.connect()
    client.client.subscribe("room")
    client.client.emit("work")
    assert gate.entered.wait(10)
    client.cut()
    wait_until(lambda: len(server.socket_server.away) == 1)
    newer = WebSocketClient(server.port, query="&recovery=1")
    newer.send("40" + json.dumps({"pid": client.pid}))
    wait_until(lambda: server.call(lambda: is_claimed(server, client.pid, client.id)))
    return client, newer


@pytest.mark.parametrize("commands", ON_THE_WAY)
def test_commands_are_obeyed_while_a_new_connection_claims_the_socket(
    server, claimed, gate, sockets, commands
):
    (client, newer), (commands, channels) = claimed, ON_THE_WAY[commands]
    for command in commands:
        assert server.call(command, client.id).received == 1
    gate.open()
    assert json.loads(newer.receive()[2:])["sid"] == client.id
    assert newer.sync() == []
    assert sockets[client.id].channels == channels


def test_a_loss_is_told_while_a_new_connection_claims_the_socket(
    server, claimed, gate, sockets, seen
):
    @on_error
    def note(request, socket, context, error):
        seen(type(error))

    client, _ = claimed
    server.call(sockets[client.id].lost, "room")
    gate.open()
    assert seen.take(3) == ["away", "return", RelayGap]


def test_the_old_handler_takes_too_long_and_the_new_connection_goes_on_without(
    server, client, sockets, seen, gate, monkeypatch
):
    monkeypatch.setattr("django_socketio.sockets.returning.CLAIM_TIMEOUT", 0.05)

    @on_event("work")
    def work(request, socket, context):
        gate.wait()

    old = client.id
    client.client.emit("work")
    assert gate.entered.wait(10)
    client.cut()
    pid = client.pid
    wait_until(lambda: len(server.socket_server.away) == 1)
    client.connect()
    assert (client.recovered, client.id == old) == (False, False)
    gate.open()
    assert seen.next() == "away"
    other = Returning(server, "websocket")
    answer = other.connect(pid=pid)  # it is still there for the rest of its time
    assert (answer["sid"], seen.next()) == (old, "return")


def test_two_live_connections_present_one_secret_and_the_older_one_ends(
    server, client, sockets, seen
):
    client.client.subscribe("room")
    publish(server, "a")
    assert client.messages(1) == ["a"]
    older, id = client.client, client.id
    client.connect()
    assert (client.recovered, client.id) == (True, id)
    assert seen.take(2) == ["away", "return"]
    assert older.receive() == "41"
    publish(server, "b")
    assert client.messages(1) == ["b"]
    older.send('42["message","from the older one"]')
    older.abandon()
    assert client.client.ask("subscribe", "room") == [True]
    assert seen.empty


@pytest.fixture
def waiting(gate):
    """Have on_away wait."""

    @on_away
    def wait(request, socket, context):
        gate.wait()


@pytest.fixture
def too_late(serve, sockets, seen, gate, waiting, monkeypatch):
    """Have a newer connection wait for on_away of the older one in vain.

    Returns the server and the client, with the secret of the older connection.
    """

    def run(**settings):
        server = serve(**settings)
        client = Returning(server, "websocket")
        client.connect()
        client.older, pid, id = client.client, client.pid, client.id
        with monkeypatch.context() as patch:
            patch.setattr("django_socketio.sockets.returning.CLAIM_TIMEOUT", 0.05)
            client.connect()
        assert (client.recovered, client.id == id, seen.next()) == (False, False, "away")
        client.pid = pid
        gate.open()
        return server, client

    return run


def test_on_away_of_an_older_connection_takes_too_long_and_the_socket_ends_with_its_time(
    too_late, seen
):
    server, client = too_late(RECOVERY_SECONDS=0.3)
    assert seen.take(2) == [("disconnect", "transport close"), "finish"]
    client.older.abandon()
    assert nothing_is_left_but(server, 1)


def test_on_away_of_an_older_connection_takes_too_long_and_the_client_comes_back(too_late, seen):
    server, client = too_late()
    wait_until(lambda: len(server.socket_server.away) == 1)
    publish_to_all(server, "a")
    client.connect()
    assert (client.recovered, client.messages(1), seen.next()) == (True, ["a"], "return")


def test_the_site_ends_the_socket_while_on_away_of_an_older_connection_runs(
    server, sockets, seen, gate, waiting
):
    client = Returning(server, "websocket")
    client.connect()
    newer = WebSocketClient(server.port, query="&recovery=1")
    newer.send("40" + json.dumps({"pid": client.pid}))
    assert gate.entered.wait(10)
    server.call(lambda: disconnect(session_id=client.id))
    gate.open()
    answer = json.loads(newer.receive()[2:])
    assert (answer["sid"] != client.id, answer["pid"] != client.pid) == (True, True)
    assert seen.take(3) == ["away", ("disconnect", "server namespace disconnect"), "finish"]
    newer.send("41")
    assert seen.take(2) == [("disconnect", "client namespace disconnect"), "finish"]
    assert nothing_is_left_but(server, 0)


@pytest.fixture
def in_vain(serve, sockets, seen, gate):
    """Have a client come back in vain: on_return sends more than is kept.

    Returns the server, the id of the old socket, and the new connection, which waits for
    on_disconnect of the old socket.
    """

    @on_return
    def send_too_much(request, socket, context):
        for _ in range(5):
            socket.emit("message", "x" * 400)

    @on_disconnect
    def wait(request, socket, context):
        if not gate.entered.is_set():
            gate.wait()
            socket.disconnect()

    server = serve(MAX_UNSENT_BYTES=2000)
    client = Returning(server, "websocket")
    client.connect()
    client.cut()
    assert seen.next() == "away"
    newer = WebSocketClient(server.port, query="&recovery=1")
    newer.send("40" + json.dumps({"pid": client.pid}))
    assert gate.entered.wait(10)
    assert seen.take(2) == ["return", ("disconnect", "transport close")]
    return server, client.id, newer


def test_a_connection_is_cut_while_the_last_handlers_of_its_old_socket_run(
    in_vain, gate, seen, sockets
):
    server, old, newer = in_vain
    newer.abandon()
    wait_until(lambda: server.call(lambda: server.socket_server.engine.sessions) == {})
    gate.open()
    assert seen.next() == "finish"
    assert nothing_is_left(server)
    assert ([*sockets], seen.empty) == ([old], True)


def test_a_client_connects_again_while_the_last_handlers_of_its_old_socket_run(
    in_vain, gate, seen, sockets
):
    server, old, newer = in_vain
    newer.send("40")
    wait_until(lambda: nothing_is_left_but(server, 2))
    gate.open()
    assert seen.next() == "finish"
    answer = json.loads(newer.receive()[2:])
    assert [*sockets] == [old, answer["sid"]]
    newer.send("41")
    assert seen.take(2) == [("disconnect", "client namespace disconnect"), "finish"]
    assert nothing_is_left_but(server, 0)


def test_the_site_ends_an_old_socket_whose_last_handlers_run(in_vain, gate, seen):
    """The new connection goes on, as another socket."""
    server, old, newer = in_vain
    server.call(lambda: disconnect(session_id=old))
    gate.open()
    assert seen.next() == "finish"
    assert json.loads(newer.receive()[2:])["sid"] != old
    assert newer.subscribe("room") is True


def test_the_connection_that_claims_is_cut_before_it_has_the_socket(server, sockets, seen, gate):
    """A third one claims the socket from the second one, which has waited for the first one."""

    @on_event("work")
    def work(request, socket, context):
        gate.wait()

    client = Returning(server, "websocket")
    client.connect()
    id, pid = client.id, client.pid
    client.client.emit("work")
    assert gate.entered.wait(10)
    client.cut()
    wait_until(lambda: len(server.socket_server.away) == 1)
    second = WebSocketClient(server.port, query="&recovery=1")
    second.send("40" + json.dumps({"pid": pid}))
    wait_until(lambda: server.call(lambda: len(server.socket_server.open_sockets)) == 2)
    wait_until(lambda: server.call(lambda: is_claimed(server, pid, id)))
    second.abandon()
    server.call(lambda: sockets[id].emit("message", "meanwhile"))
    opening = threading.Timer(0.05, gate.open)
    opening.start()
    client.connect()
    assert (client.recovered, client.id, client.messages(1)) == (True, id, ["meanwhile"])
    client.client.send("41")
    *events, gone = iter(seen.next, "finish")
    assert gone == ("disconnect", "client namespace disconnect")
    assert events == ["away", "return"] * (len(events) // 2)
    client.cut()
    assert nothing_is_left(server)


def is_claimed(server, pid, id):
    lifecycle = server.socket_server.away.find(digest_of(pid))
    return lifecycle is not None and lifecycle.socket.session.session_id != id


def test_a_message_for_several_topics_comes_once(server, client, sockets, seen):
    client.client.subscribe("room")
    client.client.subscribe("other")
    both = {"channel": ["room", "other", "a third one"]}
    publish(server, "a", **both)
    assert client.messages(1) == ["a"]
    client.cut()
    assert seen.next() == "away"
    publish(server, "b", **both)
    publish(server, "c", channel=["other", "a third one"])
    client.connect()
    assert (client.recovered, client.messages(2), client.client.sync()) == (True, ["b", "c"], [])


def test_what_a_client_has_fetched_before_an_upgrade_is_not_sent_again(server, sockets, seen):
    """A client upgrades once it has an answer to its poll, with half of the last event here.

    An official client that is closed meanwhile handles these events when it is back. Until then it
    presents the offset of an earlier one.
    """
    client, polling = (
        Returning(server, "websocket"),
        PollingClient(server.port, query="&recovery=1"),
    )

    def fetch():
        return polling.request("GET", polling.path)[1].split("\x1e")

    polling.send("40")
    client.welcomed(json.loads(fetch()[0][2:]))
    publish_to_all(server, "had")
    had = json.loads(fetch()[0][2:])[-1]
    publish_to_all(server, "fetched", *[b"fetched"] * 7, b"half", "unsent")
    packets = fetch()
    assert len(packets) == 16
    fetched = json.loads(packets[0][2:])[-1]
    client.client = polling.upgrade()
    client.client.receive()
    client.cut()
    assert seen.next() == "away"
    publish_to_all(server, "missed")
    for client.offset in (had, fetched):
        client.connect()
        assert client.recovered
        assert client.client.receive().startswith("451-")
        assert client.client.receive() == b"half"
        assert client.messages(2) == ["unsent", "missed"]
        client.cut()


def test_a_client_that_has_gone_silent_comes_back(server, client, sockets, seen):
    client.client.answer_pings = False
    id, older = client.id, client.client
    miss_pong(server, client.client)
    assert seen.next() == "away"
    publish_to_all(server, "a")
    client.connect()
    assert (client.recovered, client.id, client.messages(1)) == (True, id, ["a"])
    assert (seen.next(), older.is_closed()) == ("return", True)


def test_a_client_that_has_gone_silent_ends_with_that_reason(serve, sockets, seen, transport):
    server = serve(RECOVERY_SECONDS=0.1)
    client = Returning(server, transport)
    client.connect()
    client.client.answer_pings = False
    miss_pong(server, client.client)
    assert seen.take(3) == ["away", ("disconnect", "ping timeout"), "finish"]


@pytest.mark.parametrize("sent", [(), ("2probe",), ("2probe", "5")])
def test_the_websocket_is_cut_while_a_client_upgrades(server, sockets, seen, sent):
    """Until the upgrade is complete, the client stays on long-polling."""
    client = Returning(server, "polling")
    client.connect()
    publish_to_all(server, "a")
    assert client.messages(1) == ["a"]
    websocket = WebSocketClient(server.port, client.client.sid)
    for packet in sent:
        websocket.send(packet)
        if packet == "2probe":
            assert websocket.receive() == "3probe"
    websocket.abandon()
    if "5" in sent:
        assert seen.next() == "away"
        publish_to_all(server, "b")
        client.connect()
        assert (client.recovered, seen.next()) == (True, "return")
    else:
        publish_to_all(server, "b")
    assert client.messages(1) == ["b"]
    client.cut()
    assert seen.next() == "away"
    publish_to_all(server, "c")
    client.connect()
    assert (client.recovered, client.messages(1)) == (True, ["c"])


# Access when a client comes back


def test_a_channel_that_it_may_not_have_any_more_is_left_with_its_messages(
    server, client, sockets, seen
):
    admitted = {"room", "other"}

    @may_subscribe
    def is_admitted(request, channel):
        return channel in admitted

    client.client.subscribe("room")
    client.client.subscribe("other")
    client.cut()
    assert seen.next() == "away"
    publish(server, "secret", channel="other")
    publish(server, "a")
    publish(server, "both", channel=["room", "other"])
    admitted.remove("other")
    publish_to_all(server, "all")
    client.connect()
    assert (client.recovered, client.messages(3)) == (True, ["a", "both", "all"])
    assert seen.take(2) == [("left", "other"), "return"]
    assert sockets[client.id].channels == ["room"]
    client.cut()
    assert seen.next() == "away"
    client.connect()
    assert (client.recovered, client.client.sync()) == (True, [])


def only_rooms(request, channels):
    return [channel for channel in channels if channel in allowed]


allowed = ["room", "hall"]


def test_the_setting_is_asked_about_the_channels_that_the_client_has_asked_for(
    serve, sockets, seen, monkeypatch
):
    monkeypatch.setitem(globals(), "allowed", ["room", "hall"])
    server = serve(ALLOWED_CHANNELS="tests.behaviour.test_recovery.only_rooms")
    client = Returning(server, "websocket")
    client.connect()
    client.client.subscribe("room")
    client.client.subscribe("hall")
    socket = sockets[client.id]
    server.call(socket.subscribe, "of the site")
    client.cut()
    assert seen.next() == "away"
    globals()["allowed"] = ["hall"]
    client.connect()
    assert client.recovered
    assert socket.channels == ["hall", "of the site"]


def be_put_on_it_and_leave(client, socket):
    client.server.call(socket.subscribe, "room")
    assert client.client.ask("unsubscribe", "room") == [True]


def be_on_too_many_channels(client, socket):
    def fail_to_join():
        socket.subscribe("other")
        with pytest.raises(ChannelError):
            socket.subscribe("room")
        return socket.unsubscribe("other")

    assert client.server.call(fail_to_join)


@pytest.mark.parametrize("before", [be_put_on_it_and_leave, be_on_too_many_channels])
def test_the_setting_is_asked_about_a_channel_of_a_handler_that_the_client_has_joined_again(
    serve, sockets, seen, monkeypatch, before
):
    monkeypatch.setitem(globals(), "allowed", ["room"])
    server = serve(ALLOWED_CHANNELS="tests.behaviour.test_recovery.only_rooms", MAX_CHANNELS=1)
    client = Returning(server, "websocket")
    client.connect()
    socket = sockets[client.id]
    before(client, socket)
    assert client.client.ask("subscribe", "room") == [True]
    client.cut()
    list(iter(seen.next, "away"))
    globals()["allowed"] = []
    client.connect()
    assert (client.recovered, socket.channels) == (True, [])


def test_a_channel_that_a_token_has_opened_is_kept(serve, sockets, seen):
    """SOCKETIO_DEFAULT_DENY admits the channel because of the token, which is not sent again."""
    server = serve(DEFAULT_DENY=True)
    client = Returning(server, "websocket")
    client.connect()
    assert (
        client.client.ask("subscribe", server.call(lambda: sign_channel("room", anyone=True)))[0]
        is True
    )
    client.cut()
    assert seen.next() == "away"
    publish(server, "a")
    client.connect()
    assert (client.recovered, client.messages(1)) == (True, ["a"])


@pytest.mark.parametrize(
    ("error", "text"), [(PermissionDenied("not now"), "not now"), (ValueError(), "Internal error")]
)
def test_on_return_may_refuse_and_the_socket_ends(server, client, sockets, seen, error, text):
    @on_return
    def refuse(request, socket, context):
        raise error

    pid = client.pid
    client.cut()
    assert seen.next() == "away"
    again = WebSocketClient(server.port, query="&recovery=1")
    again.send("40" + json.dumps({"pid": pid}))
    assert again.receive() == "44" + json.dumps({"message": text}, separators=(",", ":"))
    assert seen.take(3) == ["return", ("disconnect", "server namespace disconnect"), "finish"]
    client.connect()
    assert not client.recovered


# Calls


def test_a_call_raises_at_the_cut_and_while_the_client_is_away(server, client, sockets, seen):
    @on_event("ask me")
    def ask(request, socket, context):
        try:
            socket.call("question")
        except CallTimeout as error:
            seen(str(error))

    client.client.emit("ask me")
    assert client.client.receive() == '420["question"]'
    client.cut()
    assert seen.next() == "the client left before it answered"
    assert seen.next() == "away"
    socket = sockets[client.id]

    def call():
        with pytest.raises(CallTimeout, match="the client is away"):
            socket.call("question")
        return socket.emit("question", callback=print), socket.emit("message", "kept")

    assert server.call(call) == (False, True)
    client.connect()
    assert client.messages(1) == ["kept"]
    server.call(lambda: socket.emit("question", callback=seen))
    assert client.client.receive() == '421["question"]'
    client.client.send('430["of the connection before"]')
    client.client.send('431["answer"]')
    assert seen.take(2) == ["return", "answer"]


# Limits


def test_who_has_missed_more_than_is_kept_is_not_recovered(serve, sockets, seen):
    server = serve(MAX_UNSENT_BYTES=2000)
    client = Returning(server, "websocket")
    client.connect()
    client.cut()
    assert seen.next() == "away"
    publish_to_all(server, *["x" * 400] * 5)
    client.connect()
    assert not client.recovered
    assert seen.take(2) == [("disconnect", "client namespace disconnect"), "finish"]


def test_events_that_a_process_has_no_room_for_are_not_kept(serve, sockets, seen):
    server = serve(RECOVERY_BYTES=1000)
    client, other = Returning(server, "websocket"), Returning(server, "websocket")
    for one in (client, other):
        one.connect()
        one.cut()
        assert seen.next() == "away"
    publish_to_all(server, "x" * 700)  # counts once
    assert 700 < server.socket_server.away.budget.used < 800
    client.connect()
    assert (client.recovered, len(client.messages(1)[0])) == (True, 700)
    publish_to_all(server, "x" * 700)
    other.connect()
    assert not other.recovered
    assert server.socket_server.away.budget.used < 1000


def test_one_address_can_have_a_tenth_of_all_sockets_away(serve, sockets, seen):
    server = serve(MAX_AWAY_SOCKETS=20)
    for _ in range(3):
        client = Returning(server, "websocket")
        client.connect()
        client.cut()
    events = seen.take(4)
    assert events == ["away", "away", ("disconnect", "transport close"), "finish"]


def test_the_addresses_that_one_visitor_can_choose_from_count_as_one(serve, sockets, seen):
    @on_event("be at")
    def be_at(request, socket, context, address):
        request.META["REMOTE_ADDR"] = address

    server, found = serve(MAX_AWAY_SOCKETS=10), []
    for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"):
        client = Returning(server, "websocket")
        client.connect()
        client.client.emit("be at", address)
        client.client.sync()
        client.cut()
        found.append(seen.next())
        if found[-1] != "away":
            assert seen.next() == "finish"
    assert found == ["away", ("disconnect", "transport close"), "away"]


def publish_to_all(server, *messages):
    for message in messages:
        server.call(lambda m=message: emit("message", m))
