"""What relays keep for subscribers that come back and for histories, and what they prove of it."""

import re
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest
from redis.exceptions import ConnectionError

from django_socketio.exceptions import RelayError
from django_socketio.relay.envelope import Delivery, LogRange, StreamPosition
from django_socketio.relay.memory_logs import MemoryLogs
from django_socketio.relay.receipt import Receipt
from django_socketio.relay.topics import (
    NO_LOG,
    Retention,
    RetentionRule,
    Retentions,
    Topic,
    TopicKind,
    channel_topic,
)
from tests.kit.redis_server import DEFAULT
from tests.kit.waiting import wait_until
from tests.relay.breaking import break_connection, break_connections, coming_back
from tests.relay.conftest import A, B, each_server, let_expire, message

AWAY = Retentions(away=30.0)
PROBE = "probe"


def contents(read):
    found = [one.envelope.args[0] for one in read.deliveries]
    return [content for content in found if content != PROBE]


def leave(relay, topic=A):
    """Unsubscribe, and wait until the relay has noticed."""
    relay.unsubscribe(topic)
    wait_until(lambda: relay.publish(message(PROBE, topic)) == 0)


@pytest.fixture
def relay_away(new_relay):
    """A relay on which subscribers may be away, with its inbox."""
    return new_relay(retentions=AWAY)


def test_messages_are_kept_while_recoverable_subscribers_are_away(relay_away):
    relay, inbox = relay_away
    relay.subscribe(A, inbox.deliver, recoverable=True)
    heard = relay.publish(message("heard"))
    assert (heard, heard.is_kept, heard.position) == (1, False, relay.position(A))
    leave(relay, A)
    kept = [relay.publish(message(number)) for number in range(5)]
    assert [(*map(int, kept),), {one.is_kept for one in kept}] == [(0,) * 5, {True}]
    offsets = [one.position.offset for one in kept]
    assert offsets == [*range(offsets[0], offsets[0] + 5)]
    read = relay.read(A, heard.position)
    assert (contents(read), read.is_complete) == ([0, 1, 2, 3, 4], True)
    assert read.position == kept[-1].position == relay.position(A)


def test_a_message_without_a_subscriber_leaves_no_trace_elsewhere(relay_away):
    relay, inbox = relay_away
    relay.subscribe(A, inbox.deliver, recoverable=True)
    relay.subscribe(B, inbox.deliver)
    leave(relay, B)
    unheard = relay.publish(message("nobody", B))
    assert (unheard, Receipt.of(unheard).is_kept) == (0, False)
    assert (relay.position(B), relay.read(B)) == (None, LogRange((), None, is_complete=True))


def test_an_idle_topic_has_a_position_for_recoverable_subscribers(relay_away):
    relay, inbox = relay_away
    relay.subscribe(A, inbox.deliver, recoverable=True)
    begin = relay.position(A)
    assert begin.offset == 0
    assert relay.read(A, begin) == LogRange((), begin, is_complete=True)
    leave(relay, A)
    relay.publish(message("first"))
    assert (contents(relay.read(A, begin)), relay.read(A, begin).is_complete) == (["first"], True)


def test_subscribers_that_stay_away_for_too_long_are_told(new_relay):
    relay, inbox = new_relay(retentions=Retentions(away=0.3))
    relay.subscribe(A, inbox.deliver, recoverable=True)
    last = relay.publish(message("heard")).position
    leave(relay, A)
    wait_until(lambda: not relay.publish(message("unheard")).is_kept)
    assert not relay.read(A, last).is_complete
    relay.subscribe(A, inbox.deliver, recoverable=True)
    assert not relay.read(A, last).is_complete
    assert relay.read(A, relay.position(A)).is_complete


