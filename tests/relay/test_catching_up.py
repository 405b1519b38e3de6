"""Catching up after a broken connection: many topics at once, and nothing waits for it."""

import logging
import socket
import threading

import gevent
import pytest

from django_socketio.events import on_error, on_event
from django_socketio.relay.cluster.shard import ShardSubscriber
from django_socketio.relay.envelope import UNLOGGED, Envelope, EnvelopeKind
from django_socketio.relay.redis import catching_up, subscriber
from django_socketio.relay.topics import channel_topic, socket_topic
from tests.kit.clients import join
from tests.kit.waiting import wait_until
from tests.relay.breaking import (
    break_connection,
    coming_back,
    commands,
    deaf,
    step_after,
    subscribe_to_all,
)
from tests.relay.conftest import A, Inbox, message

MANY = 3_000
TOPICS = [channel_topic("/", f"room-{number}") for number in range(MANY)]


@pytest.fixture
def many(new_redis):
    """A relay that is subscribed to many topics, with its inbox."""
    return subscribed_to_many(new_redis)


def subscribed_to_many(new):
    relay, inbox = new(listen=False)
    subscribe_to_all(relay, inbox, TOPICS)
    relay.listen()
    wait_until(lambda: relay.status()["alive"])
    return relay, inbox


def test_round_trips_do_not_grow_with_the_topics(redis_server, many, new_redis):
    relay, inbox = many
    other, others = new_redis()
    active = TOPICS[::3]
    subscribe_to_all(other, others, active)
    break_connection(other)  # and so has it subscribe
    for topic in active[:200]:
        relay.publish(message(f"1 {topic}", topic))
    for box in (inbox, others):
        box.wait(lambda box=box: len(box.messages) == 200)
    with deaf(relay, 200):
        for topic in active[:200]:
            other.publish(message(f"2 {topic}", topic))
    redis_server.client.config_resetstat()
    break_connection(relay)
    inbox.wait(lambda: len(inbox.messages) == 400)
    assert inbox.lost == []
    assert inbox.messages[200:] == [f"2 {topic}" for topic in active[:200]]
    sent = commands(redis_server)
    asked = sum(number for name, number in sent.items() if name in ("evalsha", "eval"))
    assert asked <= MANY / catching_up.AT_ONCE + 2, sent
    assert sent["subscribe"] <= MANY / subscriber.SUBSCRIBED_AT_ONCE + 1


def test_what_comes_for_a_topic_before_it_is_caught_up_with_is_not_lost_to_a_short_log(
    redis_server, new_redis, monkeypatch
):
    # Redis cuts logs by a hundred messages at once.
    relay = check_catching_up(new_redis, monkeypatch, 400, log_size=1)
    assert len(relay._log.entries(A, 0)) < 390


def check_catching_up(new_redis, monkeypatch, count, **options):
    """Check that all of so many messages come, of which all but ten come while a relay catches up.

    Returns the relay.
    """
    (relay, inbox), (other, others) = new_redis(**options), new_redis(**options)
    for one, box in ((relay, inbox), (other, others)):
        one.subscribe(A, box.deliver)
    publish_all(other, others, range(10))
    inbox.wait_for(9)
    publish = step_after(lambda: publish_all(other, others, range(10, count)))
    monkeypatch.setattr(catching_up.CatchUp, "step", publish)
    break_connection(relay)
    inbox.wait_for(count - 1)
    assert inbox.messages == list(range(count))
    assert inbox.lost == []
    return relay


def publish_all(relay, inbox, numbers):
    for number in numbers:
        relay.publish(message(number))
    inbox.wait_for(numbers[-1])


@pytest.mark.parametrize("limit", [0, 1_000])
def test_what_is_beyond_the_limit_of_held_messages_is_read_from_the_log(
    redis_server, new_redis, monkeypatch, limit
):
    monkeypatch.setattr(catching_up, "HELD_BYTES", limit)
    check_catching_up(new_redis, monkeypatch, 100)


def test_a_long_log_is_read_in_pieces(redis_server, new_redis, monkeypatch):
    monkeypatch.setattr("django_socketio.relay.redis.log.MISSED_BYTES", 2_000)
    relay, inbox = new_redis()
    other, others = new_redis()
    topics = [A, *TOPICS[:3]]
    for topic in topics:
        relay.subscribe(topic, inbox.deliver)
        other.subscribe(topic, others.deliver)
    with deaf(relay, 600):
        for number in range(150):
            for topic in topics:
                other.publish(message((str(topic), number), topic))
    break_connection(relay)
    inbox.wait(lambda: len(inbox.messages) == 600)
    for topic in topics:
        came = [number for name, number in inbox.messages if name == str(topic)]
        assert came == list(range(150))
    assert inbox.lost == []


