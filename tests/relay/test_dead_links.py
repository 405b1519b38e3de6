"""Connections that died without a word, and then faults of Redis: a loss is told, not silent."""

import pytest

from django_socketio.relay.redis.listeners import NO_LEASE
from tests.kit.programs import free_port
from tests.kit.redis_server import RedisServer
from tests.kit.waiting import wait_until
from tests.relay.cluster import RedisCluster, topic_of
from tests.relay.conftest import (
    A,
    B,
    each_server,
    each_sharded,
    message,
    publisher_works,
    relays_at,
)


@pytest.fixture
def ends(tcp_redis):
    """A relay whose connections go by the tap, and one beside it, with their inboxes."""
    with relays_at(f"redis://127.0.0.1:{tcp_redis.tap.port}", timeout=0.5) as new:
        (far, inbox), (near, _) = new(), new(url=tcp_redis.url, timeout=2)
        for topic in (A, B):
            far.subscribe(topic, inbox.deliver)
        for number in range(3):
            wait_until(lambda number=number: publisher_works(near, number))
        inbox.wait_for(2)
        yield far, inbox, near


def is_back(relay, times=1):
    return relay.status()["reconnects"] == times and relay.status()["alive"]


def die_and_accept(server, near):
    """Have connections die, and then Redis accept a message for each topic."""
    server.tap.mute()
    assert [near.publish(message("forgotten", topic)) for topic in (A, B)] == [1, 1]


def check_that_losses_are_told(far, inbox, near, caplog, times=1):
    wait_until(lambda: is_back(far, times))
    assert near.publish(message("after"))
    inbox.wait_for("after")
    assert inbox.messages == [0, 1, 2, "after"]
    assert sorted(inbox.lost) == [A, B]  # B was idle, but may have had its first message
    assert "The relay finds other data in Redis: messages that Redis accepted" in caplog.text


@each_server
def test_a_redis_that_restarts_from_a_snapshot(tcp_redis, ends, notice, caplog):
    far, inbox, near = ends
    tcp_redis.client.save()
    tcp_redis.tap.mute()
    assert [near.publish(message(number)) for number in range(3, 6)] == [1] * 3
    tcp_redis.stop()
    tcp_redis.start()
    notice()
    check_that_losses_are_told(far, inbox, near, caplog)


def test_a_redis_that_was_emptied(tcp_redis, ends, notice, caplog):
    """It is the same run with the same history."""
    far, inbox, near = ends
    die_and_accept(tcp_redis, near)
    tcp_redis.client.flushall()
    notice()
    check_that_losses_are_told(far, inbox, near, caplog)


def test_a_redis_that_was_emptied_before_the_lease_was_renewed(tcp_redis, ends, notice, caplog):
    far, inbox, near = ends
    die_and_accept(tcp_redis, near)
    tcp_redis.client.flushall()
    for _ in range(4):  # until no connection for publishing is dead
        far._subscriber._health.renew()
    notice()
    check_that_losses_are_told(far, inbox, near, caplog)


def test_a_redis_that_was_emptied_and_says_so_only_after_the_new_connection(
    tcp_redis, ends, notice, caplog
):
    """As when the connections by which it would be asked are dead, too."""
    far, inbox, near = ends
    die_and_accept(tcp_redis, near)
    tcp_redis.client.flushall()
    tcp_redis.client.acl_setuser("default", enabled=True, commands=["-hset"])  # leases need it
    notice()
    wait_until(lambda: is_back(far))
    tcp_redis.client.acl_setuser("default", enabled=True, commands=["+hset"])
    check_that_losses_are_told(far, inbox, near, caplog, times=2)


def test_a_redis_that_is_emptied_before_its_logs_are_read(
    tcp_redis, ends, notice, monkeypatch, caplog
):
    far, inbox, near = ends
    read = far._heard_log.missed

    def empty_and_read(places):
        monkeypatch.setattr(far._heard_log, "missed", read)
        tcp_redis.client.flushall()
        return read(places)

    monkeypatch.setattr(far._heard_log, "missed", empty_and_read)
    die_and_accept(tcp_redis, near)
    notice()
    check_that_losses_are_told(far, inbox, near, caplog)


