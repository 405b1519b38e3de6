"""How sockets begin and end: each test runs over every transport."""

import gevent
import pytest
from django.core.exceptions import PermissionDenied

from django_socketio.events import (
    on_connect,
    on_disconnect,
    on_error,
    on_event,
    on_finish,
    on_message,
    on_unsubscribe,
)
from django_socketio.monitoring import answering
from django_socketio.security.signals import TOPIC
from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.timeouts import end_connect_timeout, miss_pong
from tests.kit.waiting import wait_until


@pytest.fixture
def ends():
    """A list of what happens to sockets that end, and an event for the last of it."""
    log = []

    @on_disconnect
    def disconnected(request, socket, context):
        log.append(("disconnect", socket.disconnect_reason, socket.channels))

    @on_unsubscribe
    def unsubscribed(request, socket, context, channel):
        log.append(("unsubscribe", channel))

    @on_finish
    def finished(request, socket, context):
        log.append(("finish", socket.channels))

    return log


def wait_until_all_have_ended(server):
    assert server.call(server.socket_server.open_sockets.wait_until_empty, 5)


def in_order(reason):
    return [
        ("disconnect", reason, ["a", "b"]),
        ("unsubscribe", "a"),
        ("unsubscribe", "b"),
        ("finish", ["a", "b"]),
    ]


def subscribed(connect, server):
    client = connect(server)
    client.subscribe("a")
    client.subscribe("b")
    return client


def test_a_client_that_leaves_the_namespace_ends_in_order(server, connect, ends):
    subscribed(connect, server).send("41")
    wait_until_all_have_ended(server)
    assert ends == in_order("client namespace disconnect")
    assert len(server.socket_server.channels) == 0


def test_a_client_that_closes_its_transport_ends_in_order(server, connect, ends):
    subscribed(connect, server).close()
    wait_until_all_have_ended(server)
    assert ends == in_order("transport close")


def test_a_server_that_stops_ends_all_in_order(server, connect, ends):
    client = subscribed(connect, server)
    server.stop()
    assert ends == in_order("server shutting down")
    assert client.is_closed()


def test_a_socket_that_the_server_disconnects_ends_in_order(server, connect, ends):
    late = []

    @on_message
    def leave(request, socket, context, message):
        socket.disconnect()
        socket.disconnect()
        late.append((socket.connected, socket.send("too late")))

    client = subscribed(connect, server)
    client.emit("message")
    assert client.receive() == "41"
    wait_until_all_have_ended(server)
    assert ends == in_order("server namespace disconnect")
    assert late == [(False, False)]


def test_a_client_that_answers_no_pings_ends(server, connect, ends):
    client = connect(server)
    client.answer_pings = False
    miss_pong(server, client)
    assert client.is_closed()
    wait_until_all_have_ended(server)
    assert ends[0] == ("disconnect", "ping timeout", [])


def test_a_client_that_answers_its_pings_lives(serve, connect, ends):
    client = connect(serve(PING_INTERVAL=0.05, PING_TIMEOUT=20))
    while client.pings < 6:
        client.sync()
    assert ends == []


def test_what_came_before_the_end_is_handled_before_it(server, connect, ends):
    @on_message
    def slowly(request, socket, context, message):
        gevent.sleep(0.01)
        ends.append(message)

    client = connect(server)
    for number in range(3):
        client.emit("message", number)
    client.send("41")
    wait_until_all_have_ended(server)
    assert ends[:4] == [0, 1, 2, ("disconnect", "client namespace disconnect", [])]


def test_the_channels_can_be_reached_from_the_last_handlers(server, connect):
    @on_finish
    def say_goodbye(request, socket, context):
        socket.broadcast_channel("left")

    stays, goes = connect(server), connect(server)
    stays.subscribe("a")
    goes.subscribe("a")
    goes.close()
    assert stays.event() == ["message", "left"]


