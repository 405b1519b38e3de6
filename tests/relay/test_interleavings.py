"""Interleavings that could lose a message for a client with positions, or bring it twice.

``docs/delivery.rst`` has them in a table.
"""

import secrets

import pytest
from gevent.event import Event

from django_socketio import emit
from django_socketio.events import on_connect, on_event, on_subscribe
from django_socketio.relay.topics import channel_topic
from tests.kit.clients import WebSocketClient
from tests.kit.keeping import KeepingClient
from tests.kit.waiting import wait_until
from tests.relay.breaking import break_connection
from tests.relay.conftest import message, relays_at

A, B = channel_topic("/", "a"), channel_topic("/", "b")


@pytest.fixture
def prefix():
    return secrets.token_hex(4)


@pytest.fixture
def server(serve, shared_servers, server_name, prefix):
    server = serve(RELAY_URL=shared_servers(server_name).url, RELAY_PREFIX=prefix)
    server.wait_for_relay()
    return server


@pytest.fixture
def other(shared_servers, server_name, prefix):
    """The relay of another process, which is subscribed to "a" and "b", with its inbox."""
    with relays_at(shared_servers(server_name).url, prefix=prefix) as new:
        relay, inbox = new()
        for topic in (A, B):
            relay.subscribe(topic, inbox.deliver)
        yield relay


class Page(KeepingClient):
    """Keeps what comes, and what it is told to have missed."""

    def __init__(self):
        self.received, self.lost = [], []
        super().__init__(self.received.append, self.lost.append)

    def sync(self):
        """Return all that has come, after what the server had sent before now."""
        self.ask("unsubscribe", "no channel of it")
        return self.received


def publish(relay, *contents, topics=(A,)):
    for content in contents:
        assert relay.publish(message(content, *topics))


def before(monkeypatch, owner, name, function):
    """Have a function called before a method, once."""
    method, called = getattr(owner, name), []

    def wrapped(*args, **options):
        if not called:
            called.append(None)
            function()
        return method(*args, **options)

    monkeypatch.setattr(owner, name, wrapped)


def test_1_what_is_accepted_before_a_subscription_is_confirmed_comes_at_once(
    server, other, monkeypatch
):
    page = page_on(server, "b")
    relay = server.socket_server.relay

    def between():
        publish(other, "a1")
        publish(other, "b1", topics=(B,))

    before(monkeypatch, relay._subscriber, "subscribe", between)
    page.subscribe("a")
    assert sorted(page.sync()) == ["a1", "b1"]
    publish(other, "a2")
    wait_until(lambda: len(page.sync()) == 3)
    assert [one for one in page.received if one[0] == "a"] == ["a1", "a2"]


class Gate:
    """Has a handler wait until a test lets it go on."""

    def __init__(self):
        self.reached, self.opened = Event(), Event()

    def wait(self):
        self.reached.set()
        assert self.opened.wait(10)


@pytest.fixture
def gate(server):
    gate = Gate()
    yield gate
    server.call(gate.opened.set)


def page_on(server, *channels):
    """Return a page that is on these channels."""
    page = Page()
    page.connect(server.port)
    for channel in channels:
        page.subscribe(channel)
    return page


def left_off(server, *channels):
    """Return a page that was on these channels and is away."""
    page = page_on(server, *channels)
    page.cut()
    return page


def test_2_what_is_buffered_for_a_channel_is_not_behind_what_came_of_another(server, other, gate):
    page = left_off(server, "b")

    @on_subscribe
    def decide(request, socket, context, channel):
        if channel == "b" and not gate.opened.is_set():
            gate.wait()

    page.wanted = ["a"]
    page.connect(server.port)
    page.begin_to_subscribe("b")
    server.call(gate.reached.wait)
    publish(other, "b1", topics=(B,))
    publish(other, "a1")
    page.take(page.receive())
    assert page.received == ["a1"]
    page.cut()
    server.call(gate.opened.set)
    page.connect(server.port)
    assert page.sync() == ["a1", "b1"]
    assert page.lost == []


