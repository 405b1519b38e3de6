"""Messages that are published at once: by every relay as if they were published one by one."""

import pytest

from django_socketio import RelayError
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.receipt import Receipt
from django_socketio.relay.redis.packing import Outgoing, batches, runs
from django_socketio.relay.topics import Retention, Retentions, channel_topic
from django_socketio.relay.untried import NotTried
from tests.kit.redis_server import DEFAULT
from tests.relay.cluster import RedisCluster
from tests.relay.conftest import KINDS, A, B, message, relays_at

NOBODY = channel_topic("/", "nobody")

WITH_DEFAULT = (f"redis {DEFAULT}", f"cluster {DEFAULT}")


def test_messages_keep_their_order_and_have_a_receipt_each(pair):
    (here, _), (there, inbox) = pair
    for topic in (A, B):
        there.subscribe(topic, inbox.deliver)
    topics = [(A,), (A,), (A,), (B,), (NOBODY,), (A,), (A, B), (B,), (B,)]
    receipts = here.publish_all([message(number, *one) for number, one in enumerate(topics)])
    heard = [number for number, one in enumerate(topics) if one != (NOBODY,)]
    assert [bool(receipt) for receipt in receipts] == [number in heard for number in range(9)]
    inbox.wait(lambda: {*inbox.messages} == {*heard})
    assert len(inbox.messages) == len(heard)
    for topic in (A, B):
        own = [n for n in inbox.messages if topics[n] == (topic,)]
        assert own == sorted(own)
    places = [receipt.position for number, receipt in enumerate(receipts) if topics[number] == (A,)]
    assert [place.offset for place in places] == [1, 2, 3, 4]
    assert len({place.epoch for place in places}) == 1


def test_a_batch_leaves_the_log_that_single_messages_leave(pair):
    (here, _), (there, inbox) = pair
    for topic in (A, B):
        there.subscribe(topic, inbox.deliver)
    here.publish_all([message("x" * number) for number in range(250)])
    for number in range(250):
        here.publish(message("x" * number, B))
    inbox.wait(lambda: len(inbox.messages) == 500)
    logs = [here.read(topic) for topic in (A, B)]
    assert [log.is_complete for log in logs] == [True, True]
    contents = [[one.envelope.args[0] for one in log.deliveries] for log in logs]
    assert contents[0] == contents[1] == ["x" * number for number in range(250)]
    offsets = [[one.position.offset for one in log.deliveries] for log in logs]
    assert offsets[0] == offsets[1] == [*range(1, 251)]


def test_no_messages_are_none(pair):
    (here, _), _ = pair
    assert here.publish_all([]) == []


@pytest.mark.parametrize("server", KINDS[1:2], indirect=True)
class TestRedis:
    def test_a_long_batch_takes_one_command_for_a_hundred_messages(self, server, new_relay):
        relay, inbox = new_relay()
        relay.subscribe(A, inbox.deliver)
        relay.publish_all([message("first"), message("first")])
        before = evaluated(server)
        assert relay.publish_all([message(number) for number in range(250)]) == [1] * 250
        assert evaluated(server) - before == 3
        inbox.wait_for(249)
        assert inbox.messages[2:] == [*range(250)]

    @pytest.mark.parametrize(
        "retention",
        [Retention(10, 2000, 60.0), Retention(0, 0, 0.0), Retention(10, 9000, 60.0, True)],
        ids=["few bytes", "no log", "history"],
    )
    def test_logs_with_anything_unusual_are_as_after_single_messages(
        self, server, new_relay, retention
    ):
        options = {"retentions": Retentions(retention)}
        (one, inbox), (other, _) = new_relay(**options), new_relay(**options)
        for topic in (A, B):
            one.subscribe(topic, inbox.deliver)
        receipts = other.publish_all([message("x" * 90) for _ in range(50)])
        singles = [other.publish(message("x" * 90, B)) for _ in range(50)]
        assert [(one, offset_of(one)) for one in receipts] == [
            (one, offset_of(one)) for one in singles
        ]
        logs = [[kept.position.offset for kept in one.read(topic).deliveries] for topic in (A, B)]
        assert logs[0] == logs[1]
        assert [other.position(topic) and other.position(topic).offset for topic in (A, B)] == [
            offset_of(singles[-1])
        ] * 2

    def test_a_batch_without_listeners_asks_once_which_processes_listen(self, server, new_relay):
        relay, _ = new_relay(listen=False)
        relay.publish(message("first"))
        before = evaluated(server)
        assert relay.publish_all([message(number) for number in range(100)]) == [0] * 100
        assert evaluated(server) - before == 2


