""" "Nobody" is said of a message only where it is true; else its publisher gets a RelayError."""

from itertools import count

import pytest
import redis

from django_socketio import RelayError
from django_socketio.relay.redis import listeners
from django_socketio.relay.topics import channel_topic
from tests.kit.waiting import wait_until
from tests.relay.breaking import cut_off
from tests.relay.cluster import RedisCluster, topic_of
from tests.relay.conftest import (
    KINDS,
    A,
    B,
    Inbox,
    each_server,
    message,
    publisher_works,
    relays_at,
)

C = channel_topic("/", "c")

NOT_HEARD, EMPTIED = "do not hear the relay now", "new or was emptied"


@pytest.fixture
def far_and_near(tcp_redis):
    """A relay on A whose connections go by the tap, with its inbox, and one beside it."""
    with relays_at(f"redis://127.0.0.1:{tcp_redis.tap.port}", timeout=0.5) as new:
        (far, inbox), (near, _) = new(), new(url=tcp_redis.url, timeout=2)
        far.subscribe(A, inbox.deliver)
        wait_until(lambda: publisher_works(near, "before"))
        inbox.wait_for("before")
        yield far, inbox, near


def check_all_are_refused(publisher, text, count=5):
    for number in range(count):
        with pytest.raises(RelayError, match=text):
            publisher.publish(message(f"refused {number}"))


def check_that_others_hear(publisher, inbox):
    """Wait until a message is accepted; none that was refused has come."""
    wait_until(lambda: is_accepted(publisher))
    inbox.wait_for("after")
    assert inbox.messages == ["before", "after"]


def is_accepted(publisher):
    """Return whether a message is accepted; "nobody" would be wrong."""
    try:
        assert publisher.publish(message("after")) == 1
    except RelayError:
        return False
    return True


@each_server
def test_a_subscription_that_a_dead_connection_does_not_confirm(tcp_redis, far_and_near, notice):
    far, inbox, near = far_and_near
    far._subscriber._timeout = 2  # seconds: a busy machine connects late
    tcp_redis.tap.mute()
    far.subscribe(B, inbox.deliver)
    assert near.publish(message("after", B)) == 1
    inbox.wait_for("after")
    assert inbox.messages == ["before", "after"]


@each_server
def test_a_process_that_has_not_noticed_that_redis_closed_its_connection(
    tcp_redis, far_and_near, notice
):
    _, inbox, near = far_and_near
    assert near.publish(message("idle", B)) == 0
    cut_off(tcp_redis, near)
    check_all_are_refused(near, NOT_HEARD)
    notice()
    check_that_others_hear(near, inbox)
    assert near.publish(message("idle", B)) == 0


@each_server
def test_a_message_for_several_topics_that_reaches_only_some_of_its_processes(
    tcp_redis, far_and_near, notice
):
    """B has subscribers that hear it; A's process does not hear Redis, which tells it so."""
    _, inbox, near = far_and_near
    near.subscribe(B, Inbox().deliver)
    assert near.publish(message("idle", B, C)) == 1
    cut_off(tcp_redis, near)
    with pytest.raises(RelayError, match=f"{NOT_HEARD}; processes that hear the relay got it"):
        near.publish(message("for some", B, A))
    notice()
    check_that_others_hear(near, inbox)
    assert near.publish(message("idle", B, C)) == 1


@each_server
@pytest.mark.parametrize("size", [1, 200], ids=["small", "shared"])
def test_a_message_whose_answer_was_lost_after_it_reached_only_some_of_its_processes(
    tcp_redis, far_and_near, size
):
    _, _, near = far_and_near
    near.subscribe(B, Inbox().deliver)
    cut_off(tcp_redis, near)
    tap = tcp_redis.tap
    with relays_at(f"redis://127.0.0.1:{tap.port}") as new:
        publisher, _ = new(listen=False)
        assert publisher.publish(message("idle", B)) == 1
        tap.answers_to_lose = 1
        with pytest.raises(RelayError, match=f"{NOT_HEARD}; processes that hear the relay got it"):
            publisher.publish(message("for some" * size, A, B))
        assert tap.answers_to_lose == 0


