"""``stats`` and ``site_stats``: the numbers of a process and of the site."""

import subprocess
import sys
import textwrap
import time
from functools import partial

import pytest
from django.core.exceptions import PermissionDenied
from gevent import Timeout
from gevent.event import Event

from django_socketio import emit, page_position, site_stats, stats
from django_socketio.concurrency.tallies import RECOVERIES, REFUSALS
from django_socketio.events import on_connect, on_event, on_subscribe
from django_socketio.exceptions import NoRelay
from django_socketio.monitoring import answering
from django_socketio.monitoring.instruments import label_of
from django_socketio.monitoring.measures import Histogram
from django_socketio.monitoring.process import largest
from django_socketio.monitoring.site import site_sockets
from django_socketio.namespaces import Namespace
from django_socketio.relay.topics import channel_topic
from tests.kit.clients import Closed, PollingClient, WebSocketClient, join
from tests.kit.http import get
from tests.kit.programs import ENVIRON
from tests.kit.streams import StreamClient
from tests.kit.waiting import wait_until


def changed(before, after):
    """Return the counts that have changed, with the differences."""
    return {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key)}


def test_what_there_is_now_is_told_without_measuring(server):
    clients = [join(server), join(server, kind=PollingClient)]
    for client in clients:
        client.subscribe("room-1")
    clients[0].subscribe("room-2")
    found = server.call(stats)
    assert found["measured"] is None
    assert found["connections"] == {"websocket": 1, "polling": 1}
    assert found["sockets"] == {"/": 2}
    assert found["channels"] == 2
    assert found["largest"] == [("/", "room-1", 2), ("/", "room-2", 1)]
    assert (found["unsent_bytes"], found["slow_clients"]) == (0, 0)
    assert found["memory"] > 10_000_000
    assert 5 < found["descriptors"] < found["descriptors_limit"]
    assert found["relay"]["alive"] is True


def test_event_streams_are_connections_and_no_sockets(server):
    client = join(server)
    client.subscribe("a")
    streams = [StreamClient(server.port).begin() for _ in range(2)]
    found = server.call(site_stats)
    assert found["silent"] == 0
    (one,) = found["processes"]
    assert one["connections"] == {"websocket": 1, "event_stream": 2}
    assert (one["sockets"], one["away"]) == ({"/": 1}, 0)
    assert one["largest"] == [("/", "a", 1 + len(streams))]


def test_a_process_without_a_server_has_numbers_of_its_own():
    found = stats()
    assert (found["sockets"], found["relay"]["alive"], found["measured"]) == ({}, None, None)


def test_a_process_that_was_forked_has_started_then():
    program = textwrap.dedent(
        """
        import os
        from django_socketio import stats
        first = stats()["started"]
        if not os.fork():
            os._exit(42 if stats()["started"] > first else 1)
        child = os.waitstatus_to_exitcode(os.wait()[1])
        print(child, stats()["started"] == first)
        """
    )
    told = subprocess.check_output([sys.executable, "-c", program], text=True, env=ENVIRON)
    assert told.split() == ["42", "True"]


def test_a_process_without_a_server_and_a_relay_cannot_ask_the_site():
    with pytest.raises(NoRelay):
        site_stats()


@pytest.mark.parametrize("timeout", [0, -1, "1", None])
def test_a_timeout_that_is_no_time_is_refused(timeout):
    with pytest.raises(ValueError, match="timeout must be a number of seconds"):
        site_stats(timeout)


def test_what_comes_and_goes_is_measured(serve, connect):
    @on_event("double")
    def double(request, socket, context, text):
        emit("doubled", text * 2, channel="room-1")
        return text * 2

    server = serve(METRICS=True)
    before = server.call(stats)["measured"]
    client = connect(server)
    client.subscribe("room-1")
    client.emit("double", "x" * 100, id=1)
    client.sync()
    measured = server.call(stats)["measured"]
    assert measured["connections"] == 1
    assert measured["messages_received"] == 4  # CONNECT, subscribe, double, unsubscribe
    assert 100 < measured["bytes_received"] < 1000
    # CONNECT, three answers, the event; the client may not have fetched the first packet.
    assert measured["messages_sent"] - before["messages_sent"] >= 5
    assert 400 < measured["bytes_sent"] - before["bytes_sent"] < 2000
    assert (measured["published"], measured["delivered"], measured["receipts"]) == (1, 1, 1)
    (name,) = measured["handlers"]
    assert name.endswith("double")
    assert measured["handlers"][name]["count"] == 1
    assert measured["waits"]["count"] >= 3