def test_failing_last_handlers_do_not_keep_the_others_from_running(server, connect, ends):
    errors = []

    @on_error
    def note(request, socket, context, exception):
        errors.append(str(exception))

    for event in (on_disconnect, on_unsubscribe, on_finish):

        @event
        def fail(request, socket, context, *args, name=event.name):
            raise ValueError(name)

    subscribed(connect, server).close()
    wait_until_all_have_ended(server)
    assert ends == in_order("transport close")
    assert errors == ["on_disconnect", "on_unsubscribe", "on_unsubscribe", "on_finish"]
    assert len(server.socket_server.channels) == 0


def test_permission_denied_in_on_connect_refuses_the_connection(server, connect, ends):
    @on_connect
    def refuse(request, socket, context):
        socket.subscribe("a")
        socket.send("never seen")
        raise PermissionDenied("Members only")

    client = connect(server, join=False)
    client.send("40")
    assert client.receive() == '44{"message":"Members only"}'
    wait_until_all_have_ended(server)
    assert ends == []
    assert len(server.socket_server.channels) == 0


def test_an_on_connect_that_fails_admits_nobody(server, connect, ends, caplog):
    errors = []

    @on_connect
    def fail(request, socket, context):
        raise ValueError("no database")

    @on_error
    def note(request, socket, context, exception):
        errors.append(str(exception))

    client = connect(server, join=False)
    client.send("40")
    assert client.receive() == '44{"message":"Internal error"}'
    assert errors == ["no database"]
    assert "Traceback" in caplog.text


def test_a_refused_client_may_ask_again(server, connect):
    answers = iter([PermissionDenied("not yet"), None])

    @on_connect
    def decide(request, socket, context):
        if (refusal := next(answers)) is not None:
            raise refusal

    client = connect(server, join=False)
    client.send("40")
    assert client.receive() == '44{"message":"not yet"}'
    client.connect()


def test_disconnecting_in_on_connect_ends_a_socket_that_was_connected(server, connect, ends):
    @on_connect
    def leave(request, socket, context):
        socket.disconnect()

    client = connect(server)
    assert client.receive() == "41"
    wait_until_all_have_ended(server)
    assert [end[0] for end in ends] == ["disconnect", "finish"]


def test_a_client_that_goes_while_on_connect_runs_ends_once(server, connect, ends):
    going, gone = gevent.event.Event(), gevent.event.Event()

    @on_connect
    def wait(request, socket, context):
        going.set()
        gone.wait(5)

    client = connect(server, join=False)
    client.send("40")
    server.call(going.wait, 5)
    client.send("1")
    server.call(gone.set)
    wait_until_all_have_ended(server)
    assert [end[0] for end in ends] == ["disconnect", "finish"]


def test_a_client_can_leave_and_come_back_on_the_same_session(server, connect, ends):
    client = connect(server)
    first = client.id
    client.send("41")
    client.connect()
    assert client.id != first
    assert client.sync() == []
    assert [end[0] for end in ends] == ["disconnect", "finish"]


# A second CONNECT, as React's StrictMode makes it: connect, disconnect, connect at once


@pytest.fixture
def slow_connect():
    """Have the first on_connect wait; returns the events that it has begun, and that it may end."""
    began, release = gevent.event.Event(), gevent.event.Event()

    @on_connect
    def wait(request, socket, context):
        if socket.auth.get("wait"):
            began.set()
            release.wait(5)
        if socket.auth.get("leave"):
            socket.disconnect()
        if socket.auth.get("refuse"):
            raise PermissionDenied("not you")

    return began, release


def test_a_second_connect_replaces_the_socket_and_leaves_other_namespaces(server, connect, ends):
    release = gevent.event.Event()

    @on_event("slow", namespace="/other")
    def slow(request, socket, context):
        release.wait(5)
        return "answered"

    client = connect(server)
    client.connect("/other")
    client.emit("slow", id=7, namespace="/other")
    first = client.id
    client.connect(auth={"n": 2})
    assert client.id != first
    server.call(release.set)
    assert client.receive() == '43/other,7["answered"]'
    assert client.sync() == []
    assert ends == [("disconnect", "client namespace disconnect", []), ("finish", [])]