@pytest.mark.parametrize("server", ["memory", f"redis {DEFAULT}"], indirect=True)
def test_a_subscriber_that_comes_back_in_time_ends_the_time_away(new_relay):
    relay, inbox = new_relay(retentions=Retentions(Retention(messages=1_000_000), away=3))
    relay.subscribe(A, inbox.deliver, recoverable=True)
    begin, sent, until = relay.position(A), [], time.monotonic() + 3.5
    while time.monotonic() < until:
        leave(relay)
        assert Receipt.of(relay.publish(message(len(sent)))).is_kept
        relay.subscribe(A, inbox.deliver, recoverable=True)
        assert relay.publish(message(f"heard {len(sent)}")) == 1
        sent += [len(sent), f"heard {len(sent)}"]
        time.sleep(0.1)  # most of the time away is between the rounds
    read = relay.read(A, begin)
    assert (contents(read), read.is_complete) == (sent, True)


def test_a_topic_is_kept_for_a_page_that_has_not_subscribed_yet(relay_away):
    relay, _ = relay_away
    position = relay.keep(A, 20)
    assert relay.publish(message("between")).is_kept
    read = relay.read(A, position)
    assert (contents(read), read.is_complete) == (["between"], True)


def test_a_topic_is_kept_for_the_seconds_that_were_asked_for(new_relay):
    """They outlast the time for which subscribers may be away, and the one of the log."""
    relay, inbox = new_relay(retentions=Retentions(Retention(seconds=0.2), away=0.3))
    position = relay.keep(A, 20)
    relay.subscribe(A, inbox.deliver, recoverable=True)
    leave(relay, A)
    relay.publish(message("first"))
    brief = relay.keep(B, 0.3)
    wait_until(lambda: not Receipt.of(relay.publish(message("unheard", B))).is_kept)
    assert not relay.read(B, brief).is_complete
    assert relay.publish(message("second")).is_kept
    read = relay.read(A, position)
    assert (contents(read), read.is_complete) == (["first", "second"], True)


@pytest.mark.parametrize("retentions", [Retentions(NO_LOG, away=30.0), Retentions()])
def test_where_nothing_is_kept_a_recoverable_subscriber_is_like_others(new_relay, retentions):
    relay, inbox = new_relay(retentions=retentions)
    relay.subscribe(A, inbox.deliver, recoverable=True)
    assert relay.publish(message("heard")) == 1
    inbox.wait_for("heard")
    leave(relay, A)
    assert (relay.publish(message("unheard")), relay.keep(B, 10)) == (0, None)


def test_a_topic_can_become_recoverable_while_it_is_subscribed_to(relay_away):
    relay, inbox = relay_away
    relay.subscribe(A, inbox.deliver)
    relay.subscribe(A, inbox.deliver, recoverable=True)
    begin = relay.position(A)
    leave(relay, A)
    relay.publish(message("kept"))
    read = relay.read(A, begin)
    assert (contents(read), read.is_complete) == (["kept"], True)


def test_many_topics_are_made_recoverable_at_once(relay_away):
    relay, inbox = relay_away
    kinds = (TopicKind.CHANNEL, TopicKind.USER, TopicKind.SESSION, TopicKind.GROUP)
    topics = [Topic(kind, "/", "7") for kind in kinds]
    relay.subscribe_all(topics, inbox.deliver, recoverable=True)
    begins = [relay.position(topic) for topic in topics]
    assert relay.publish(message("heard", *topics)) >= 1
    inbox.wait_for("heard")
    for topic, begin in zip(topics, begins, strict=True):
        leave(relay, topic)
        assert relay.publish(message("kept", topic)).is_kept
        read = relay.read(topic, begin)
        assert (contents(read), read.is_complete) == (["heard", "kept"], True)


def test_a_message_for_several_topics_is_kept_where_subscribers_are_away(relay_away):
    relay, inbox = relay_away
    relay.subscribe(A, inbox.deliver, recoverable=True)
    begin = relay.position(A)
    leave(relay, A)
    for text in ("short", "x" * 2000):
        receipt = relay.publish(message(text, A, B))
        assert (receipt, receipt.is_kept, receipt.position) == (0, True, None)
    read = relay.read(A, begin)
    assert (contents(read), read.is_complete) == (["short", "x" * 2000], True)
    assert relay.position(B) is None


