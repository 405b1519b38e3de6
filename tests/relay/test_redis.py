"""The Redis relay and what can happen to it: every fault is made with a real Redis."""

import multiprocessing
import threading
import time

import pytest
import redis

from django_socketio import RelayError
from django_socketio.relay.redis import subscriber
from django_socketio.relay.redis.client import separate_connection
from django_socketio.relay.topics import socket_topic
from tests.kit.stalls import Stalls
from tests.kit.waiting import wait_until
from tests.relay.conftest import (
    A,
    B,
    Deafened,
    Stream,
    each_server,
    keys_of_topics,
    let_expire,
    message,
    publisher_works,
)


@pytest.fixture
def listening(new_redis):
    """A relay that is subscribed to A, with its inbox."""
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    return relay, inbox


@each_server
def test_killed_connections_lose_nothing_and_double_nothing(redis_server, listening, new_redis):
    relay, inbox = listening
    publisher, other = new_redis()
    publisher.subscribe(A, other.deliver)  # so that somebody always receives
    stream = Stream(new_redis(listen=False)[0])
    for _ in range(5):
        stream.go_on()
        redis_server.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        wait_until(lambda: relay.status()["alive"])
    stream.go_on()
    stream.stop()
    for one in (inbox, other):
        one.wait_for(stream.accepted[-1])
        assert one.messages == sorted(one.messages)
        assert len(one.messages) == len(set(one.messages))
    assert set(inbox.messages) | set(other.messages) == set(stream.accepted)
    assert (inbox.lost, other.lost) == ([], [])


def test_a_subscription_waits_for_the_first_connection(redis_server, new_redis, monkeypatch):
    may_connect = threading.Event()

    def connect_later(client):
        may_connect.wait()
        return separate_connection(client)

    monkeypatch.setattr(subscriber, "separate_connection", connect_later)
    publisher, _ = new_redis(listen=False)
    relay, inbox = new_redis(listen=False)
    relay.listen()
    threading.Timer(0.1, may_connect.set).start()
    relay.subscribe(A, inbox.deliver)
    assert publisher.publish(message("first")) == 1


@each_server
def test_a_restarted_redis_is_found_again_and_what_it_forgot_is_told(
    redis_server, listening, new_redis, caplog
):
    relay, inbox = listening
    publisher, _ = new_redis(listen=False)
    publisher.publish(message("before"))
    inbox.wait_for("before")
    redis_server.stop()
    wait_until(lambda: not relay.status()["alive"])
    with pytest.raises(RelayError):
        publisher.publish(message("while it is away"))
    redis_server.start()
    begun = time.monotonic()
    with Stalls() as stalls:
        wait_until(lambda: relay.status()["alive"])
        inbox.wait(lambda: inbox.lost)
        wait_until(lambda: publisher_works(publisher, "after"))
        inbox.wait_for("after")
    assert time.monotonic() - begun - stalls.seconds < 5
    assert inbox.messages == ["before", "after"]
    assert inbox.lost == [A]
    assert relay.status()["reconnects"] >= 1
    assert [r.message for r in caplog.records if "relay is lost" in r.message.lower()] != []
    assert sum("relay is lost" in r.message.lower() for r in caplog.records) == 1
    assert sum("relay is back" in r.message.lower() for r in caplog.records) == 1


def test_a_redis_that_hangs_is_noticed_and_nothing_that_failed_arrives(redis_server, new_redis):
    relay, inbox = new_redis(timeout=0.4)
    relay.subscribe(A, inbox.deliver)
    publisher, _ = new_redis(listen=False, timeout=0.4)
    wait_until(lambda: publisher_works(publisher, "before"))
    inbox.wait_for("before")
    redis_server.pause()
    begun = time.monotonic()
    with Stalls() as stalls:
        for _ in range(3):
            with pytest.raises(RelayError):
                publisher.publish(message("too late"))
    # Without the setting, each would take 2 s.
    assert time.monotonic() - begun - stalls.seconds < 3 * 1.5
    redis_server.resume()
    wait_until(lambda: publisher_works(publisher, "after"))
    inbox.wait_for("after")
    assert set(inbox.messages) == {"before", "after"}