@pytest.mark.parametrize("count", range(3))
def test_3_replayed_history_moves_no_position_past_what_has_not_come(server_of_history, count):
    """The connection breaks after so many of two replayed messages."""
    server, options = server_of_history, {"join": ["replay"]}
    publish_here(server, *"abc", channel="replay")
    page = Page()
    page.connect(server.port, **options)
    page.take(page.receive())  # where the channel begins
    for _ in range(count):
        page.take(page.receive())
    page.cut()
    publish_here(server, "away", channel="replay")
    page.connect(server.port, **options)
    publish_here(server, "later", channel="replay")
    wait_until(lambda: "later" in page.sync())
    assert page.received == ["b", "c", "away", "later"]


@pytest.fixture
def server_of_history(serve, shared_servers, server_name, prefix):
    """A server that replays two messages, and puts sockets on the channels that they ask for."""

    @on_connect
    def join(request, socket, context):
        for channel in socket.auth.get("join", ()):
            socket.subscribe(channel)

    rules = {"^replay": {"size": 9, "seconds": 600, "replay": 2}}
    server = serve(RELAY_URL=shared_servers(server_name).url, RELAY_PREFIX=prefix, HISTORY=rules)
    server.wait_for_relay()
    return server


def publish_here(server, *contents, channel):
    for content in contents:
        assert server.call(lambda c=content: emit("message", c, channel=channel))


@pytest.mark.parametrize(
    ("join", "wanted"), [(["a"], []), ([], ["a"])], ids=["by a handler", "by the page"]
)
def test_4_a_position_of_an_earlier_session_counts_once(server_of_history, other, join, wanted):
    """A socket that is taken off a channel and put on it again begins anew."""
    register_kicks()
    server = server_of_history
    page = Page()
    page.wanted = wanted
    page.connect(server.port, join=join)
    page.sync()
    page.cut()
    publish(other, "away")
    page.connect(server.port, join=join)
    assert page.sync() == ["away"]
    page.ask("kick", "a")
    publish(other, "kicked")
    page.ask("admit", "a")
    publish(other, "back")
    wait_until(lambda: "back" in page.sync())
    assert page.received == ["away", "back"]


def register_kicks():
    @on_event("kick")
    def kick(request, socket, context, channel):
        socket.unsubscribe(channel)

    @on_event("admit")
    def admit(request, socket, context, channel):
        socket.subscribe(channel)


def test_5_nothing_comes_of_the_time_in_which_a_page_was_kicked(server_of_history, other):
    register_kicks()
    page = Page()
    page.connect(server_of_history.port, join=["a"])
    publish(other, "joined")
    page.ask("kick", "a")
    assert "channel,a" not in page.at
    publish(other, "kicked")
    page.cut()
    page.connect(server_of_history.port)  # nobody admits it
    publish(other, "away")
    page.cut()
    page.connect(server_of_history.port, join=["a"])
    publish(other, "back")
    wait_until(lambda: "back" in page.sync())
    assert page.received in (["joined", "back"], ["back"])
    assert page.lost == []


@pytest.mark.parametrize("breaks", [False, True], ids=["", "the relay connects again"])
def test_6_logs_that_grow_while_they_are_read_lose_nothing(server, other, monkeypatch, breaks):
    page = left_off(server, "a", "b")
    channels, count = server.socket_server.channels, iter(range(100))
    past = channels.past

    def publish_to_all():
        number = next(count)
        publish(other, f"a{number}")
        publish(other, f"b{number}", topics=(B,))
        publish(other, f"ab{number}", topics=(A, B))

    def past_while_it_grows(topic, wanted):
        publish_to_all()
        found = past(topic, wanted)
        if breaks:
            break_connection(server.socket_server.relay)
        publish_to_all()
        return found

    publish_to_all()
    monkeypatch.setattr(channels, "past", past_while_it_grows)
    page.connect(server.port)
    publish_to_all()
    number = next(count)
    wait_until(lambda: len(page.sync()) >= 3 * number)
    assert page.lost == []
    assert sorted(page.received) == sorted(
        f"{name}{one}" for name in ("a", "b", "ab") for one in range(number)
    )
    for name in ("a", "b"):
        own = [one for one in page.received if one[:-1] == name]
        assert own == [f"{name}{one}" for one in range(number)]