def test_the_second_connect_is_answered_by_its_own_on_connect(server, connect):
    @on_connect
    def decide(request, socket, context):
        if not socket.auth.get("token"):
            raise PermissionDenied("a token is needed")

    client = connect(server, auth={"token": 1})
    client.send("40{}")
    assert client.receive() == '44{"message":"a token is needed"}'
    client.connect(auth={"token": 2})


def test_what_was_sent_to_a_replaced_socket_is_not_lost(server, connect, ends):
    on_message(lambda request, socket, context, message: ends.append(message))
    client = connect(server)
    client.emit("message", "before")
    client.connect()
    client.emit("message", "after")
    client.sync()
    wait_until_all_are(1, server)
    assert ends.index("before") < ends.index(("finish", []))
    assert "after" in ends


def wait_until_all_are(number, server):
    def wait():
        while len(server.socket_server.open_sockets) != number:
            gevent.sleep(0.001)
        return True

    assert server.call(wait)


@pytest.mark.parametrize("between", [[], ["41"]], ids=["at once", "after leaving"])
@pytest.mark.parametrize("last", ["accept", "refuse", "leave"])
def test_the_first_connect_is_not_answered_if_a_second_has_come(
    server, connect, ends, slow_connect, last, between
):
    began, release = slow_connect
    client = connect(server, join=False)
    client.send(f'40{{"wait":true,"{last}":true}}')
    server.call(began.wait, 5)
    for packet in between:
        client.send(packet)
    client.connect()
    server.call(release.set)
    wait_until_all_are(1, server)
    assert client.sync() == []
    expected = [] if last == "refuse" else ["disconnect", "finish"]
    assert [end[0] for end in ends] == expected