@each_server
def test_a_lease_shows_that_redis_was_emptied(redis_server, new_redis, monkeypatch):
    """Also after its end, and again if the answer that said so was lost."""
    monkeypatch.setattr("django_socketio.relay.redis.listeners.LEASE", 0.001)
    listeners = new_redis(listen=False)[0]._listeners
    first, was_forgotten = listeners.join("a", NO_LEASE)
    second, is_forgotten = listeners.join("a", first)
    assert (was_forgotten, is_forgotten, second.data) == (False, False, first.data)
    redis_server.client.flushall()
    answers = [listeners.join("a", second) for _ in range(2)]
    assert [is_forgotten for _, is_forgotten in answers] == [True, True]
    assert listeners.join("a", answers[-1][0])[1] is False


def test_a_redis_that_was_a_replica_in_between(tcp_redis, ends, notice, tmp_path, caplog):
    """It is the same run, but has the data of another server."""
    far, inbox, near = ends
    port = free_port()
    (tmp_path / "other").mkdir()
    with RedisServer(tmp_path / "other", options=["--port", str(port)]) as other:
        other.client.replicaof("127.0.0.1", tcp_redis.client.config_get("port")["port"])
        wait_until(lambda: other.client.info("replication")["master_link_status"] == "up")
        other.client.replicaof("NO", "ONE")
        tcp_redis.tap.mute()
        assert near.publish(message("forgotten")) == 1
        tcp_redis.client.replicaof("127.0.0.1", port)
        wait_until(lambda: tcp_redis.client.info("replication")["master_link_status"] == "up")
        tcp_redis.client.replicaof("NO", "ONE")
    notice()
    check_that_losses_are_told(far, inbox, near, caplog)


def test_a_redis_that_goes_on_has_kept_everything(tcp_redis, ends, notice):
    _, inbox, near = ends
    tcp_redis.tap.mute()
    assert [near.publish(message(number)) for number in range(3, 6)] == [1] * 3
    assert near.publish(message("idle before", B)) == 1
    notice()
    inbox.wait_for("idle before")
    assert (sorted(inbox.messages, key=str), inbox.lost) == ([*range(6), "idle before"], [])


@pytest.mark.parametrize("topics", [(A,), (A, B)])
def test_a_message_whose_answer_died_on_its_way_was_accepted(tcp_redis, topics):
    """All connections of the publisher are dead, so that only a new one shows what Redis has."""
    with relays_at(tcp_redis.url, timeout=4) as new:
        (far, _), (near, other) = new(url=f"redis://127.0.0.1:{tcp_redis.tap.port}"), new()
        near.subscribe(A, other.deliver)
        assert far.publish(message("before", *topics)) > 0
        tcp_redis.tap.mute("down")
        assert far.publish(message("x" * 1000, *topics)) > 0
        other.wait_for("x" * 1000)
        assert other.messages == ["before", "x" * 1000]


def test_a_redis_whose_identity_is_hidden_is_in_doubt(tcp_redis, ends, caplog):
    far, inbox, _ = ends
    tcp_redis.client.acl_setuser("default", enabled=True, commands=["-info"])
    tcp_redis.kill_connections()
    wait_until(lambda: is_back(far))
    inbox.wait(lambda: inbox.lost)
    assert sorted(inbox.lost) == [A, B]
    assert "The relay may not ask Redis for its identity (INFO): messages" in caplog.text


@each_sharded
def test_a_replica_that_lacks_the_last_messages_takes_over(
    tmp_path, server_name, notice, monkeypatch
):
    """The process hears of the new primary before it finds out that its connection is dead."""
    monkeypatch.setattr("django_socketio.relay.cluster.subscriber.LOOK_INTERVAL", 0.1)
    with (
        RedisCluster(tmp_path, server_name, node_timeout=1000, replica=True, taps=True) as cluster,
        relays_at(cluster.url, timeout=0.5) as new,
    ):
        first, second, _, replica = cluster.nodes
        far, inbox = new()
        here, there = (topic_of(cluster, far, node) for node in (first, second))
        for topic in (here, there):
            far.subscribe(topic, inbox.deliver)
        near = new(listen=False, timeout=2)[0]
        for number in range(3):
            assert near.publish(message(number, here)) == 1
        inbox.wait_for(2)
        wait_until(lambda: offset(replica) == offset(first))
        first.tap.mute()
        near = new(listen=False, timeout=2)[0]
        assert [near.publish(message(number, here)) for number in range(3, 6)] == [1] * 3
        first.stop()
        inbox.wait(lambda: inbox.lost)
        wait_until(lambda: publisher_works(near, "after", here))
        inbox.wait_for("after")
        assert (inbox.messages, inbox.lost) == ([0, 1, 2, "after"], [here])


def offset(node):
    return node.client.info("replication")["master_repl_offset"]