def test_the_logs_of_a_process_go_when_nothing_needs_them():
    now = [0.0]
    logs = MemoryLogs(Retentions(away=30.0), lazily=True, clock=lambda: now[0])
    for number in range(100):
        topic = channel_topic("/", f"{number}")
        logs.lease(topic)
        now[0] += 100
        logs.append(Delivery(message(1, topic), topic), is_heard=True)
        logs.leave(topic)
    assert len(logs) < 5
    now[0] += 100
    assert (logs.position(A), len(logs)) == (None, 0)


# Histories

HISTORY = Retention(messages=100, seconds=60.0, is_history=True)
ROOMS = Retentions(
    rules=(
        RetentionRule(TopicKind.CHANNEL, re.compile("^room-"), HISTORY),
        RetentionRule(TopicKind.CHANNEL, re.compile("^brief-"), HISTORY._replace(seconds=0.3)),
    )
)
ROOM, BRIEF = channel_topic("/", "room-1"), channel_topic("/", "brief-1")


def test_a_history_is_kept_though_nobody_is_there(new_relay):
    relay, _ = new_relay(retentions=ROOMS)
    receipts = [relay.publish(message(number, ROOM)) for number in range(5)]
    assert {(int(one), one.is_kept) for one in receipts} == {(0, True)}
    for after, limit, expected in [
        (None, None, [0, 1, 2, 3, 4]),
        (None, 2, [3, 4]),
        (None, 0, []),
        (None, 100, [0, 1, 2, 3, 4]),
        (receipts[1].position, None, [2, 3, 4]),
        (receipts[1].position, 3, [2, 3, 4]),
        (receipts[4].position, None, []),
    ]:
        found = relay.history(ROOM, after, limit)
        assert (contents(found), found.is_complete) == (expected, True), (after, limit)
    cut = relay.history(ROOM, receipts[1].position, 2)
    assert (contents(cut), cut.is_complete) == ([3, 4], False)
    foreign = relay.history(ROOM, StreamPosition("ended", 1))
    assert (contents(foreign), foreign.is_complete) == ([0, 1, 2, 3, 4], False)


def test_a_topic_without_a_history_has_none(new_relay):
    relay, inbox = new_relay(retentions=ROOMS)
    assert relay.history(A) == LogRange((), None, is_complete=True)
    relay.subscribe(A, inbox.deliver)
    relay.publish(message("heard"))
    found = relay.history(A)
    assert (found.deliveries, found.is_complete) == ((), True)


def test_a_message_can_be_kept_on_any_topic(new_relay):
    relay, inbox = new_relay()
    assert relay.publish(message("nobody")) == 0
    first = relay.publish(message("kept", keep=60.0))
    assert (int(first), first.is_kept) == (0, True)
    relay.subscribe(A, inbox.deliver)
    relay.publish(message("plain"))
    relay.publish(message("kept too", keep=60.0))
    found = relay.history(A)
    assert (contents(found), found.is_complete) == (["kept", "kept too"], True)
    cut = relay.history(A, first.position._replace(offset=0), limit=1)
    assert (contents(cut), cut.is_complete) == (["kept too"], False)
    assert contents(relay.read(A)) == ["kept", "plain", "kept too"]


def test_a_message_leaves_the_history_when_its_time_is_over(new_relay):
    relay, _ = new_relay(retentions=ROOMS)
    first = relay.publish(message("first", BRIEF)).position
    relay.publish(message("long", BRIEF, keep=60.0))
    wait_until(lambda: contents(relay.history(BRIEF)) == ["long"])
    assert relay.history(BRIEF).is_complete
    assert relay.history(BRIEF, first).is_complete
    assert not relay.history(BRIEF, first._replace(offset=0)).is_complete
    assert relay.publish(message("last", BRIEF)).position.offset == 3