def offset_of(receipt):
    return receipt.position.offset if isinstance(receipt.position, StreamPosition) else None


def evaluated(server):
    return server.client.info("commandstats")["cmdstat_evalsha"]["calls"]


@pytest.fixture
def losing(tcp_redis):
    """A publisher that loses its next answer, the tap on its way, and the inbox of a subscriber."""
    with relays_at(tcp_redis.url) as new:
        relay, inbox = new()
        tap = tcp_redis.tap
        publisher, _ = new(listen=False, url=f"redis://127.0.0.1:{tap.port}")
        relay.subscribe(A, inbox.deliver)
        publisher.publish_all([message("before"), message("before")])
        tap.answers_to_lose = 1
        yield publisher, tap, inbox


def test_a_batch_whose_answer_was_lost_is_found_in_the_log(losing):
    publisher, tap, inbox = losing
    assert publisher.publish_all([message(number) for number in range(10)]) == [1] * 10
    assert tap.answers_to_lose == 0
    inbox.wait_for(9)
    assert inbox.messages[2:] == [*range(10)]


def test_a_lost_answer_fails_only_the_messages_of_a_batch_that_are_not_found(losing):
    publisher, tap, inbox = losing
    results = publisher.publish_all([message(0), message(1, NOBODY), message(2)])
    assert tap.answers_to_lose == 0
    assert [type(one) for one in results] == [Receipt, RelayError, Receipt]
    assert (results[0], results[2]) == (1, 1)
    inbox.wait_for(2)
    assert inbox.messages[2:] == [0, 2]


def test_a_relay_that_fails_ends_the_batch(redis_server, new_redis):
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    relay.publish(message("before"))
    redis_server.client.config_set("maxmemory", 1)
    results = relay.publish_all([message(number) for number in range(250)])
    assert [type(result) for result in results] == [RelayError] + [NotTried] * 249
    redis_server.client.config_set("maxmemory", 0)
    relay.publish(message("after"))
    inbox.wait_for("after")
    assert inbox.messages == ["before", "after"]


def test_the_error_of_one_message_does_not_hide_what_was_handed_on_before(redis_server, new_redis):
    relay, inbox = new_redis()
    for topic in (A, B):
        relay.subscribe(topic, inbox.deliver)
    relay.publish(message("b", B))
    (log,) = redis_server.client.scan_iter("*,b}:log")
    redis_server.client.set(log, "no log")
    results = relay.publish_all([message(0), message(1), message(2, B), message(3)])
    assert results[:2] == [1, 1]
    assert [type(result) for result in results[2:]] == [RelayError, NotTried]
    inbox.wait_for(1)
    relay.publish(message("last"))
    inbox.wait_for("last")
    assert inbox.messages == ["b", 0, 1, "last"]


@pytest.mark.parametrize("server", [kind for kind in KINDS if kind in WITH_DEFAULT], indirect=True)
def test_the_error_of_one_message_does_not_hide_others_on_its_topic(server, new_relay):
    relay, inbox = new_relay(log_bytes=10_000)
    relay.subscribe(A, inbox.deliver)
    relay.publish(message("before"))
    inbox.wait_for("before")
    spoil_log(server, relay, bytes_left=1500)
    results = relay.publish_all([message(f"{number}" * 800) for number in range(3)])
    assert [type(one) for one in results] == [Receipt, RelayError, NotTried]
    assert results[0] == 1
    inbox.wait_for("0" * 800)


def spoil_log(server, relay, bytes_left):
    """Have a log refuse the first message after some bytes: it reads a foreign entry then."""
    channel, position, log = relay._keyspace.names(A)
    client = server.node_of(channel).client if isinstance(server, RedisCluster) else server.client
    client.xadd(log, {"r": "foreign", "s": "no number"}, id="1-1")
    client.hset(position, "bytes", 10_000 - bytes_left)


def test_batches_are_bounded_by_topics_and_bytes_and_keys_stand_alone():
    def sizes(messages):
        return [len(batch) for batch in batches(messages)]

    one, three = Outgoing((A,), b"x"), Outgoing((A, B, NOBODY), b"x")
    assert sizes([one] * 250) == [100, 100, 50]
    assert sizes([three] * 50) == [33, 17]
    assert sizes([Outgoing((A,), b"x" * 400_000)] * 5) == [2, 2, 1]
    assert sizes([one, one._replace(once="k"), one, one]) == [1, 1, 2]
    assert [len(run) for run in runs([one, one, three, three, one])] == [2, 1, 1, 1]
