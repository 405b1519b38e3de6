"""What the relay's logs take of Redis's memory, and what becomes of messages that were let go."""

import pytest

from django_socketio.relay import wire
from django_socketio.relay.redis.lost_answers import Break
from django_socketio.relay.redis.packing import Outgoing
from django_socketio.relay.topics import Retention, Retentions, channel_topic
from tests.kit.waiting import wait_until
from tests.relay.conftest import A, B, Deafened, each_server, keys_of_topics, message

TOPICS = [channel_topic("/", f"room-{number}") for number in range(100)]
BIG = 900_000


@each_server
def test_a_message_for_a_hundred_topics_is_kept_once(redis_server, new_redis):
    relay, inbox = new_redis()
    for topic in TOPICS:
        relay.subscribe(topic, inbox.deliver)
    for number in range(3):
        assert relay.publish(message(f"{number}" * BIG, *TOPICS)) == 100
    inbox.wait(lambda: len(inbox.envelopes) == 3)
    assert used_memory(redis_server) < 6 * BIG


def used_memory(redis_server):
    """Return the bytes that all keys take."""
    client = redis_server.client
    return sum(client.memory_usage(key, samples=0) for key in keys_of_topics(redis_server))


@each_server
def test_a_shared_message_reaches_processes_that_are_on_some_of_its_topics(redis_server, new_redis):
    pairs = [new_redis() for _ in TOPICS[:4]]
    for (relay, inbox), topic in zip(pairs, TOPICS, strict=False):
        relay.subscribe(topic, inbox.deliver)
    publisher, _ = new_redis(listen=False)
    texts = [f"{number}" * 2000 for number in range(5)]
    for text in texts:
        assert publisher.publish(message(text, *TOPICS)) == 4
    for _, inbox in pairs:
        inbox.wait(lambda inbox=inbox: len(inbox.envelopes) == 5)
        assert (inbox.messages, inbox.lost) == (texts, [])


@each_server
def test_a_hole_is_filled_with_shared_messages(redis_server, new_redis):
    relay, inbox = new_redis()
    for topic in (A, B):
        relay.subscribe(topic, inbox.deliver)
    relay.publish(message(0, A, B))
    inbox.wait_for(0)
    relay._subscriber._observer = Deafened(relay)
    texts = [f"{number}" * 2000 for number in range(3)]
    for text in texts:
        assert relay.publish(message(text, A, B)) == 2
    relay._subscriber._observer = relay
    relay.publish(message("last", A, B))
    inbox.wait_for("last")
    assert (inbox.messages, inbox.lost) == ([0, *texts, "last"], [])


def test_a_shared_message_is_found_in_the_log_after_a_broken_connection(redis_server, new_redis):
    relay, inbox = new_redis()
    for topic in (A, B):
        relay.subscribe(topic, inbox.deliver)
    texts = [f"{number}" * 2000 for number in range(3)]
    for text in texts:
        relay.publish(message(text, A, B))
    inbox.wait_for(texts[-1])
    redis_server.kill_connections()
    wait_until(lambda: relay.status()["reconnects"] == 1 and relay.status()["alive"])
    wait_until(lambda: relay.publish(message("after", A, B)))
    inbox.wait_for("after")
    assert (inbox.messages, inbox.lost) == ([*texts, "after"], [])


@pytest.mark.parametrize("topics", [(A,), (A, B)], ids=["own", "shared"])
def test_a_message_whose_answer_was_lost_is_known_by_the_log(redis_server, new_redis, topics):
    relay, inbox = new_redis()
    for topic in topics:
        relay.subscribe(topic, inbox.deliver)
    sent, other = message("x" * 2000, *topics), message("x" * 2000, *topics)
    relay.publish(sent)
    assert [taken(relay, envelope) for envelope in (sent, other)] == [len(topics), 0]


def taken(relay, envelope):
    sent = Outgoing(envelope.topics, wire.encode(envelope), envelope.id)
    return len(relay._publisher._fate(sent, Break()).taken)


@each_server
@pytest.mark.parametrize("topics", [(A,), (A, B)], ids=["own", "shared"])
def test_a_log_is_bounded_by_bytes(redis_server, new_redis, topics):
    relay, inbox = new_redis(log_bytes=200_000)
    for topic in topics:
        relay.subscribe(topic, inbox.deliver)
    for number in range(200):
        relay.publish(message(f"{number} " + "x" * 20_000, *topics))
    inbox.wait(lambda: len(inbox.envelopes) == 200)
    assert used_memory(redis_server) < 400_000
    for topic in topics:
        kept = relay._log.entries(topic, 0)
        assert 4 <= len(kept) <= 10
        assert [number for number, _ in kept] == list(range(201 - len(kept), 201))