def test_times_to_keep_leave_nothing_in_a_process(redis_server, new_redis):
    relay, _ = new_redis(listen=False)
    for number in range(10):
        relay.publish(message(number, keep=60.0 + number))
        relay.publish(message("x" * 2000, A, B, keep=60.0 + number))
    assert len(relay.history(A).deliveries) == 20
    assert len(relay._publisher._packer._encoded) <= 1


def test_a_kept_message_outlives_messages_that_are_not(new_relay):
    brief = Retentions(Retention(seconds=0.2), away=0.2)
    relay, inbox = new_relay(retentions=brief)
    relay.publish(message("kept", keep=60.0))
    relay.subscribe(A, inbox.deliver, recoverable=True)
    heard = relay.publish(message("heard")).position
    leave(relay, A)
    wait_until(lambda: not relay.publish(message("unheard")).is_kept)
    assert contents(relay.history(A)) == ["kept"]
    assert not relay.read(A, heard).is_complete


def test_a_history_is_bounded(new_relay):
    rule = RetentionRule(TopicKind.CHANNEL, re.compile("^room-"), HISTORY._replace(messages=10))
    relay, _ = new_relay(retentions=Retentions(rules=(rule,)))
    positions = [relay.publish(message(number, ROOM)).position for number in range(300)]
    found = relay.history(ROOM)
    assert (contents(found), found.is_complete) == ([*range(290, 300)], True)
    assert not relay.history(ROOM, positions[0]).is_complete


# What Redis forgets


def positions_of(relay, count=3, topic=A):
    """Publish numbers on a topic with a lease; return the positions, and first the one before."""
    begin = relay.keep(topic, 60)
    return [begin, *(relay.publish(message(number, topic)).position for number in range(count))]


@each_server
@pytest.mark.parametrize("keys", ["*}:log", "*}:position", "*"])
def test_what_was_evicted_is_told(redis_server, new_redis, keys):
    relay, _ = new_redis(retentions=AWAY)
    positions = positions_of(relay)
    assert [relay.read(A, one).is_complete for one in positions] == [True] * 4
    redis_server.client.delete(*redis_server.client.keys(keys))
    told = [not relay.read(A, one).is_complete for one in positions]
    assert told == ([True] * 3 + [False] if keys == "*}:log" else [True] * 4)
    again = positions_of(relay)
    assert relay.read(A, again[0]).is_complete
    assert not any(relay.read(A, one).is_complete for one in positions[:3])


def test_a_redis_that_evicts_loses_nothing_in_silence(redis_server, new_redis):
    redis_server.client.config_set("maxmemory-policy", "allkeys-lru")
    relay, _ = new_redis(retentions=AWAY)
    topics = [channel_topic("/", f"room-{number}") for number in range(60)]
    used = redis_server.client.info("memory")["used_memory"]
    redis_server.client.config_set("maxmemory", used + 1_500_000)
    begins, sent = {}, {topic: [] for topic in topics}
    for number in range(8):
        for topic in topics:
            begins.setdefault(topic, relay.keep(topic, 60))
            with suppress(RelayError):
                relay.publish(message(f"{number}" * 6000, topic))
                sent[topic].append(f"{number}" * 6000)
    assert redis_server.client.info("stats")["evicted_keys"]
    complete = [topic for topic in topics if relay.read(topic, begins[topic]).is_complete]
    assert 0 < len(complete) < len(topics)
    for topic in complete:
        assert contents(relay.read(topic, begins[topic])) == sent[topic]


def test_processes_take_their_leases_again_after_redis_was_emptied(redis_server, new_redis):
    relay, inbox = new_redis(retentions=AWAY)
    relay.subscribe(A, inbox.deliver, recoverable=True)
    relay.publish(message("before"))
    redis_server.client.flushall()
    relay.publish(message("after"))
    position, _ = relay._keyspace.keys(A)
    wait_until(lambda: redis_server.client.hexists(position, "lease"))
    last = relay.position(A)
    leave(relay, A)
    assert relay.publish(message("kept")).is_kept
    assert contents(relay.read(A, last)) == ["kept"]