def test_handlers_of_the_package_itself_are_not_measured(serve):
    class Chat(Namespace, namespace="/"):  # which registers one for the end of its greenlets
        def on_say(self, text):
            return text

    server = serve(METRICS=True)
    client = join(server)
    client.ask("say", "x")
    client.send("41")
    wait_until(lambda: server.call(lambda: stats()["sockets"] == {}))
    (name,) = server.call(stats)["measured"]["handlers"]
    assert name.endswith("on_say")


@pytest.mark.parametrize("error", [ValueError, Timeout])
def test_errors_of_handlers_are_counted_and_refusals_are_not(serve, error):
    @on_event("fail")
    def fail(request, socket, context):
        raise error()

    @on_event("refuse")
    def refuse(request, socket, context):
        raise PermissionDenied

    server = serve(METRICS=True)
    client = join(server)
    client.ask("fail")
    client.ask("refuse")
    measured = server.call(stats)["measured"]
    (name,) = measured["errors"]
    assert (name.rpartition(".")[2], measured["errors"][name]) == ("fail", 1)
    assert len(measured["handlers"]) == 2


def test_the_time_of_a_handler_and_the_wait_for_a_free_greenlet_are_measured(serve):
    may_end = []

    @on_event("nap")
    def nap(request, socket, context):
        may_end[0].wait()

    server = serve(METRICS=True, WORKERS=1)
    may_end.append(server.call(Event))
    clients = [join(server) for _ in range(2)]
    for client in clients:
        client.emit("nap", id=1)
    wait_until(lambda: server.call(stats)["handlers_waiting"] == 1)
    begin = time.monotonic()
    assert server.call(stats)["handlers_busy"] == 1
    seconds = time.monotonic() - begin
    server.call(may_end[0].set)
    for client in clients:
        client.receive()
    measured = server.call(stats)["measured"]
    (times,) = measured["handlers"].values()
    assert times["seconds"] >= seconds
    assert measured["waits"]["seconds"] >= seconds


def test_refusals_are_counted_by_their_reason(serve):
    on_connect(lambda request, socket, context: None, namespace="/admin")

    @on_connect
    def only_with_auth(request, socket, context):
        if not socket.auth:
            raise PermissionDenied

    @on_subscribe
    def never(request, socket, context, channel):
        raise PermissionDenied

    server, before = serve(), REFUSALS.counts()
    get(server.port, "/socket.io/?EIO=4&transport=polling", headers={"Origin": "http://evil.test"})
    get(server.port, "/socket.io/?EIO=2&transport=polling")
    get(server.port, "/socket.io/?EIO=4&transport=polling&sid=unknown")
    client = WebSocketClient(server.port)
    client.send("40")
    client.receive()
    client.send("40/nowhere,")
    client.receive()
    client.connect(auth={"key": 1})
    client.subscribe("room-1")
    assert changed(before, REFUSALS.counts()) == {
        "origin": 1,
        "unsupported protocol version": 1,
        "unknown sid": 1,
        "connect": 1,
        "namespace": 1,
        "subscribe": 1,
    }


def test_a_client_that_does_not_read_is_slow_and_then_closed(serve):
    server = serve(METRICS=True, MAX_UNSENT_BYTES=3_000_000)
    client = PollingClient(server.port)
    client.send("40")
    client._polling = None
    wait_until(lambda: server.call(stats)["sockets"] == {"/": 1})
    server.call(lambda: emit("big", "x" * 1_000_000))
    found = server.call(stats)
    assert found["slow_clients"] == 1
    assert found["unsent_bytes"] > 1_000_000
    for _ in range(3):
        server.call(lambda: emit("big", "x" * 1_000_000))
    assert server.call(stats)["measured"]["closes"] == {"slow client": 1}