@each_server
def test_the_last_message_is_kept_whatever_its_size(redis_server, new_redis):
    relay, inbox = new_redis(log_bytes=1000)
    relay.subscribe(A, inbox.deliver)
    for letter in "abc":
        relay.publish(message(letter * 5000))
    inbox.wait_for("c" * 5000)
    assert [number for number, _ in relay._log.entries(A, 0)] == [3]


@each_server
def test_small_messages_are_kept_by_their_number_after_many_were_counted(redis_server, new_redis):
    """What MAXLEN lets go is counted on; looking again must not let go of more than is needed."""
    relay, inbox = new_redis(log_size=200, log_bytes=100_000)
    relay.subscribe(A, inbox.deliver)
    for number in range(1200):
        relay.publish(message(number))
    inbox.wait_for(1199)
    assert len(relay._log.entries(A, 0)) >= 200


@each_server
@pytest.mark.parametrize("topics", [(A,), (A, B)], ids=["own", "shared"])
def test_a_gap_that_needs_more_than_was_kept_is_told(redis_server, new_redis, topics):
    relay, inbox = new_redis(log_bytes=50_000)
    relay.subscribe(A, inbox.deliver)
    publisher, others = new_redis(log_bytes=50_000)
    for topic in topics:
        publisher.subscribe(topic, others.deliver)
    publisher.publish(message("first", *topics))
    inbox.wait_for("first")
    relay._subscriber._observer = Deafened(relay)
    texts = [f"{number} " + "x" * 10_000 for number in range(20)]
    for text in texts:
        publisher.publish(message(text, *topics))
    others.wait_for(texts[-1])
    relay._subscriber._health.send()  # it has heard all that was for it
    wait_until(lambda: relay._subscriber._health.heard_until > relay._subscriber._health._sent_at)
    relay._subscriber._observer = relay
    publisher.publish(message("last", *topics))
    inbox.wait_for("last")
    came = inbox.messages[1:-1]
    assert inbox.lost == [A]
    assert 0 < len(came) < 20
    assert came == texts[-len(came) :]


def test_a_shared_message_that_has_gone_is_told(redis_server, new_redis):
    relay, inbox = new_redis()
    other, other_inbox = new_redis()
    relay.subscribe(B, inbox.deliver)
    other.subscribe(A, other_inbox.deliver)
    relay.publish(message("first", A, B))
    inbox.wait_for("first")
    relay._subscriber._observer = Deafened(relay)
    sent = message("x" * 2000, A, B)
    other.publish(sent)
    other_inbox.wait_for("x" * 2000)
    assert redis_server.client.delete(relay._keyspace.shared(A, sent.id)) == 1
    relay._subscriber._observer = relay
    other.publish(message("last", A, B))
    inbox.wait_for("last")
    assert (inbox.messages, inbox.lost) == (["first", "last"], [B])
    read = other.read(B)
    assert [one.envelope.args[0] for one in read.deliveries] == ["first", "last"]
    assert not read.is_complete


@each_server
def test_shared_messages_leave_nothing_behind(redis_server, new_redis):
    relay, inbox = new_redis(log_seconds=0.2)
    for topic in (A, B):
        relay.subscribe(topic, inbox.deliver)
    relay.publish(message("x" * 2000, A, B))
    inbox.wait_for("x" * 2000)
    wait_until(lambda: keys_of_topics(redis_server) == [])
    relay.publish(message("nobody" * 500, channel_topic("/", "c"), channel_topic("/", "d")))
    assert keys_of_topics(redis_server) == []


@pytest.mark.parametrize("longer", ["page", "message"])
def test_a_log_that_is_kept_for_longer_keeps_no_shared_messages(redis_server, new_redis, longer):
    """A log lets go of messages by their number, and shared ones would outlive that."""
    brief = Retentions(Retention(seconds=1), away=1)
    relay, inbox = new_redis(retentions=brief)
    for topic in (A, B):
        relay.subscribe(topic, inbox.deliver)
    if longer == "page":
        relay.keep(A, 600)
    else:
        relay.publish(message("kept", keep=600))
    sent = [message(f"{number}" * 700, *topics) for number, topics in enumerate([(A, B), (B, A)])]
    for envelope in sent:
        assert relay.publish(envelope) == 2
        assert taken(relay, envelope) == 2
    texts = [envelope.args[0] for envelope in sent]
    inbox.wait_for(texts[-1])
    assert inbox.messages[-2:] == texts
    wait_until(lambda: not [key for key in keys_of_topics(redis_server) if b"}:message:" in key])
    wait_until(lambda: relay.position(B) is None)
    read = relay.read(A)
    assert [one.envelope.args[0] for one in read.deliveries][-2:] == texts
    assert read.is_complete