@contextmanager
def silent(redis_server, relay):
    """Have a relay hear nothing, as while a network has parted it from Redis."""
    redis_server.client.acl_setuser("default", enabled=True, commands=["-subscribe"])
    with coming_back(relay):
        redis_server.client.client_kill_filter(_type="pubsub")
        yield
        redis_server.client.acl_setuser("default", enabled=True, commands=["+subscribe"])


@pytest.mark.parametrize("keep", [0.0, 60.0])
@pytest.mark.parametrize("away", [0.3, 30.0])
def test_a_process_that_was_silent_takes_its_leases_again(redis_server, new_redis, away, keep):
    """Messages that nobody hears end a lease after the time away, and that time goes on."""
    kept, client = Retentions(away=away), redis_server.client
    (relay, inbox), (near, _) = new_redis(retentions=kept), new_redis(retentions=kept, listen=False)
    relay.subscribe(A, inbox.deliver, recoverable=True)
    near.publish(message("heard", keep=keep))
    position, _ = relay._keyspace.keys(A)

    def fields():
        """Return which fields the position has: of a lease, and of a time away."""
        return [client.hexists(position, name) for name in ("lease", "away")]

    def publish():
        with suppress(RelayError):  # a process may have sockets for it
            near.publish(message("unheard"))
        return fields()

    with silent(redis_server, relay):
        wait_until(lambda: publish() == ([True, True] if away > 1 else [False, False]))
    wait_until(lambda: fields() == [True, False])
    last = relay.position(A)
    relay.unsubscribe(A)
    wait_until(lambda: client.pubsub_numsub(relay._keyspace.channel(A))[0][1] == 0)
    assert near.publish(message("kept")).is_kept
    assert contents(near.read(A, last)) == ["kept"]


def test_a_message_before_the_subscription_begins_no_time_away(
    redis_server, new_redis, monkeypatch
):
    (relay, inbox), (near, _) = new_redis(retentions=AWAY), new_redis(retentions=AWAY)
    subscribe = relay._subscriber.subscribe

    def publish_before(*channels):
        assert near.publish(message("before")).is_kept
        subscribe(*channels)

    monkeypatch.setattr(relay._subscriber, "subscribe", publish_before)
    relay.subscribe(A, inbox.deliver, recoverable=True)
    inbox.wait_for("before")
    position, _ = relay._keyspace.keys(A)
    wait_until(lambda: not redis_server.client.hexists(position, "away"))


def test_a_reading_begins_an_idle_topic_anew_after_redis_was_emptied(redis_server, new_redis):
    relay, inbox = new_redis(retentions=AWAY)
    begin = relay.subscribe(A, inbox.deliver, recoverable=True)
    redis_server.client.flushall()
    read = relay.read(A, begin)
    assert not read.is_complete
    assert read.position.offset == 0
    assert relay.read(A, read.position).is_complete
    relay.unsubscribe(A)
    wait_until(lambda: redis_server.client.pubsub_numsub(relay._keyspace.channel(A))[0][1] == 0)
    assert relay.publish(message("kept")).is_kept
    assert contents(relay.read(A, read.position)) == ["kept"]


def test_a_process_renews_its_leases_while_it_has_subscribers(redis_server, new_redis, monkeypatch):
    monkeypatch.setattr("django_socketio.relay.redis.leases.RENEWAL", 0.05)
    relay, inbox = new_redis(retentions=AWAY)
    relay.subscribe(A, inbox.deliver, recoverable=True)
    position, _ = relay._keyspace.keys(A)

    def lease():
        return float(redis_server.client.hget(position, "lease"))

    first = lease()
    wait_until(lambda: lease() > first)
    relay.unsubscribe(A)
    relay._leases.renew((A,))
    assert not relay._leases._topics