def test_clients_that_come_back_are_counted(server):
    before, since = RECOVERIES.counts(), server.call(lambda: page_position("room-1"))
    server.call(lambda: emit("one", 1, channel="room-1"))
    client = join(server)
    _, past = client.ask("subscribe", "room-1", {"since": since})
    assert past["recovered"] is True
    _, past = client.ask("subscribe", "room-1", {"since": "elsewhere.1"})
    assert past["recovered"] is False
    assert changed(before, RECOVERIES.counts()) == {"complete": 1, "incomplete": 1}


def test_all_sockets_of_a_channel_can_be_listed(server):
    client = join(server)
    client.subscribe("room-1")
    (socket,) = server.call(lambda: site_sockets(channel_topic("/", "room-1")))
    assert socket["id"] == client.id
    assert (socket["transport"], socket["channels"]) == ("websocket", ["room-1"])
    assert socket["user"] is None
    assert server.call(lambda: site_sockets(channel_topic("/", "room-2"))) == []


def test_event_streams_do_not_hide_the_sockets_of_a_channel(server, monkeypatch):
    monkeypatch.setattr(answering, "MOST_SOCKETS", 2)
    streams = [StreamClient(server.port).begin() for _ in range(2)]
    client = join(server)
    client.subscribe("a")
    found = server.call(lambda: site_sockets(channel_topic("/", "a")))
    assert [one["id"] for one in found] == [client.id]
    assert len(streams) == 2


def test_a_site_of_one_process_has_the_numbers_of_that_process(server):
    client = join(server)
    found = server.call(site_stats)
    assert (len(found["processes"]), found["silent"]) == (1, 0)
    assert found["processes"][0]["sockets"] == {"/": 1}
    client.close()


class Callback:
    def __call__(self, *args):
        """Take an answer."""


def test_callbacks_that_are_objects_have_one_name_together():
    first, second = (partial(print, number) for number in range(2))
    assert label_of(first) == label_of(second) == "builtins.print"
    assert label_of(Callback()) == label_of(partial(Callback())) == f"{__name__}.Callback"


def test_durations_are_counted_in_classes_with_upper_bounds():
    histogram = Histogram()
    for seconds in (0.0005, 0.001, 0.3, 99):
        histogram.add(seconds)
    times = histogram.times()
    assert times["count"] == 4
    assert times["seconds"] == pytest.approx(99.3015)
    assert [number for number in times["buckets"] if number] == [2, 1, 1]
    assert (times["buckets"][0], times["buckets"][-1]) == (2, 1)


def test_the_largest_channels_are_those_with_most_sockets():
    channels = [("/", f"room-{number}", number % 7) for number in range(300)]
    assert len(largest(channels)) == 100
    assert {size for _, _, size in largest(channels)} == {6, 5, 4}


def test_closed_clients_are_counted_by_reason(serve):
    server = serve(METRICS=True)
    client = join(server)
    client.send("9")
    with pytest.raises(Closed):
        client.receive()
    wait_until(lambda: server.call(stats)["measured"]["closes"] == {"parse error": 1})


@pytest.mark.parametrize("metrics", [False, True])
def test_a_server_that_measures_nothing_has_the_plain_parts_only(serve, metrics):
    server = serve(METRICS=metrics)
    clients = [join(server), join(server, kind=PollingClient)]
    one = server.socket_server
    sessions = [one.engine.sessions[client.sid] for client in clients]
    parts = [one.channels, one.executor, *sessions]
    parts += [part for session in sessions for part in (session.transport, session.delegate)]
    modules = {type(part).__module__.removeprefix("django_socketio.") for part in parts}
    plain = {"channels.registry", "concurrency.workers", "sockets.client", "transports.session"}
    plain |= {"transports.websocket", "transports.polling"}
    assert (modules == plain) is not metrics
    assert bool(one.pipeline._layers.handlers[0].__module__.count("monitoring")) is metrics