@pytest.fixture
def forgetful(redis_server, serve):
    """A server whose Redis a test takes back to its last snapshot."""
    server = serve(RELAY_URL=redis_server.url)
    server.wait_for_relay()
    return server


def go_back(redis_server, server):
    """Restart Redis from its last snapshot."""
    redis_server.stop()
    redis_server.start()
    server.wait_for_relay()


def test_7_a_redis_that_goes_back_in_time_gives_no_position_twice(
    redis_server, forgetful, new_redis
):
    relay, _ = new_redis()
    page, witness = page_on(forgetful, "a"), page_on(forgetful, "a")
    redis_server.client.save()
    publish(relay, "lost 1", "lost 2")
    wait_until(lambda: len(page.sync()) == 2)
    page.cut()
    go_back(redis_server, forgetful)
    publish(relay, "new 1", "new 2")  # at the places of those that were lost
    page.connect(forgetful.port)
    publish(relay, "new 3")
    wait_until(lambda: "new 3" in page.sync())
    assert "channel,a" in page.lost
    assert page.received == ["lost 1", "lost 2", "new 3"]
    wait_until(lambda: len(witness.sync()) == 5)
    assert "channel,a" in witness.lost


def test_7_a_redis_that_goes_back_to_the_same_data_twice_gives_no_position_twice(
    redis_server, forgetful, new_redis
):
    relay, _ = new_redis()
    page, _witness = page_on(forgetful, "a"), page_on(forgetful, "a")
    redis_server.client.save()
    for number in range(2):
        page.cut()
        go_back(redis_server, forgetful)
        relay.position(A)  # notes that these are other data
        publish(relay, number)
        page.connect(forgetful.port)
        assert page.lost.count("channel,a") == number + 1


def test_7_a_redis_that_goes_back_to_before_a_channel_was_first_read_tells_the_loss(
    redis_server, forgetful, new_redis
):
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)  # no subscriber that has positions
    publish(relay, "before")
    redis_server.client.save()
    page = page_on(forgetful, "a")
    publish(relay, "lost")
    wait_until(page.sync)
    page.cut()
    go_back(redis_server, forgetful)
    wait_until(lambda: inbox.lost)  # which has come back, too
    publish(relay, "new 1")  # at the place of the one that was lost
    page.connect(forgetful.port)
    publish(relay, "new 2")
    wait_until(lambda: "new 2" in page.sync())
    assert "channel,a" in page.lost


def test_7_what_takes_the_place_of_a_message_that_a_page_has_read_comes_to_it(
    redis_server, forgetful, new_redis, monkeypatch
):
    """Nothing has come since the page has read the log, up to a message that Redis forgets."""
    relay, _ = new_redis()
    page = page_on(forgetful, "a")
    redis_server.client.save()
    publish(relay, "forgotten")
    wait_until(page.sync)
    page.cut()
    page.connect(forgetful.port)
    leases = forgetful.socket_server.relay._leases
    monkeypatch.setattr(leases, "renew", lambda topics: None)  # late
    go_back(redis_server, forgetful)
    publish(relay, "new")
    wait_until(lambda: "new" in page.sync())
    assert "channel,a" in page.lost


def test_8_a_handler_of_the_old_socket_takes_nothing_from_the_new_one(server, other, gate):
    @on_event("work")
    def work(request, socket, context):
        gate.wait()
        socket.subscribe("a")
        socket.emit("message", "to the old one")
        socket.unsubscribe("a")
        emit("message", "to all", channel="a")

    page = left_off(server, "a")
    page.connect(server.port)
    page.connection.emit("work")
    server.call(gate.reached.wait)
    page.cut()
    publish(other, "away")
    page.connect(server.port)
    server.call(gate.opened.set)
    wait_until(lambda: "to all" in page.sync())
    publish(other, "later")
    wait_until(lambda: "later" in page.sync())
    assert page.received == ["away", "to all", "later"]