@each_server
def test_a_redis_that_goes_back_in_time_proves_nothing_from_before(redis_server, new_redis):
    relay, _ = new_redis(retentions=AWAY)
    before = positions_of(relay, 5)
    redis_server.client.save()
    lost = [relay.publish(message(number)).position for number in range(3)]
    redis_server.stop()
    redis_server.start()
    wait_until(lambda: relay.status()["alive"])
    after = [relay.publish(message(f"new {number}")).position for number in range(5)]
    assert {one.offset for one in lost} < {one.offset for one in after}
    given_out = {*before, *lost}
    assert not any(relay.read(A, one).is_complete for one in given_out)
    now = relay.position(A)
    assert now.offset > max(one.offset for one in given_out | {*after})
    assert relay.read(A, now).is_complete
    next_one = relay.publish(message("next"))
    assert contents(relay.read(A, now)) == ["next"]
    assert not any(relay.read(A, one).is_complete for one in given_out)
    assert next_one.position.offset == now.offset + 1


def restart_and_go_on_higher(redis_server, publisher, relay, inbox):
    """Restart Redis from its disk; its offsets go on higher once processes were told of that."""
    redis_server.client.save()
    redis_server.stop()
    redis_server.start()
    inbox.wait(lambda: inbox.lost)
    wait_until(lambda: relay.status()["alive"] and publisher.status()["alive"])
    assert publisher.position(A).offset > 1_000_000


@pytest.mark.parametrize("read_before", [True, False])
def test_offsets_that_go_on_higher_are_no_loss(redis_server, new_redis, read_before):
    """Processes have been told already that the Redis that restarts may have lost messages."""
    publisher, _ = new_redis()
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    publisher.publish(message("before"))
    if read_before:
        publisher.position(A)
    restart_and_go_on_higher(redis_server, publisher, relay, inbox)
    publisher.publish(message("after"))
    inbox.wait_for("after")
    break_connections(redis_server, relay)
    publisher.publish(message("last"))
    inbox.wait_for("last")
    assert (inbox.messages, inbox.lost) == (["before", "after", "last"], [A])


def test_offsets_that_went_on_higher_in_a_silence_are_no_loss(redis_server, new_redis):
    publisher, _ = new_redis()
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    publisher.publish(message("before"))
    restart_and_go_on_higher(redis_server, publisher, relay, inbox)
    break_connections(redis_server, relay)
    publisher.publish(message("after"))
    inbox.wait_for("after")
    assert (inbox.messages, inbox.lost) == (["before", "after"], [A])


@pytest.mark.parametrize("messages", [0, 1])
def test_offsets_that_go_on_higher_twice_are_no_loss(redis_server, new_redis, messages):
    publisher, _ = new_redis(retentions=AWAY)
    publisher.keep(A, 30)
    (relay, inbox), (late, late_inbox) = new_redis(), new_redis()
    relay.subscribe(A, inbox.deliver)
    for number in range(messages):
        publisher.publish(message(number))
    go_on_higher(redis_server, publisher)
    late.subscribe(A, late_inbox.deliver)
    go_on_higher(redis_server, publisher)
    publisher.publish(message("after"))
    for one in (inbox, late_inbox):
        one.wait_for("after")
        assert one.lost == []


def test_a_process_catches_up_with_many_topics_that_went_on_higher_at_once(redis_server, new_redis):
    (publisher, _), (relay, inbox) = new_redis(), new_redis()
    topics = [channel_topic("/", f"{number}") for number in range(50)]
    relay.subscribe_all(topics, inbox.deliver)
    publisher.publish(message("before", *topics))
    for topic in topics:
        go_on_higher(redis_server, publisher, topic)
    redis_server.client.config_resetstat()
    break_connections(redis_server, relay)
    for topic in topics:
        publisher.publish(message("after", topic))
    inbox.wait(lambda: inbox.messages.count("after") == 50)
    assert inbox.lost == []
    asked = calls(redis_server.client.info("commandstats"), "hmget")
    assert asked < 2 * 50 + 20  # by the scripts that catch up and publish