def test_messages_that_topics_share_are_delivered_once(redis_server, new_redis):
    relay, inbox = new_redis()
    other, others = new_redis()
    topics = TOPICS[:20]
    for topic in topics:
        relay.subscribe(topic, inbox.deliver)
        other.subscribe(topic, others.deliver)
    with deaf(relay, 100):
        for number in range(5):
            other.publish(message(f"{number}" * 1000, *topics))
    redis_server.client.config_resetstat()
    break_connection(relay)
    inbox.wait(lambda: len(inbox.messages) == 5)
    assert [text[0] for text in inbox.messages] == list("01234")
    assert commands(redis_server)["hget"] < 10  # of a hundred references
    assert inbox.lost == []


def test_a_call_after_the_last_message_of_a_topic_is_no_loss(redis_server, new_redis):
    """It has no position, so the log has another message at that of the topic."""
    (relay, inbox), (other, _) = new_redis(), new_redis()
    relay.subscribe(A, inbox.deliver)
    call = Envelope((A,), "/", "confirm?", ("call",), kind=EnvelopeKind.CALL, keep=UNLOGGED)
    for envelope in (message("first"), call):
        other.publish(envelope)
    inbox.wait_for("call")
    break_connection(relay)
    other.publish(message("last"))
    inbox.wait_for("last")
    assert inbox.messages == ["first", "call", "last"]
    assert inbox.lost == []


def test_a_newcomer_does_not_wait_for_the_others(redis_server, many, monkeypatch):
    relay, inbox = many
    begun, resumed = threading.Event(), threading.Event()
    step = catching_up.CatchUp.step

    def slow(self):
        begun.set()
        if resumed.is_set():
            return step(self)
        return False

    monkeypatch.setattr(catching_up.CatchUp, "step", slow)
    redis_server.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert begun.wait(10)
    newcomers = (A, socket_topic("/", "new"))
    relay.subscribe_all(newcomers, inbox.deliver)
    for topic in newcomers:
        assert relay._subscriber._channels[relay._keyspace.channel(topic)].is_set()
        assert relay.publish(message(f"to {topic}", topic)) == 1
        inbox.wait_for(f"to {topic}")
    assert not relay.status()["alive"]
    relay.publish(message("held", TOPICS[0]))
    resumed.set()
    inbox.wait_for("held")
    assert inbox.lost == []


def test_callers_cannot_take_the_connections_that_catching_up_needs(redis_server, new_redis):
    relay, inbox = new_redis(url=f"{redis_server.url}?max_connections=2", timeout=1)
    other, others = new_redis()
    relay.subscribe(A, inbox.deliver)
    other.subscribe(A, others.deliver)
    with deaf(relay, 1):
        other.publish(message("missed"))
    pool = relay._log._client.connection_pool
    taken = [pool.get_connection() for _ in range(2)]
    break_connection(relay)
    inbox.wait_for("missed")
    assert relay.status()["reconnects"] == 1
    for connection in taken:
        pool.release(connection)


@pytest.fixture
def many_in_cluster(new_cluster):
    """The same in a cluster: all is confirmed, and nothing is to be caught up with."""
    relay, inbox = new_cluster()
    wait_until(lambda: relay.status()["alive"])
    relay.subscribe_all(TOPICS, inbox.deliver)
    return relay, inbox


def test_round_trips_do_not_grow_with_the_topics_of_a_cluster(cluster, many_in_cluster):
    relay, inbox = many_in_cluster
    break_connection(relay)  # the nodes have the scripts from now on
    cluster.run("CONFIG", "RESETSTAT")
    break_connection(relay)
    sent = commands(*cluster.nodes)
    asked = sent["evalsha"] + sent["eval"]
    # Of each node: one step more, as its topics do not come out even, and two for its lease.
    assert asked <= MANY / catching_up.AT_ONCE + 3 * len(cluster.nodes), sent
    for number in range(0, MANY, 300):
        assert relay.publish(message(number, TOPICS[number]))
        inbox.wait_for(number)


def test_a_newcomer_waits_for_no_node_that_is_caught_up_with(many_in_cluster, monkeypatch):
    relay, inbox = many_in_cluster
    begun, resumed = threading.Event(), threading.Event()
    step = catching_up.CatchUp.step

    def slow(self):
        begun.set()
        return step(self) if resumed.is_set() else False

    monkeypatch.setattr(catching_up.CatchUp, "step", slow)
    for shard in relay._subscriber._subscribers.values():
        shard._made._sock.shutdown(socket.SHUT_RDWR)
    assert begun.wait(10)
    wait_until(lambda: all(one.is_receiving for one in relay._subscriber._subscribers.values()))
    newcomers = [channel_topic("/", f"new-{number}") for number in range(20)]
    relay.subscribe_all(newcomers, inbox.deliver)
    for topic in newcomers:
        assert relay._subscriber._confirmed[relay._keyspace.channel(topic)].is_set()
        assert relay.publish(message(f"to {topic}", topic)) == 1
        inbox.wait_for(f"to {topic}")
    assert not relay.status()["alive"]
    resumed.set()
    wait_until(lambda: relay.status()["alive"])
    assert inbox.lost == []