@each_server
def test_processes_that_have_not_come_back_to_a_redis_that_was_emptied(
    tcp_redis, far_and_near, notice
):
    _, inbox, near = far_and_near
    tcp_redis.tap.mute()
    tcp_redis.stop()
    tcp_redis.start()
    wait_until(lambda: near.status()["reconnects"] == 1 and near.status()["alive"])
    check_all_are_refused(near, EMPTIED)
    notice()
    check_that_others_hear(near, inbox)


def test_no_process_has_come_back_to_a_redis_that_was_emptied(redis_server, new_redis, monkeypatch):
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    publisher, _ = new_redis(listen=False)
    assert publisher.publish(message("idle", B)) == 0
    always_heard, _ = new_redis(listen=False)
    assert always_heard.publish(message("before")) == 1
    monkeypatch.setattr(relay._subscriber, "_connect", not_yet)
    redis_server.stop()
    redis_server.start()
    for one in (publisher, always_heard):
        with pytest.raises(RelayError):
            one.publish(message("by a connection that broke"))
        check_all_are_refused(one, EMPTIED)
    monkeypatch.setattr(listeners, "YOUNG", 10)
    newborn, _ = new_redis(listen=False)
    check_all_are_refused(newborn, EMPTIED, 1)
    monkeypatch.undo()
    wait_until(lambda: is_accepted(publisher))
    inbox.wait_for("after")


def not_yet():
    raise redis.ConnectionError("not yet")


def test_sockets_of_the_own_process_that_wait_for_redis(redis_server, new_redis, monkeypatch):
    relay, inbox = new_redis()
    monkeypatch.setattr(relay._subscriber, "_connect", not_yet)
    redis_server.kill_connections()
    wait_until(lambda: relay.status()["deaf_since"])
    relay.subscribe(A, inbox.deliver)
    check_all_are_refused(relay, "this process does not hear it")


def test_a_process_that_ends_is_missed_by_nobody(new_redis):
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    other, _ = new_redis()
    relay.close()
    assert other.publish(message("nobody")) == 0


def test_a_process_that_is_gone_is_expected_for_the_time_of_its_lease(
    tcp_redis, far_and_near, monkeypatch
):
    monkeypatch.setattr(listeners, "LEASE", 60)
    far, _, near = far_and_near
    far._subscriber._health.send()
    tcp_redis.tap.close()
    wait_until(lambda: not tcp_redis.client.pubsub_numsub(near._keyspace.channel(A))[0][1])
    check_all_are_refused(near, NOT_HEARD, 1)
    lease = near._keyspace.listeners, far._subscriber._health.channel
    now = tcp_redis.client.time()[0]
    assert now + 30 < float(tcp_redis.client.hget(*lease)) <= now + 61
    tcp_redis.client.hset(*lease, now - 1)
    assert near.publish(message("nobody")) == 0


def test_a_process_that_comes_while_a_message_is_published_gets_it(new_redis, monkeypatch):
    publisher, _ = new_redis()
    assert publisher.publish(message("nobody")) == 0
    publish = publisher._publisher.publish

    def and_another_comes(*args):
        monkeypatch.undo()
        received = publish(*args)
        new, inbox = new_redis()
        new.subscribe(A, inbox.deliver)
        inboxes.append(inbox)
        return received

    inboxes = []
    monkeypatch.setattr(publisher._publisher, "publish", and_another_comes)
    assert publisher.publish(message("for one")) == 1
    (inbox,) = inboxes
    inbox.wait_for("for one")