@each_server
def test_what_failed_never_arrives_even_if_redis_goes_on_at_once(redis_server, new_redis):
    relay, inbox = new_redis(timeout=1)
    relay.subscribe(A, inbox.deliver)
    wait_until(lambda: publisher_works(relay, "before"))
    inbox.wait_for("before")
    redis_server.pause()
    with pytest.raises(RelayError):
        relay.publish(message("failed"))
    redis_server.resume()
    wait_until(lambda: publisher_works(relay, "after"))
    inbox.wait_for("after")
    assert "failed" not in inbox.messages


def test_nobody_is_never_said_of_sockets_that_only_are_not_heard_now(redis_server, listening):
    relay, inbox = listening
    accepted = []
    for number in range(30):
        redis_server.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        try:
            assert relay.publish(message(number)) == 1
            accepted.append(number)
        except RelayError as error:
            assert "does not hear" in str(error)
        wait_until(lambda: relay.status()["alive"])
    # A connection that was just killed may seem alive for a moment.
    wait_until(lambda: publisher_works(relay, "last"))
    inbox.wait_for("last")
    assert inbox.messages == [*accepted, "last"]


@each_server
def test_a_new_subscriber_gets_nothing_from_before_it_came(redis_server, listening, new_redis):
    relay, _ = listening
    for number in range(5):
        relay.publish(message(number))
    late, late_inbox = new_redis(listen=False)
    late.subscribe(A, late_inbox.deliver)
    late.listen()
    wait_until(lambda: late.status()["alive"])
    relay.publish(message("new"))
    late_inbox.wait_for("new")
    assert late_inbox.messages == ["new"]
    assert late_inbox.lost == []


def test_a_deaf_relay_is_found_by_its_own_messages(redis_server, new_redis, monkeypatch):
    monkeypatch.setattr("django_socketio.relay.redis.health.CHECK_INTERVAL", 0.2)
    monkeypatch.setattr("django_socketio.relay.redis.subscriber.POLL", 0.05)
    relay, inbox = new_redis(timeout=0.4)
    relay.subscribe(A, inbox.deliver)
    redis_server.pause()
    wait_until(lambda: relay.status()["deaf_since"] is not None)
    redis_server.resume()
    wait_until(lambda: publisher_works(relay, "again"))
    inbox.wait_for("again")


def test_a_living_relay_is_left_in_peace(redis_server, new_redis, monkeypatch):
    monkeypatch.setattr("django_socketio.relay.redis.health.CHECK_INTERVAL", 0.05)
    monkeypatch.setattr("django_socketio.relay.redis.subscriber.POLL", 0.02)
    relay, _ = new_redis(timeout=10)
    health = relay._subscriber._health
    heard = health.heard_until
    wait_until(lambda: health.heard_until > heard + 0.3)
    assert relay.status() == {"alive": True, "deaf_since": None, "reconnects": 0}


def test_a_redis_that_is_absent_at_the_start_is_found_when_it_comes(redis_server, new_redis):
    redis_server.stop()
    relay, inbox = new_redis(listen=False)
    relay.listen()
    begun = time.monotonic()
    relay.subscribe(A, inbox.deliver)
    assert time.monotonic() - begun < 5
    with pytest.raises(RelayError):
        relay.publish(message("too early"))
    for ask in (relay.position, relay.read):
        with pytest.raises(RelayError, match="the relay cannot be asked"):
            ask(A)
    redis_server.start()
    wait_until(lambda: relay.status()["alive"])
    assert relay.publish(message("now")) == 1
    inbox.wait_for("now")


@each_server
@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["CONFIG", "SET", "maxmemory", "1"], "maxmemory"),
        (["REPLICAOF", "127.0.0.1", "1"], "replica"),
    ],
)
def test_a_redis_that_refuses_is_an_error_of_the_publisher(redis_server, listening, command, told):
    relay, inbox = listening
    redis_server.client.execute_command(*command)
    with pytest.raises(RelayError, match=told):
        relay.publish(message("refused"))
    redis_server.client.execute_command("CONFIG", "SET", "maxmemory", "0")
    redis_server.client.execute_command("REPLICAOF", "NO", "ONE")
    relay.publish(message("taken"))
    inbox.wait_for("taken")
    assert inbox.messages == ["taken"]


