"""Settings and absences of Redis, and their documented effects on messages and the log."""

import logging

import pytest
import redis

from django_socketio import RelayError
from django_socketio.relay.topics import channel_topic
from tests.kit.waiting import wait_until
from tests.relay.conftest import A, message


@pytest.fixture
def relay(redis_server, new_redis):
    """A relay whose process is on a channel that has had a message, and its inbox."""
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    assert relay.publish(message("first")) == 1
    inbox.wait_for("first")
    return relay, inbox


def test_topics_that_are_subscribed_to_while_redis_is_away_take_one_line(
    redis_server, relay, caplog
):
    caplog.set_level(logging.INFO)
    relay, inbox = relay
    redis_server.stop()
    for number in range(20):
        relay.subscribe(channel_topic("/", f"room-{number}"), inbox.deliver)
    assert caplog.text.count("known once Redis is back") == 1


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [("maxmemory", "1", "OOM|used memory"), ("min-replicas-to-write", "1", "replicas")],
)
def test_what_redis_refuses_to_write_is_an_error_and_not_delivered(
    redis_server, relay, setting, value, told
):
    relay, inbox = relay
    redis_server.client.config_set(setting, value)
    with pytest.raises(RelayError, match=told):
        relay.publish(message("refused"))
    redis_server.client.config_set(setting, "0")
    assert relay.publish(message("taken")) == 1
    inbox.wait_for("taken")
    assert (inbox.messages, inbox.lost) == (["first", "taken"], [])


def test_connected_sockets_get_each_message_though_redis_evicts_the_log(redis_server, relay):
    relay, inbox = relay
    redis_server.client.config_set("maxmemory-policy", "allkeys-lru")
    redis_server.client.config_set("maxmemory", "1")
    wait_until(lambda: evict(redis_server))
    redis_server.client.config_set("maxmemory", "0")
    assert relay.publish(message("taken")) == 1
    inbox.wait_for("taken")
    assert inbox.messages == ["first", "taken"]


def evict(server):
    """Have a full Redis evict; return whether it has no key left."""
    with pytest.raises(redis.OutOfMemoryError):
        server.client.set("x", "x")
    return server.client.dbsize() == 0


def test_a_process_that_redis_cuts_off_reads_the_log(redis_server, relay):
    relay, inbox = relay
    redis_server.client.config_set("client-output-buffer-limit", "pubsub 100000 0 0")
    assert relay.publish(message("x" * 300_000)) == 1
    inbox.wait_for("x" * 300_000)
    wait_until(lambda: relay.status()["alive"])
    assert (relay.status()["reconnects"], inbox.lost) == (1, [])


def test_a_message_after_redis_has_closed_idle_connections_is_taken(redis_server, relay):
    relay, inbox = relay
    redis_server.client.config_set("timeout", "1")
    # What is left is this test's own, and the one that listens.
    wait_until(lambda: len(redis_server.client.client_list()) == 2)
    assert relay.publish(message("second")) == 1
    inbox.wait_for("second")
    assert relay.status()["reconnects"] == 0
