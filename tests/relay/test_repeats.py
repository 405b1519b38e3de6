"""Idempotency keys: what is published again is delivered once, by every relay."""

import threading

import pytest

from django_socketio import RelayError
from django_socketio.relay import repeats
from django_socketio.relay.receipt import Receipt
from django_socketio.relay.repeats import Repeats
from django_socketio.relay.topics import channel_topic
from tests.relay.conftest import A, B, message, relays_at

KEY = "0123456789abcdef"


def once(content, *topics, key=KEY):
    return message(content, *topics, once=key)


def test_a_repeat_is_not_delivered_and_gets_the_receipt_of_the_first(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    first = here.publish(once("first"))
    assert (first, first.is_repeat) == (1, False)
    for relay in (here, there):
        repeat = relay.publish(once("other content"))
        assert (repeat, repeat.position, repeat.is_repeat) == (1, first.position, True)
    assert here.publish(once("other key", key="other")) == 1
    inbox.wait_for("other key")
    assert inbox.messages == ["first", "other key"]
    assert first.position is None or first.position.offset == 1


def test_what_reached_nobody_is_not_delivered_later(pair):
    (here, _), (there, inbox) = pair
    first = here.publish(once("unheard"))
    assert (first, first.is_accepted) == (0, False)
    there.subscribe(A, inbox.deliver)
    repeat = here.publish(once("again"))
    assert (repeat, repeat.is_repeat) == (0, True)
    here.publish(message("last"))
    inbox.wait_for("last")
    assert inbox.messages == ["last"]


@pytest.mark.parametrize("size", [1, 2000], ids=["small", "shared"])
def test_a_repeat_for_several_topics_reaches_none_of_them(pair, size):
    (here, _), (there, inbox) = pair
    nobody = channel_topic("/", "nobody")
    there.subscribe(A, inbox.deliver)
    there.subscribe(B, inbox.deliver)
    assert here.publish(once("x" * size, A, B, nobody)) >= 1
    there.subscribe(nobody, inbox.deliver)
    repeat = here.publish(once("repeat", nobody, B, A))
    assert repeat >= 1
    assert repeat.is_repeat
    here.publish(message("last"))
    inbox.wait_for("last")
    here.publish(message("last of nobody", nobody))
    inbox.wait_for("last of nobody")
    assert inbox.messages == ["x" * size, "last", "last of nobody"]


def test_a_topic_without_listeners_is_made_certain_of_and_not_counted(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    assert here.publish(once("first", A, channel_topic("/", "nobody"))) == 1
    here.publish(message("last"))
    inbox.wait_for("last")
    assert inbox.messages == ["first", "last"]


def test_of_publishers_at_the_same_time_one_publishes(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    receipts = []
    threads = [
        threading.Thread(target=lambda: receipts.append(here.publish(once("same"))))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    here.publish(message("last"))
    inbox.wait_for("last")
    assert inbox.messages == ["same", "last"]
    assert receipts == [1] * 20
    assert [receipt.is_repeat for receipt in receipts].count(False) == 1


def test_messages_of_a_batch_can_have_keys(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    here.publish(once(2, key="2"))
    receipts = here.publish_all([once(number, key=str(number)) for number in range(4)])
    assert receipts == [1] * 4
    assert [receipt.is_repeat for receipt in receipts] == [False, False, True, False]
    inbox.wait_for(3)
    assert inbox.messages == [2, 0, 1, 3]


class TestRedis:
    def test_a_key_is_forgotten_after_five_minutes(self, redis_server, new_redis):
        relay, _ = new_redis()
        relay.publish(once("unheard"))
        relay.subscribe(A, lambda delivery: 1)
        relay.publish(once("heard", key="other"))
        records = [*redis_server.client.scan_iter("*:once:*")]
        assert len(records) == 2
        times = [redis_server.client.pttl(record) for record in records]
        assert all(290_000 < time <= 300_000 for time in times)

    def test_a_message_that_redis_refused_can_be_published_again(self, redis_server, new_redis):
        relay, inbox = new_redis()
        relay.subscribe(A, inbox.deliver)
        relay.publish(message("before"))
        redis_server.client.config_set("maxmemory", 1)
        with pytest.raises(RelayError, match="OOM"):
            relay.publish(once("retried"))
        redis_server.client.config_set("maxmemory", 0)
        receipt = relay.publish(once("retried"))
        assert (receipt, receipt.is_repeat) == (1, False)
        inbox.wait_for("retried")
        assert inbox.messages == ["before", "retried"]

    def test_a_message_whose_answer_was_lost_is_delivered_once(self, tcp_redis):
        with relays_at(tcp_redis.url) as new:
            relay, inbox = new()
            tap = tcp_redis.tap
            publisher, _ = new(listen=False, url=f"redis://127.0.0.1:{tap.port}")
            relay.subscribe(A, inbox.deliver)
            publisher.publish(once("before", key="before"))
            tap.answers_to_lose = 1
            receipt = publisher.publish(once("answer lost"))
            assert tap.answers_to_lose == 0
            assert (receipt, receipt.is_repeat) == (1, False)
            assert receipt.position == relay.position(A)
            publisher.publish(message("last"))
            inbox.wait_for("last")
            assert inbox.messages == ["before", "answer lost", "last"]

    def test_a_message_whose_answer_came_too_late_is_delivered_once(self, tcp_redis):
        with relays_at(tcp_redis.url) as new:
            relay, inbox = new()
            tap = tcp_redis.tap
            publisher, _ = new(listen=False, url=f"redis://127.0.0.1:{tap.port}", timeout=4)
            relay.subscribe(A, inbox.deliver)
            publisher.publish(once("before", key="before"))
            tap.mute("down")
            receipt = publisher.publish(once("answer late"))
            assert (receipt, receipt.is_repeat) == (1, False)
            publisher.publish(message("last"))
            inbox.wait_for("last")
            assert inbox.messages == ["before", "answer late", "last"]


def test_the_relay_of_one_process_forgets_keys():
    now = [0.0]
    found = Repeats(lambda: now[0])
    found.add("key", Receipt(3))
    now[0] = repeats.REMEMBERED - 1
    assert found.find("key") == 3
    now[0] += 1
    assert found.find("key") is None