def test_9_two_pages_with_the_same_positions_each_get_all(server, other):
    """A duplicated tab: positions are only read, so no page takes anything from another."""
    page = left_off(server, "a")
    copy = Page()
    copy.at, copy.wanted = dict(page.at), [*page.wanted]
    publish(other, "away")
    for one in (page, copy):
        one.connect(server.port)
    publish(other, "later")
    for one in (page, copy):
        wait_until(lambda one=one: "later" in one.sync())
        assert one.received == ["away", "later"]


def test_10_a_message_for_several_channels_of_a_page_comes_once(server, other):
    page = left_off(server, "a", "b")
    publish(other, "away", topics=(A, B))
    page.connect(server.port)
    publish(other, "later", topics=(B, A))
    wait_until(lambda: "later" in page.sync())
    assert page.received == ["away", "later"]
    page.cut()
    page.connect(server.port)  # both are in each of the logs after its position
    assert page.sync() == ["away", "later"]
    assert page.lost == []


def test_10_a_message_comes_once_to_a_page_that_is_about_to_join_another_of_its_channels(
    server, other, gate, monkeypatch
):
    page = page_on(server, "a")
    relay = server.socket_server.relay
    take_leases = relay._take_leases

    def take_leases_and_wait(topics):
        begin = take_leases(topics)
        gate.wait()
        return begin

    monkeypatch.setattr(relay, "_take_leases", take_leases_and_wait)
    page.begin_to_subscribe("b")
    server.call(gate.reached.wait)
    publish(other, "both", topics=(A, B))
    page.take(page.receive())  # by "a"
    server.call(gate.opened.set)
    page.end_subscribing("b")
    publish(other, "later", topics=(B,))
    wait_until(lambda: "later" in page.sync())
    assert page.received == ["both", "later"]


def test_11_an_answer_that_is_lost_is_given_again(server, other):
    page = left_off(server, "a")
    publish(other, "away")
    page.connection = WebSocketClient(server.port)
    page.connection.connect(auth={"_positions": True})
    page.begin_to_subscribe("a")
    page.connection.receive()  # the answer, which the page does not get
    page.cut()
    page.connect(server.port)
    publish(other, "later")
    wait_until(lambda: "later" in page.sync())
    assert page.received == ["away", "later"]


@pytest.mark.parametrize("count", range(5))
def test_11_the_answer_is_lost_for_a_channel_that_a_handler_joins_as_well(
    server_of_history, other, count
):
    """The connection breaks after so many of the packets up to the answer."""
    server, page = server_of_history, Page()
    page.connect(server.port, join=["a"])
    page.subscribe("a")
    page.cut()
    publish(other, "away")
    page.begin(server.port, join=["a"])
    publish(other, "live")
    page.begin_to_subscribe("a")
    for _ in range(count):
        packet = page.receive()
        if packet.startswith("43"):
            break
        page.take(packet)
    page.cut()
    page.connect(server.port, join=["a"])
    publish(other, "later")
    wait_until(lambda: "later" in page.sync())
    assert (page.received, page.lost) == (["away", "live", "later"], [])


@pytest.mark.parametrize("offset", [10**14 - 2, 10**15 - 2, 2**53 - 10])
def test_12_offsets_keep_all_their_digits(server, other, shared_servers, server_name, offset):
    client, keys = (
        shared_servers(server_name).client,
        [other._keyspace.keys(one)[0] for one in (A, B)],
    )
    for key in keys:
        client.hset(key, mapping={"number": offset, "epoch": "e"})
    page = left_off(server, "a", "b")
    publish(other, 1, 2)
    publish(other, 3, topics=(A, B))
    publish(other, 4)
    page.connect(server.port)
    publish(other, 5)
    wait_until(lambda: 5 in page.sync())
    assert page.received == [1, 2, 3, 4, 5]
    assert page.lost == []
    assert page.at["channel,a"] == f"e.{offset + 5}"