@pytest.mark.parametrize("server", [KINDS[1], KINDS[-1]], indirect=True)
@pytest.mark.parametrize("name", ["publish", "publish_step"])
def test_a_subscription_of_the_own_process_that_comes_while_a_message_is_published_gets_it(
    new_relay, monkeypatch, name
):
    relay, inbox = new_relay()
    publish = getattr(relay._publisher, name)

    def and_a_socket_comes(*args):
        monkeypatch.undo()
        received = publish(*args)
        relay.subscribe(A, inbox.deliver)
        return received

    monkeypatch.setattr(relay._publisher, name, and_a_socket_comes)
    one = message("for one")
    assert (relay.publish(one) if name == "publish" else relay.publish_all([one])[0]) == 1
    inbox.wait_for("for one")


@pytest.mark.parametrize("failures", [1, 10])
def test_a_process_that_comes_while_a_second_publishing_fails_is_not_forgotten(
    new_redis, monkeypatch, failures
):
    publisher, _ = new_redis()
    publisher.subscribe(B, Inbox().deliver)
    publish, calls = publisher._publisher.publish, count(1)

    def and_another_comes(*args):
        call = next(calls)
        if 1 < call <= 1 + failures:
            raise RelayError("Redis has no memory left")
        receipt = publish(*args)
        if call == 1:
            other, inbox = new_redis()
            other.subscribe(A, inbox.deliver)
        return receipt

    monkeypatch.setattr(publisher._publisher, "publish", and_another_comes)
    if failures == 1:
        assert publisher.publish(message("for both", B, A)) == 2
    else:
        with pytest.raises(RelayError, match="processes that hear the relay got it"):
            publisher.publish(message("for both", B, A))


@pytest.mark.needs("shards")
def test_a_process_that_one_node_has_cut_off(tmp_path, notice):
    with RedisCluster(tmp_path, taps=True) as cluster, relays_at(cluster.url, timeout=0.5) as new:
        far, inbox = new()
        first, second, _ = cluster.nodes
        here, there = (topic_of(cluster, far, node) for node in (first, second))
        far.subscribe(here, inbox.deliver)
        first.tap.mute()
        near, _ = new(listen=False, timeout=2)
        assert near.publish(message("before", here)) == 1
        first.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        for number in range(3):
            with pytest.raises(RelayError, match=NOT_HEARD):
                near.publish(message(number, here))
            assert near.publish(message("nobody", there)) == 0
        other, others = new()
        other.subscribe(there, others.deliver)
        with pytest.raises(RelayError, match=f"{NOT_HEARD}; processes that hear the relay got it"):
            near.publish(message("for some", here, there))
        others.wait_for("for some")
        notice()
        inbox.wait_for("before")
        assert near.publish(message("after", here)) == 1
        inbox.wait_for("after")
        assert (inbox.messages, inbox.lost) == (["before", "after"], [])


@pytest.mark.needs("shards")
def test_a_process_that_was_coming_back_to_one_node_while_others_were_settled(
    cluster, new_cluster, monkeypatch
):
    (other, inbox), (near, _) = new_cluster(), new_cluster(listen=False)
    first, second, _ = cluster.nodes
    here, there = (topic_of(cluster, near, node) for node in (first, second))
    assert [near.publish(message("nobody", topic)) for topic in (here, there)] == [0, 0]
    coming = near._keyspace.channel(here) + ":health"  # in the same slot
    near._listeners.join(coming, listeners.NO_LEASE)
    assert near.publish(message("nobody", there)) == 0
    publish, connection = near._publisher.publish, first.client.connection_pool.make_connection()

    def and_it_comes(*args):
        monkeypatch.undo()
        received = publish(*args)
        connection.send_command("SSUBSCRIBE", coming)
        channels = "PUBSUB SHARDCHANNELS"
        wait_until(lambda: coming.encode() in first.client.execute_command(channels))
        other.subscribe(here, inbox.deliver)
        return received

    monkeypatch.setattr(near._publisher, "publish", and_it_comes)
    assert near.publish(message("for one", here)) == 1
    connection.disconnect()