def go_on_higher(redis_server, relay, topic=A):
    """Have a topic's offsets go on higher, as after a restart of Redis."""
    last = relay.position(topic)
    redis_server.client.hset(relay._keyspace.keys(topic)[0], "data", "other")
    assert relay.position(topic).offset > last.offset + 1_000_000


def test_a_redis_that_may_not_be_asked_proves_nothing(redis_server, new_redis):
    rights = ["+@all", "-info", "~*", "&*", "on", ">secret"]
    redis_server.client.execute_command("ACL", "SETUSER", "site", *rights)
    scheme, _, place = redis_server.url.partition("//")
    relay, _ = new_redis(retentions=AWAY, url=f"{scheme}//site:secret@{place}", listen=False)
    positions = positions_of(relay)
    read = relay.read(A, positions[0])
    assert (contents(read), read.is_complete) == ([0, 1, 2], False)


# Commands and keys


@each_server
def test_a_lease_and_what_it_keeps_leave_nothing_behind(redis_server, new_redis):
    relay, _ = new_redis(retentions=Retentions(Retention(seconds=20), away=20), listen=False)
    relay.keep(A, 20)
    assert relay.publish(message("x" * 2000, A, B)).is_kept
    let_expire(redis_server, redis_server.client.keys(), 20)


def test_positions_of_many_topics_take_one_script_that_only_reads(redis_server, new_redis):
    relay, inbox = new_redis()
    topics = [channel_topic("/", f"{number}") for number in range(50)]
    relay.subscribe_all(topics, inbox.deliver)
    relay.publish(message("first", *topics))
    other, _ = new_redis()
    other.subscribe(B, inbox.deliver)  # this brings the script
    redis_server.client.config_resetstat()
    other.subscribe_all(topics, inbox.deliver)
    stats = redis_server.client.info("commandstats")
    assert calls(stats, "hmget") == 50
    few = [calls(stats, name) for name in ("evalsha", "info", "hset", "hdel", "pexpire")]
    assert max(few) < 10  # positions, and a health check
    reads = redis_server.client.info("stats")["total_reads_processed"]
    assert reads < 10  # the subscriptions as well


@pytest.mark.parametrize("server", [f"redis {DEFAULT}", f"cluster {DEFAULT}"], indirect=True)
@pytest.mark.parametrize("recoverable", [False, True])
def test_a_server_that_cannot_be_asked_is_asked_once_for_many_topics(
    new_relay, monkeypatch, recoverable
):
    relay, inbox = new_relay(retentions=AWAY)
    topics, asked = [channel_topic("/", f"{number}") for number in range(50)], []

    def fail(*args):
        asked.append(args)
        raise ConnectionError("away")

    with monkeypatch.context() as patched:
        for name in ("position", "look", "look_at_all", "missed"):
            patched.setattr(relay._log, name, fail)
        patched.setattr(relay._leases, "renew", lambda topics: None)
        relay.subscribe_all(topics, inbox.deliver, recoverable)
    assert len(asked) == len(relay._log.by_server(topics))
    break_connection(relay)
    assert relay.publish(message("heard", topics[-1])) == 1
    inbox.wait_for("heard")


def test_leases_of_many_topics_take_one_round_trip(redis_server, new_redis):
    relay, inbox = new_redis(retentions=AWAY)
    relay.keep(B, 1)  # this brings the script
    topics = [channel_topic("/", f"{number}") for number in range(50)]
    before = redis_server.client.info("stats")["total_reads_processed"]
    relay.subscribe_all(topics, inbox.deliver, recoverable=True)
    reads = redis_server.client.info("stats")["total_reads_processed"] - before
    assert reads < 11  # leases, subscriptions, what came meanwhile, and a health check
    assert relay.publish(message("heard", topics[-1])) == 1
    assert reads_of_renewal(relay, topics, redis_server.client) < 10  # and a health check