def test_a_wrong_password_is_told_to_publisher_and_log(redis_server, new_redis, caplog):
    redis_server.client.config_set("requirepass", "right")
    try:
        relay, _ = new_redis(listen=False, url=redis_server.url.replace("//", "//:wrong@"))
        relay.listen()
        with pytest.raises(RelayError, match="password"):
            relay.publish(message("m"))
        wait_until(lambda: "password" in caplog.text)
        assert "wrong@" not in str(relay)
        assert "wrong@" not in caplog.text
    finally:
        redis.Redis.from_url(redis_server.url.replace("//", "//:right@")).config_set(
            "requirepass", ""
        )


def test_a_foreign_message_is_ignored_and_logged_once(redis_server, listening, caplog):
    relay, inbox = listening
    channel = relay._keyspace.channel(A)
    for foreign in (
        b"",
        b"not ours",
        b"e 1 {}",
        b'e 2 {"version":99}',
        b"e x y",
        b"\xff \xff \xff",
    ):
        redis_server.client.publish(channel, foreign)
    relay.publish(message("ours"))
    inbox.wait_for("ours")
    assert inbox.messages == ["ours"]
    assert caplog.text.count("foreign or malformed messages") == 1


@each_server
def test_a_log_that_is_too_short_is_told(redis_server, new_redis):
    relay, inbox = new_redis(log_size=10)
    relay.subscribe(A, inbox.deliver)
    publisher, others = new_redis(log_size=10)
    publisher.subscribe(A, others.deliver)
    publisher.publish(message("first"))
    inbox.wait_for("first")
    hold = redis_server.client.client_list(_type="pubsub")
    assert len(hold) == 2
    relay._subscriber._observer = Deafened(relay)  # hears nothing from now on
    for number in range(400):
        publisher.publish(message(number))
    others.wait_for(399)
    relay._subscriber._observer = relay
    redis_server.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    inbox.wait(lambda: inbox.lost)
    inbox.wait_for(399)
    assert inbox.lost == [A]
    assert inbox.messages[1:] == list(range(400))[-len(inbox.messages) + 1 :]


@each_server
def test_a_hole_is_filled_from_the_log_without_a_new_connection(redis_server, listening):
    relay, inbox = listening
    relay.publish(message(0))
    inbox.wait_for(0)
    relay._subscriber._observer = Deafened(relay)
    for number in (1, 2, 3):
        relay.publish(message(number))
    relay._subscriber._health.send()
    relay._subscriber._observer = relay
    relay.publish(message(4))
    inbox.wait_for(4)
    assert [m for m in inbox.messages if m != 0] == [1, 2, 3, 4]
    assert inbox.lost == []


@each_server
def test_what_redis_has_forgotten_of_what_came_is_told(redis_server, listening):
    relay, inbox = listening
    for number in range(3):
        relay.publish(message(number))
    inbox.wait_for(2)
    _, log = relay._keyspace.keys(A)
    entries = redis_server.client.xrange(log)[:2]
    redis_server.client.delete(log)  # as a replica that had only two, and got another third
    for id, fields in [*entries, ("3-0", entries[1][1])]:
        redis_server.client.xadd(log, fields, id)
    redis_server.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    inbox.wait(lambda: inbox.lost)
    relay.publish(message("next"))
    inbox.wait_for("next")
    assert inbox.messages == [0, 1, 2, "next"]
    assert inbox.lost == [A]


@each_server
def test_without_a_log_a_hole_is_told(redis_server, new_redis):
    relay, inbox = new_redis(log_size=0)
    relay.subscribe(A, inbox.deliver)
    for number in range(3):
        relay.publish(message(number))
    inbox.wait_for(2)
    assert inbox.messages == [0, 1, 2]
    assert keys_of_topics(redis_server) == []


@each_server
def test_idle_topics_leave_nothing_behind(redis_server, new_redis):
    relay, inbox = new_redis(log_seconds=20)
    relay.subscribe(A, inbox.deliver)
    relay.publish(message("m"))
    inbox.wait_for("m")
    let_expire(redis_server, keys_of_topics(redis_server), 20)
    relay.publish(message("a new epoch"))
    inbox.wait_for("a new epoch")
    assert inbox.lost == []


