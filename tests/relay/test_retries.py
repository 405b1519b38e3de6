"""A message with an idempotency key that some audiences did not get: a retry is for these only."""

import time
from unittest.mock import ANY

import pytest

from django_socketio import RelayError
from django_socketio.relay.cluster.router import Unreachable
from django_socketio.relay.cluster.topology import slot_of
from django_socketio.relay.repeats import REMEMBERED
from tests.kit.clients import WebSocketClient
from tests.kit.waiting import wait_until
from tests.relay.breaking import cut_off
from tests.relay.cluster import RedisCluster, topic_of
from tests.relay.conftest import A, B, Inbox, each_server, message, relays_at

NOT_ALL = "do not hear the relay now; processes that hear the relay got it"


def once(content, *topics):
    return message(content, *topics, once="0123456789abcdef")


class Ends:
    """A process on A that can be cut off from Redis, and one on B that publishes."""

    def __init__(self, server, new):
        self.server = server
        (self.far, self.far_inbox), (self.near, self.near_inbox) = new(), new(url=server.url)
        self.far.subscribe(A, self.far_inbox.deliver)
        self.near.subscribe(B, self.near_inbox.deliver)
        assert self.near.publish(message("before", A, B)) == 2
        self.far_inbox.wait_for("before")

    def cut_off(self):
        """Have Redis close the connections of the far process, which does not notice."""
        cut_off(self.server, self.near)

    def retry(self, *topics):
        """Publish another message with the key until it is accepted; return its receipt."""
        return wait_until(lambda: receipt_of(self.near, once("retry", *topics)))

    def check_inboxes(self, far, near):
        """Check all that has come between the first message and a last one."""
        for topic, inbox, contents in ((A, self.far_inbox, far), (B, self.near_inbox, near)):
            last = f"last on {topic}"
            assert self.near.publish(message(last, topic)) >= 1
            inbox.wait_for(last)
            assert inbox.messages[: inbox.messages.index(last)] == ["before", *contents]


def receipt_of(publisher, envelope):
    try:
        return publisher.publish(envelope)
    except RelayError:
        return None


@pytest.fixture(params=[()])
def ends(tcp_redis, request):
    url = f"redis://127.0.0.1:{tcp_redis.tap.port}"
    with relays_at(url, timeout=2, signing_keys=request.param) as new:
        yield Ends(tcp_redis, new)


def check_not_all_get(publisher, *topics, count=2):
    for _ in range(count):
        with pytest.raises(RelayError, match=NOT_ALL):
            publisher.publish(once("first", *topics))


@each_server
@pytest.mark.parametrize("size", [1, 200], ids=["small", "shared"])
def test_a_retry_reaches_the_topic_that_was_not_heard(ends, notice, size):
    ends.cut_off()
    for content in ("first" * size, "retry"):
        with pytest.raises(RelayError, match=NOT_ALL):
            ends.near.publish(once(content, A, B))
    notice()
    receipt = ends.retry(B, A)
    assert (receipt, receipt.is_repeat) == (2, True)
    repeat = ends.near.publish(once("another", A, B))
    assert (repeat, repeat.is_repeat) == (2, True)
    ends.check_inboxes(["first" * size], ["first" * size])


def test_a_retry_reaches_sockets_that_have_moved_to_a_process_that_has_the_message(ends, notice):
    ends.cut_off()
    check_not_all_get(ends.near, A, B)
    ends.near_inbox.wait_for("first")
    moved = Inbox()
    ends.near.subscribe(A, moved.deliver)
    for _ in range(2):
        receipt = ends.near.publish(once("retry", A, B))
        assert (receipt, receipt.is_repeat) == (2, True)
    moved.wait_for("first")
    assert [envelope.topics for envelope in moved.envelopes] == [(A,)]
    notice()
    ends.far_inbox.wait_for("first")
    ends.check_inboxes(["first"], ["first"])
    moved.wait_for(f"last on {A}")
    assert moved.messages == ["first", f"last on {A}"]


def test_a_client_that_has_moved_knows_the_copy_by_its_id(ends, serve, notice, monkeypatch):
    monkeypatch.setattr("django_socketio.channels.untold.MOST", 1)
    ends.cut_off()
    server = serve(RELAY_URL=ends.server.url)
    server.wait_for_relay()
    client = WebSocketClient(server.port)
    client.connect(auth={"_positions": True})
    client.ask("subscribe", "b")
    check_not_all_get(ends.near, A, B, count=1)
    copies = [[client.event(), client.event()]]
    client.ask("subscribe", "a")
    assert ends.near.publish(once("retry", A, B)).is_repeat
    copies.append([client.event(), client.event()])
    (first, at_first), (copy, at_copy) = copies
    assert first == copy == ["message", "first", {"_at": [ANY]}]
    assert [[*at[1]] for at in (at_first, at_copy)] == [["channel,b"], ["channel,a"]]