KINDS = {
    "plain": ("", "40"),
    "positions": ("", '40{"_positions":true}'),
    "recovery": ("&recovery=1", "40"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("between", [[], ["41"]], ids=["at once", "after leaving"])
def test_the_first_connect_is_not_answered_if_a_second_comes_while_its_topics_are_joined(
    server, ends, monkeypatch, kind, between
):
    began, release = gevent.event.Event(), gevent.event.Event()
    relay, subscribe_all = server.socket_server.relay, server.socket_server.relay.subscribe_all

    def wait_once(*args, **options):
        monkeypatch.undo()
        began.set()
        release.wait(5)
        return subscribe_all(*args, **options)

    monkeypatch.setattr(relay, "subscribe_all", wait_once)
    query, connect = KINDS[kind]
    client = WebSocketClient(server.port, query=query)
    client.send(connect)
    server.call(began.wait, 5)
    for packet in [*between, connect]:
        client.send(packet)
    wait_until_all_are(2, server)
    server.call(release.set)
    assert client.receive().startswith("40")
    wait_until_all_are(1, server)
    assert client.sync() == []
    assert [end[0] for end in ends] == ["disconnect", "finish"]


def test_a_client_that_leaves_while_on_connect_runs_gets_no_answer(
    server, connect, ends, slow_connect
):
    began, release = slow_connect
    client = connect(server, join=False)
    client.send('40{"wait":true}')
    server.call(began.wait, 5)
    client.send("41")
    server.call(release.set)
    wait_until_all_have_ended(server)
    assert client.connect() and client.sync() == []
    assert [end[0] for end in ends] == ["disconnect", "finish"]


def test_a_server_that_disconnects_while_a_second_connect_waits(server, connect, slow_connect):
    @on_connect
    def leave_then_wait(request, socket, context):
        if socket.auth.get("first"):
            socket.disconnect()
            left.set()
            release.wait(5)

    left, release = gevent.event.Event(), gevent.event.Event()
    client = connect(server, join=False)
    client.send('40{"first":true}')
    server.call(left.wait, 5)
    client.connect()
    server.call(release.set)
    wait_until_all_are(1, server)
    assert client.sync() == []


@pytest.mark.parametrize("packets", [["40", "40"], ["40", "41", "40"], ["40", "40", "41", "40"]])
def test_connects_that_come_in_one_go_leave_the_last(server, packets, ends):
    client = PollingClient(server.port)
    assert client.post("\x1e".join(packets).encode()) == (200, "ok")
    assert client.receive().startswith('40{"sid"')
    wait_until_all_are(1, server)
    # Those before it are answered only if a worker is quick.
    assert all(packet.startswith('40{"sid"') for packet in client.sync())
    assert client.ask("unsubscribe") == [True]


def test_leaving_one_namespace_leaves_the_other(server, connect, ends):
    @on_event("who", namespace="/admin")
    def who(request, socket, context):
        return socket.namespace

    client = connect(server)
    client.connect("/admin")
    client.send("41")
    client.emit("too late")
    assert client.ask("who", namespace="/admin") == ["/admin"]


@pytest.mark.parametrize("kind", [WebSocketClient, PollingClient])
def test_a_client_that_never_connects_is_closed(serve, kind):
    assert kind(serve(CONNECT_TIMEOUT=0.1).port).is_closed()


def test_so_is_one_that_has_only_upgraded(server):
    client = PollingClient(server.port).upgrade()
    end_connect_timeout(server)
    assert client.is_closed()


def test_nothing_is_left_of_sockets_that_have_ended(server, connect):
    for _ in range(3):
        subscribed(connect, server).close()
    wait_until_all_have_ended(server)
    assert len(server.socket_server.channels) == 0
    assert server.socket_server.engine.sessions == {}
    assert set(server.socket_server.relay._subscriptions) == {TOPIC, answering.TOPIC}
    assert len(server.logins) == 0
    assert server.logins.touched == {}


def test_a_refused_client_that_stays_is_closed(server, connect):
    @on_connect
    def refuse(request, socket, context):
        raise PermissionDenied("not you")

    client = connect(server, join=False)
    client.send("40")
    assert client.receive() == '44{"message":"not you"}'
    end_connect_timeout(server)
    assert client.is_closed()


def test_so_is_one_that_is_refused_again_and_again_once_it_stops(server, connect):
    client = connect(server, join=False)
    client.send("40/nowhere,")
    assert client.receive() == '44/nowhere,{"message":"Invalid namespace"}'
    end_connect_timeout(server)
    assert client.is_closed()


def test_a_client_that_has_left_all_namespaces_is_closed(server, connect, ends):
    client = connect(server)
    client.send("41")
    end_connect_timeout(server)
    assert client.is_closed()
    assert ends == [("disconnect", "client namespace disconnect", []), ("finish", [])]


def test_a_client_that_the_server_has_disconnected_is_closed(server, connect):
    @on_message
    def leave(request, socket, context, message):
        socket.disconnect()

    client = connect(server)
    client.emit("message", "leave")
    assert client.receive() == "41"
    end_connect_timeout(server)
    assert client.is_closed()


def test_a_client_that_keeps_a_namespace_lives(server, connect):
    on_event("any", namespace="/other")(lambda request, socket, context: None)
    client, other = connect(server), connect(server)
    client.connect("/other")
    client.send("41")
    client.emit("message", "to a namespace that it has left")
    assert client.ask("any", namespace="/other") == [None]
    other.send("41")
    end_connect_timeout(server)
    assert other.is_closed()
    assert client.ask("any", namespace="/other") == [None]


def test_a_client_that_comes_back_in_time_lives(server, connect):
    on_message(lambda request, socket, context, message: message)
    client, other = connect(server), connect(server)
    for one in (client, other):
        one.send("41")
    client.connect()
    end_connect_timeout(server)
    assert other.is_closed()
    assert client.ask("message", 1) == [1]
    assert len(server.socket_server.engine.sessions) == 1


def test_sockets_that_were_replaced_before_their_turn_run_no_handlers(serve, connect):
    """A client that repeats its CONNECT takes one worker after the other no longer."""
    begun, go = [], gevent.event.Event()

    @on_connect
    def wait(request, socket, context):
        begun.append(socket)
        go.wait(5)

    server = serve(WORKERS=1)
    client = connect(server, join=False)
    for _ in range(20):
        client.send("40")
    wait_until(lambda: begun)
    client.send("40")
    server.call(go.set)
    assert client.receive().startswith("40{")
    assert len(begun) <= 3