def test_idle_topics_whose_node_is_found_after_it_is_heard_are_not_told_of_a_loss(
    new_cluster, monkeypatch
):
    start = ShardSubscriber.start

    def start_and_connect(self):
        start(self)
        wait_until(lambda: self.alive)

    monkeypatch.setattr(ShardSubscriber, "start", start_and_connect)
    relay, inbox = new_cluster(listen=False)
    relay.subscribe_all(TOPICS[:20], inbox.deliver)
    relay.listen()
    wait_until(lambda: relay.status()["alive"])
    for topic in TOPICS[:20]:
        wait_until(lambda topic=topic: relay.publish(message(f"to {topic}", topic)))
        inbox.wait_for(f"to {topic}")
    assert inbox.lost == []


def test_topics_are_taken_in_the_order_of_need():
    queue = catching_up.TopicQueue()
    for topic in TOPICS[:3]:
        queue.add(topic, is_active=False)
    queue.add(TOPICS[3], is_active=True)
    queue.hurry(TOPICS[2])
    queue.hurry(A)
    assert queue.take(3) == [TOPICS[2], A, TOPICS[3]]
    assert queue.take(3) == TOPICS[:3]
    assert not queue


def test_nothing_is_held_up_by_many_topics(redis_server, many, monkeypatch):
    relay, _ = many
    worked, done = [], [0]

    def count(owner, name):
        function = getattr(owner, name)

        def counted(*args):
            done[0] += 1
            return function(*args)

        monkeypatch.setattr(owner, name, counted)

    def give_way():
        worked.append(done[0])
        done[0] = 0

    count(catching_up.CatchUp, "_expect")
    count(catching_up.CatchUp, "_settle")
    count(subscriber.RedisSubscriber, "_take")
    for module in (catching_up, subscriber):
        monkeypatch.setattr(module, "give_way", give_way)
    break_connection(relay)
    assert sum(worked) >= 3 * MANY - 500
    assert max(worked) <= 2 * subscriber.UNINTERRUPTED


def test_a_loss_on_many_channels_is_one_line_with_examples(redis_server, many, caplog):
    relay, inbox = many
    caplog.set_level(logging.ERROR)
    with coming_back(relay):
        redis_server.stop()
        redis_server.start()
    assert sorted(inbox.lost) == sorted(TOPICS)
    lines = [record.message for record in caplog.records if "were lost" in record.message]
    assert len(lines) == 1
    assert "3,000 topics" in lines[0]
    assert lines[0].count("channel,/,room-") == 5


def test_back_after_counts_from_the_last_that_was_received(redis_server, new_redis, caplog):
    relay, _ = new_redis()
    relay._subscriber._heard_at -= 100  # nothing has come for that long
    break_connection(relay)
    line = next(record for record in caplog.records if "is back" in record.message)
    assert 100 <= line.args[1] < 110


def test_sockets_are_told_of_losses_between_the_events_of_others(redis_server, serve):
    done = []

    @on_error
    def slow(request, socket, context, exception):
        gevent.sleep(0.01)
        done.append((socket.session.session_id, exception.channel))

    @on_event("count")
    def count(request, socket, context):
        return len(done)

    server = serve(RELAY_URL=redis_server.url, RELAY_TIMEOUT=1, WORKERS=2)
    server.wait_for_relay()
    clients = [join(server, "a", f"own-{number}") for number in range(40)]
    other = join(server)
    redis_server.stop()
    redis_server.start()
    wait_until(lambda: done)
    assert other.ask("count")[0] < 60  # of 80
    wait_until(lambda: len(done) >= 80)
    assert len(set(done)) == len(done) == 80
    assert len(clients) == 40


def test_an_echo_waits_for_no_topic_that_is_caught_up_with(redis_server, serve, monkeypatch):
    monkeypatch.setattr(catching_up, "AT_ONCE", 10)
    handled = []

    @on_event("echo")
    def echo(request, socket, context):
        handled.append(relay.status()["alive"])

    server = serve(RELAY_URL=redis_server.url, WORKERS=10)
    relay = server.socket_server.relay
    wait_until(lambda: relay.status()["alive"])
    subscribe_to_all(relay, Inbox(), TOPICS)
    client = join(server)
    count = relay.status()["reconnects"]
    made = relay._subscriber
    made._made._sock.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: not made._catching_up.is_done)
    while relay.status()["reconnects"] == count:
        client.ask("echo")
    assert handled.count(False) > 5