def test_leases_of_many_topics_take_one_round_trip_to_each_node(cluster, new_cluster):
    relay, inbox = new_cluster(retentions=AWAY)
    topics = [channel_topic("/", f"{number}") for number in range(50)]
    relay.subscribe_all(topics, inbox.deliver, recoverable=True)
    nodes = [node.client for node in cluster.nodes]
    assert reads_of_renewal(relay, topics, *nodes) < 25  # and health checks


def reads_of_renewal(relay, topics, *servers):
    """Have all leases be renewed; return how often the servers have read from their clients."""

    def reads():
        return sum(server.info("stats")["total_reads_processed"] for server in servers)

    before = reads()
    relay._leases.renew(topics)
    wait_until(lambda: min(relay._leases._topics.values()) > time.monotonic())
    return reads() - before


def test_a_plain_topic_costs_the_commands_of_before(redis_server, new_redis):
    relay, inbox = new_redis(retentions=AWAY)
    relay.subscribe(A, inbox.deliver)
    commands = ["time", "pubsub|numsub", "hmget", "hset", "xadd", "pexpire", "pexpire", "publish"]
    for topic, expected in [(A, commands), (B, ["hmget"])]:
        relay.publish(message("first", topic))
        redis_server.client.config_resetstat()
        relay.publish(message("second", topic))
        stats = redis_server.client.info("commandstats")
        called = [name for name in IN_SCRIPT for _ in range(calls(stats, name))]
        # Whether nobody is the truth takes a script of its own, with the time and subscribers.
        beside = ["time", "pubsub|numsub"] * 2 if topic is B else []
        assert sorted(called) == sorted(expected + beside)


@pytest.mark.parametrize("key", [None, "once"])
def test_the_identity_of_the_data_is_asked_for_once_a_message(redis_server, new_redis, key):
    relay, inbox = new_redis()
    topics = [channel_topic("/", f"{number}") for number in range(100)]
    relay.subscribe_all(topics, inbox.deliver)
    redis_server.client.config_resetstat()
    assert relay.publish(message("first", *topics, once=key)) == 100
    assert calls(redis_server.client.info("commandstats"), "info") < 10  # and a health check


def calls(stats, name):
    return stats.get(f"cmdstat_{name}", {"calls": 0})["calls"]


IN_SCRIPT = (
    *("time", "pubsub|numsub", "hmget", "hget", "hset", "hdel", "xadd", "xtrim", "pexpire"),
    *("publish", "del", "info", "pttl", "hincrby"),
)


KILLED = """
import sys, time
from django_socketio.relay.redis.parts import Options
from django_socketio.relay.redis.relay import RedisRelay
from django_socketio.relay.topics import Retentions, channel_topic
relay = RedisRelay(Options(sys.argv[1], retentions=Retentions(away=30.0)))
relay.listen()
relay.subscribe(channel_topic("/", "a"), lambda delivery: 1, recoverable=True)
print(relay.position(channel_topic("/", "a")), flush=True)
time.sleep(60)
"""


def test_messages_are_kept_for_the_subscribers_of_a_process_that_was_killed(
    redis_server, new_redis
):
    command = [sys.executable, "-c", KILLED, redis_server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        relay, _ = new_redis(retentions=AWAY)
        last = relay.publish(message("heard"))
        process.kill()
    wait_until(lambda: redis_server.client.pubsub_numsub(relay._keyspace.channel(A))[0][1] == 0)
    sent = [relay.publish(message(number)) for number in range(3)]
    assert (last, [int(one) for one in sent]) == (1, [0, 0, 0])
    read = relay.read(A, last.position)
    assert (contents(read), read.is_complete) == ([0, 1, 2], True)