def test_a_process_that_has_the_message_by_another_topic_does_not_get_it_again(ends, notice):
    ends.far.subscribe(B, ends.far_inbox.deliver)
    ends.cut_off()
    check_not_all_get(ends.near, A, B)
    notice()
    ends.far_inbox.wait_for("first")
    assert ends.retry(A, B).is_repeat
    ends.check_inboxes(["first"], ["first"])


@pytest.mark.parametrize("ends", [(b"key",)], indirect=True)
def test_the_signature_is_good_for_a_retry_as_long_as_the_key_is(ends, notice, monkeypatch):
    ends.cut_off()
    earlier = time.time() - REMEMBERED + 5
    monkeypatch.setattr("django_socketio.relay.signing.time.time", lambda: earlier)
    check_not_all_get(ends.near, A, B, count=1)
    monkeypatch.setattr("django_socketio.relay.signing.time.time", lambda: earlier + REMEMBERED)
    notice()
    assert ends.retry(A, B).is_repeat
    ends.check_inboxes(["first"], ["first"])


def test_a_message_waits_in_redis_only_until_it_is_certain_that_nobody_should_have_it(ends):
    client = ends.server.client
    nobody = message("nobody").topics[0]._replace(name="nobody")
    assert ends.near.publish(once("first", B, nobody)) == 1
    (record,) = client.scan_iter("*:once:*")
    assert {*client.hgetall(record)} == {b"by", b"told"}
    ends.near.subscribe(nobody, ends.near_inbox.deliver)
    assert ends.near.publish(once("retry", nobody, B)).is_repeat
    ends.check_inboxes([], ["first"])


class Slots:
    """A process on a topic of a node that has cut it off, and one on a topic of another node."""

    def __init__(self, cluster, new):
        first, second, _ = cluster.nodes
        self.far, self.far_inbox = new()
        self.here, self.there = (topic_of(cluster, self.far, node) for node in (first, second))
        self.far.subscribe(self.here, self.far_inbox.deliver)
        first.tap.mute()
        first.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        self.near, self.near_inbox = new(timeout=2)
        self.near.subscribe(self.there, self.near_inbox.deliver)


@pytest.fixture
def slots(tmp_path):
    with RedisCluster(tmp_path, taps=True) as cluster, relays_at(cluster.url, timeout=0.5) as new:
        yield Slots(cluster, new)


@pytest.mark.needs("shards")
def test_a_retry_in_a_cluster_reaches_the_slot_that_was_not_heard(slots, notice):
    check_not_all_get(slots.near, slots.here, slots.there)
    notice()
    wait_until(lambda: receipt_of(slots.near, once("retry", slots.there, slots.here)))
    slots.far_inbox.wait_for("first")
    repeat = slots.near.publish(once("retry", slots.here, slots.there))
    assert (repeat, repeat.is_repeat) == (2, True)
    slots.near.publish(message("last", slots.here, slots.there))
    for inbox in (slots.far_inbox, slots.near_inbox):
        inbox.wait_for("last")
        assert inbox.messages == ["first", "last"]


@pytest.mark.needs("shards")
def test_a_retry_in_a_cluster_reaches_no_socket_that_has_the_message_from_another_slot(
    slots, notice
):
    check_not_all_get(slots.near, slots.here, slots.there)
    slots.near_inbox.wait_for("first")
    moved = Inbox()
    slots.near.subscribe(slots.here, moved.deliver)
    for _ in range(2):
        receipt = slots.near.publish(once("retry", slots.here, slots.there))
        assert (receipt, receipt.is_repeat) == (2, True)
    slots.near.publish(message("last", slots.here))
    moved.wait_for("last")
    assert [envelope.topics for envelope in moved.envelopes] == [(slots.here,)] * 2
    assert (moved.messages, slots.near_inbox.messages) == (["first", "last"], ["first"])


@pytest.mark.needs("shards")
def test_an_error_says_that_other_slots_had_taken_a_message_with_a_key(
    cluster, new_cluster, monkeypatch
):
    (relay, inbox), nodes = new_cluster(), cluster.nodes
    topics = sorted(topic_of(cluster, relay, node) for node in nodes[:2])
    relay.subscribe_all(topics, inbox.deliver)
    send, last = relay._publisher._send, slot_of(relay._keyspace.channel(topics[1]))

    def send_but_to_the_last(slot, *args):
        if slot == last:
            raise Unreachable("it is away")
        return send(slot, *args)

    with monkeypatch.context() as patched:
        patched.setattr(relay._publisher, "_send", send_but_to_the_last)
        with pytest.raises(
            RelayError, match=f"for {topics[1]}, after 1 of 2 slots had: it is away"
        ):
            relay.publish(once("once", *topics))
    inbox.wait_for("once")
    assert relay.publish(once("once", *topics)) == 2