@each_server
def test_what_nobody_received_leaves_no_hole(redis_server, listening):
    relay, inbox = listening
    relay.publish(message(0))
    inbox.wait_for(0)
    relay.unsubscribe(A)
    wait_until_unsubscribed(redis_server, relay, A)
    assert relay.publish(message("nobody")) == 0
    relay.subscribe(A, inbox.deliver)
    for number in (1, 2):
        assert relay.publish(message(number)) == 1
    inbox.wait_for(2)
    assert inbox.messages == [0, 1, 2]
    assert inbox.lost == []


@each_server
@pytest.mark.parametrize("log_size", [1000, 1, 0])
def test_what_nobody_received_leaves_no_trace(redis_server, new_redis, log_size):
    relay, first = new_redis(log_size=log_size)
    late, second = new_redis(log_size=log_size)
    relay.subscribe(A, first.deliver)
    for number in range(3):
        assert relay.publish(message(number)) == 1
    first.wait_for(2)
    relay.unsubscribe(A)
    wait_until_unsubscribed(redis_server, relay, A)
    before = dump(redis_server)
    for _ in range(2):
        assert relay.publish(message("nobody")) == 0
    assert dump(redis_server) == before
    late.subscribe(A, second.deliver)
    for number in (3, 4):
        assert relay.publish(message(number)) == 1
    second.wait_for(4)
    assert (first.messages, second.messages) == ([0, 1, 2], [3, 4])
    assert (first.lost, second.lost) == ([], [])


def dump(redis_server):
    """Return all that Redis has in its memory, but for how long."""
    return {key: redis_server.client.dump(key) for key in keys_of_topics(redis_server)}


@each_server
def test_of_several_topics_only_those_with_listeners_keep_a_message(redis_server, new_redis):
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    assert relay.publish(message("both", B, A)) == 1
    inbox.wait_for("both")
    assert {key.decode() for key in keys_of_topics(redis_server)} == {*relay._keyspace.keys(A)}


@each_server
def test_who_only_watches_redis_has_received_nothing(redis_server, new_redis):
    relay, _ = new_redis(listen=False)
    with redis_server.client.pubsub() as monitor:
        monitor.psubscribe("*")
        monitor.get_message(timeout=10)
        assert relay.publish(message("nobody")) == 0
    assert keys_of_topics(redis_server) == []


@each_server
def test_what_nobody_receives_is_not_kept(redis_server, new_redis):
    relay, _ = new_redis(listen=False)
    assert relay.publish(message("m", socket_topic("/", "nobody"))) == 0
    assert keys_of_topics(redis_server) == []


@each_server
def test_a_process_subscribes_only_to_what_it_wants(redis_server, listening):
    relay, _ = listening
    channels = {name.decode() for name in redis_server.client.pubsub_channels()}
    assert channels == {relay._keyspace.channel(A), relay._subscriber._health.channel}
    relay.unsubscribe(A)
    wait_until_unsubscribed(redis_server, relay, A)


def wait_until_unsubscribed(redis_server, relay, topic):
    channel = relay._keyspace.channel(topic).encode()
    wait_until(lambda: channel not in redis_server.client.pubsub_channels())


def test_sites_with_other_prefixes_do_not_meet(redis_server, listening, new_redis):
    other, _ = new_redis(listen=False, prefix="other")
    assert other.publish(message("m")) == 0


def test_few_connections_serve_many_threads(redis_server, new_redis):
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    threads = [threading.Thread(target=relay.publish, args=(message(n),)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    inbox.wait(lambda: len(inbox.envelopes) == 50)
    assert len(redis_server.client.client_list()) <= 1 + 1 + 10


def publish_in_child(url, relay):
    relay.publish(message("from the child"))


@each_server
def test_a_forked_process_publishes_too(redis_server, listening, new_redis):
    publisher, _ = new_redis(listen=False)
    publisher.publish(message("from the parent"))
    child = multiprocessing.get_context("fork").Process(
        target=publish_in_child, args=(redis_server.url, publisher)
    )
    child.start()
    child.join(10)
    assert child.exitcode == 0
    publisher.publish(message("from the parent again"))
    inbox = listening[1]
    inbox.wait_for("from the parent again")
    assert inbox.messages == ["from the parent", "from the child", "from the parent again"]
