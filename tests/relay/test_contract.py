"""What every relay does: each test runs with all of them."""

import json
import logging
import queue
import re
import threading
from functools import partial

import pytest

from django_socketio.channels.registry import Channels
from django_socketio.concurrency.log_limits import Once
from django_socketio.exceptions import EventError, RelayError
from django_socketio.relay.envelope import (
    UNLOGGED,
    Delivery,
    Envelope,
    EnvelopeKind,
    LogRange,
    ReplyTo,
    StreamPosition,
)
from django_socketio.relay.memory import MemoryRelay
from django_socketio.relay.topics import (
    NO_LOG,
    Retention,
    RetentionRule,
    Retentions,
    Topic,
    TopicKind,
    channel_topic,
    everyone_topic,
    socket_topic,
)
from django_socketio.relay.wire import MAX_DEPTH, add_trace, encode
from django_socketio.sockets.encoder import Encoder
from tests.kit.receiver import Receiver
from tests.kit.waiting import wait_until
from tests.relay.conftest import KINDS, A, B, Stream, message
from tests.relay.refused import NAMES, REFUSED, nested


def test_a_message_reaches_who_subscribed_to_its_topic(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    assert here.publish(message("hello")) == 1
    inbox.wait_for("hello")
    assert inbox.envelopes[0].topics == (A,)


def test_a_message_reaches_nobody_on_another_topic(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    for topic in (B, channel_topic("/admin", "a"), socket_topic("/", "a"), everyone_topic("/")):
        assert here.publish(message("other", topic)) == 0
    here.publish(message("last"))
    inbox.wait_for("last")
    assert inbox.messages == ["last"]


def test_the_publisher_is_told_the_position(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    there.subscribe(B, inbox.deliver)
    for number in (1, 2):
        position = here.publish(message(number)).position
        assert position == here.position(A)
        assert position.offset == number
    inbox.wait_for(2)
    several, nobody = (
        here.publish(message(3, A, B)),
        here.publish(message(4, channel_topic("/", "nobody"))),
    )
    assert [getattr(one, "position", None) for one in (several, nobody)] == [None, None]


def test_many_topics_are_subscribed_to_at_once(pair):
    (here, _), (there, inbox) = pair
    kinds = (TopicKind.SOCKET, TopicKind.USER, TopicKind.SESSION, TopicKind.GROUP)
    topics = [Topic(kind, "/", "7") for kind in kinds]
    there.subscribe_all(topics, inbox.deliver)
    there.subscribe_all([*topics, A], inbox.deliver)
    for topic in (*topics, A):
        assert here.publish(message(str(topic), topic)) == 1
    here.publish(message("union", *topics))
    # Nodes of a cluster have no common order.
    inbox.wait(lambda: {*inbox.messages} == {*map(str, (*topics, A)), "union"})
    assert len(inbox.messages) == len(topics) + 2


def test_nobody_is_reached_after_the_end_of_a_subscription(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    there.subscribe(B, inbox.deliver)
    there.unsubscribe(A)
    here.publish(message("b", B))
    inbox.wait_for("b")
    here.publish(message("a", A))
    here.publish(message("b2", B))
    inbox.wait_for("b2")
    assert inbox.messages == ["b", "b2"]


def test_a_topic_can_be_left_and_subscribed_to_again(pair):
    (here, _), (there, inbox) = pair
    for number in range(5):
        there.subscribe(A, inbox.deliver)
        here.publish(message(number))
        inbox.wait_for(number)
        there.unsubscribe(A)
    assert inbox.messages == list(range(5))


def told_reached(relay, *topics):
    told = queue.Queue()
    relay.tell_reached(topics, told.put)
    return told.get(timeout=10)


def test_how_far_topics_were_delivered_is_told_after_these_deliveries(new_relay):
    """Another process goes on from there, by the log."""
    relay, inbox = new_relay(retentions=Retentions(Retention(), away=30.0))
    user, own = Topic(TopicKind.USER, "/", "7"), socket_topic("/", "new")
    topics = (A, B, user, own)
    relay.subscribe_all(topics, inbox.deliver, recoverable=True)
    begin = told_reached(relay, *topics)
    assert {*begin} == {*topics}
    for number, topic in enumerate((*topics, A)):
        relay.publish(message(number, topic))
    relay.publish(message("both", A, B))
    inbox.wait_for("both")
    ends = {topic: relay.position(topic) for topic in topics}
    wait_until(lambda: told_reached(relay, *topics) == ends)
    relay.publish(message("next", own))
    found = relay.read(own, ends[own])
    assert ([one.envelope.args[0] for one in found.deliveries], found.is_complete) == (
        ["next"],
        True,
    )


def test_how_far_a_topic_was_delivered_is_not_told_without_certainty(new_relay):
    rule = RetentionRule(TopicKind.CHANNEL, re.compile("^b$"), Retention(messages=0))
    relay, inbox = new_relay(retentions=Retentions(rules=(rule,), away=30.0))
    relay.subscribe_all((A, B), inbox.deliver, recoverable=True)
    assert {*told_reached(relay, A, B, channel_topic("/", "other"))} == {A}


def test_the_topic_of_a_socket_goes_on_where_another_process_has_had_it(pair):
    (here, inbox), (there, theirs) = pair
    topic = socket_topic("/", "moves")
    here.subscribe_all([topic], inbox.deliver, recoverable=True)
    here.publish(message("before", topic))
    inbox.wait_for("before")
    there.subscribe_all([topic], theirs.deliver, recoverable=True, is_known=True)
    here.publish(message("after", topic))
    theirs.wait_for("after")
    assert theirs.messages[-1] == "after"
    assert told_reached(there, topic) in ({topic: here.position(topic)}, {})


def test_the_publisher_receives_its_own(pair):
    (here, inbox), _ = pair
    here.subscribe(A, inbox.deliver)
    assert here.publish(message("own")) == 1
    inbox.wait_for("own")


VALUES = [
    None,
    0,
    -1.5,
    "ü😀",
    "\ud800",
    2**70,
    [1, [2]],
    {"a": {"b": []}},
    b"\x00\xff",
    [b"a", {"b": b"c"}],
]


def test_every_value_travels_as_it_is(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    for value in VALUES:
        here.publish(message(value))
    inbox.wait(lambda: len(inbox.envelopes) == len(VALUES))
    assert inbox.messages == VALUES


def test_an_envelope_travels_whole(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    sent = Envelope((A,), "/admin", "typing", ("x", 1), exclude="someone")
    here.publish(sent)
    inbox.wait(lambda: inbox.envelopes)
    assert inbox.envelopes == [sent]


def test_messages_keep_their_order(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    for number in range(500):
        here.publish(message(number))
    inbox.wait_for(499)
    assert inbox.messages == list(range(500))


def test_everybody_sees_the_messages_of_many_publishers_in_the_same_order(pair):
    (first, inbox1), (second, inbox2) = pair
    first.subscribe(A, inbox1.deliver)
    second.subscribe(A, inbox2.deliver)

    def publish(relay, name):
        for number in range(100):
            relay.publish(message((name, number)))

    threads = [
        threading.Thread(target=publish, args=(relay, name))
        for name, relay in enumerate((first, second, first, second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for inbox in (inbox1, inbox2):
        inbox.wait(lambda inbox=inbox: len(inbox.envelopes) >= 400)
    assert inbox1.messages == inbox2.messages
    assert len({tuple(content) for content in inbox1.messages}) == 400


@pytest.mark.parametrize("topic", [A, B], ids=["heard", "unheard"])
def test_what_a_receiver_could_not_read_is_refused(pair, topic):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    for value in REFUSED.values():
        with pytest.raises((TypeError, ValueError)):
            here.publish(message(value, topic))
    for namespace, event in NAMES:
        with pytest.raises(EventError):
            here.publish(Envelope((topic,), namespace, event, ()))
    here.publish(message("next"))
    inbox.wait_for("next")
    assert (inbox.messages, inbox.lost) == (["next"], [])


def test_the_deepest_value_that_every_relay_takes(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    deepest = nested(MAX_DEPTH - 1)
    here.publish(message(deepest))
    inbox.wait_for(deepest)
    with pytest.raises(ValueError, match="more than 250 levels deep"):
        here.publish(message([deepest]))


def test_a_message_for_several_topics_is_delivered_once_for_all_of_them(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    there.subscribe(B, inbox.deliver)
    for number in range(20):
        assert here.publish(message(number, A, B)) >= 1
    here.publish(message("last", B))
    inbox.wait_for("last")
    assert inbox.messages == [*range(20), "last"]


@pytest.mark.parametrize("server", KINDS[1:], indirect=True)
def test_subscribers_get_exactly_what_was_accepted_while_connections_are_killed(server, new_relay):
    relay, inbox = new_relay()
    relay.subscribe(A, inbox.deliver)
    stream = Stream(new_relay(listen=False)[0])
    for _ in range(5):
        stream.go_on()
        server.kill_connections()
        wait_until(lambda: relay.status()["alive"])
    stream.go_on()
    stream.stop()
    inbox.wait_for(stream.accepted[-1])
    assert inbox.messages == stream.accepted
    assert inbox.lost == []


@pytest.mark.parametrize("server", KINDS[1:], indirect=True)
def test_a_relay_names_its_place_without_user_and_password(server, new_relay):
    scheme, _, place = server.url.partition("//")
    relay, _ = new_relay(listen=False, url=f"{scheme}//somebody:cret@{place}")
    assert str(relay).startswith("Redis")
    assert str(relay).endswith(f" at {place}")


def test_the_relay_within_a_process_names_the_setting_that_connects_several():
    assert "SOCKETIO_RELAY_URL" in str(MemoryRelay())


# Positions, and what can be read again


def test_each_message_of_a_topic_has_the_next_position(pair):
    (here, _), (there, inbox) = pair
    for topic in (A, B):
        there.subscribe(topic, inbox.deliver)
    for number in range(10):
        here.publish(message(number, A))
        here.publish(message(number, B))
    inbox.wait(lambda: len(inbox.deliveries) == 20)
    for topic in (A, B):
        positions = [one.position for one in inbox.deliveries if one.topic == topic]
        assert [position.offset for position in positions] == list(range(1, 11))
        assert len({position.epoch for position in positions}) == 1
        assert here.position(topic) == there.position(topic) == positions[-1]


def test_a_message_for_several_topics_has_a_position_in_each(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    there.subscribe(B, inbox.deliver)
    here.publish(message("b", B))
    here.publish(message("both", A, B))
    here.publish(message("a", A))
    inbox.wait_for("a")
    assert [one.envelope.args[0] for one in here.read(A).deliveries] == ["both", "a"]
    assert [one.envelope.args[0] for one in here.read(B).deliveries] == ["b", "both"]
    assert [one.position.offset for one in here.read(B).deliveries] == [1, 2]


def test_an_idle_topic_has_no_position_and_nothing_to_read(pair):
    (here, _), _ = pair
    assert here.position(A) is None
    assert here.read(A) == LogRange((), None, is_complete=True)
    # What came after a position that is not known any more, nobody can say.
    assert here.read(A, StreamPosition("ended", 5)) == LogRange((), None, is_complete=False)


def test_what_was_delivered_can_be_read_again(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    values = ["text", b"bytes", {"a": [1, b"c"]}, None]
    for value in values:
        here.publish(message(value))
    here.publish(Envelope((A,), "/admin", "typing", ("x", 1), exclude="someone"))
    inbox.wait(lambda: len(inbox.deliveries) == 5)
    read = there.read(A)
    assert [as_read(one) for one in read.deliveries] == [*map(as_read, inbox.deliveries)]
    assert (read.position, read.is_complete) == (inbox.deliveries[-1].position, True)


def as_read(delivery):
    return delivery.envelope, delivery.topic, delivery.position


def published(here, inbox, count):
    """Publish numbers on A; return their positions."""
    for number in range(1, count + 1):
        here.publish(message(number))
    inbox.wait(lambda: len(inbox.deliveries) == count)
    return [one.position for one in inbox.deliveries]


def contents(read):
    return [one.envelope.args[0] for one in read.deliveries]


def test_a_topic_is_read_from_a_position_up_to_a_limit(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    positions = published(here, inbox, 10)
    for after, limit, expected in [
        (None, None, range(1, 11)),
        (None, 3, range(1, 4)),
        (positions[3], None, range(5, 11)),
        (positions[3], 2, range(5, 7)),
        (positions[3], 100, range(5, 11)),
        (positions[9], None, ()),
        (positions[3], 0, ()),
    ]:
        read = here.read(A, after, limit)
        assert (contents(read), read.is_complete) == (list(expected), True), (after, limit)
        assert read.position == positions[9]
        assert read.is_cut == (limit == len(expected))


def test_a_position_that_the_topic_does_not_know_reads_no_complete_range(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    positions = published(here, inbox, 3)
    of_another_epoch = here.read(A, StreamPosition("ended", 2))
    assert (contents(of_another_epoch), of_another_epoch.is_complete) == ([1, 2, 3], False)
    beyond = here.read(A, StreamPosition(positions[0].epoch, 7))
    assert (contents(beyond), beyond.is_complete) == ([], False)


@pytest.mark.parametrize("server", KINDS, indirect=True)
def test_a_range_whose_beginning_was_let_go_is_not_complete(server, new_relay):
    relay, inbox = new_relay(retentions=Retentions(Retention(messages=10)))
    relay.subscribe(A, inbox.deliver)
    positions = published(relay, inbox, 300)
    everything = relay.read(A)
    assert not everything.is_complete
    assert contents(everything) == [*range(301 - len(everything.deliveries), 301)]
    first = everything.deliveries[0].position.offset
    assert 10 <= len(everything.deliveries) < 300
    assert relay.read(A, positions[first - 2]).is_complete
    assert not relay.read(A, positions[first - 3]).is_complete


def test_a_log_ends_with_its_topic_and_another_epoch_begins(new_relay):
    relay, inbox = new_relay(retentions=Retentions(Retention(seconds=0.2)))
    relay.subscribe(A, inbox.deliver)
    (first,) = published(relay, inbox, 1)
    wait_until(lambda: relay.position(A) is None)
    assert relay.read(A, first) == LogRange((), None, is_complete=False)
    relay.publish(message("later"))
    inbox.wait_for("later")
    second = inbox.deliveries[-1].position
    assert second.epoch != first.epoch and second.offset == 1


def test_each_topic_has_the_retention_of_the_first_rule_for_it(new_relay):
    rules = (
        RetentionRule(TopicKind.CHANNEL, re.compile("^none"), NO_LOG),
        RetentionRule(TopicKind.CHANNEL, re.compile("^two"), Retention(messages=1, seconds=0.2)),
    )
    relay, inbox = new_relay(retentions=Retentions(rules=rules))
    none, two, other = topics = [channel_topic("/", name) for name in ("none", "two", "other")]
    for topic in topics:
        relay.subscribe(topic, inbox.deliver)
    for content in ["x" * 10, "y" * 2000]:  # the long one is kept once for all topics
        assert relay.publish(message(content, *topics)) >= 1
        inbox.wait_for(content)
    assert relay.position(none) is None
    wait_until(lambda: relay.position(two) is None)
    assert contents(relay.read(other)) == ["x" * 10, "y" * 2000]
    assert [one.offset for one in (relay.position(other),)] == [2]


def test_messages_without_a_log_have_no_position(new_relay):
    relay, inbox = new_relay(retentions=Retentions(NO_LOG))
    relay.subscribe(A, inbox.deliver)
    relay.publish(message("m"))
    inbox.wait_for("m")
    assert inbox.deliveries[0].position is None
    assert relay.read(A) == LogRange((), None, is_complete=True)


# Kinds of messages


def test_a_control_message_travels_as_what_it_is(pair):
    (here, _), (there, inbox) = pair
    logins = Topic(TopicKind.CONTROL, name="logins")
    there.subscribe(logins, inbox.deliver)
    sent = Envelope((logins,), "", "session ended", ("a", {"b": [1]}), kind=EnvelopeKind.CONTROL)
    assert here.publish(sent) == 1
    inbox.wait(lambda: inbox.deliveries)
    assert inbox.envelopes == [sent]
    assert [one.envelope for one in here.read(logins).deliveries] == [sent]


def test_the_sockets_of_a_channel_get_its_events_only(pair, caplog, monkeypatch):
    monkeypatch.setattr("django_socketio.relay.envelope._ignored_kinds", Once(100))
    (here, _), (there, _) = pair
    caplog.set_level(logging.DEBUG, "django_socketio.relay")
    channels = Channels(there, Encoder().delivery, 1_000_000)
    receiver = Receiver(lambda encoded: encoded.contents[0])
    channels.add(A, receiver)
    for kind in EnvelopeKind:
        for _ in range(3):
            here.publish(Envelope((A,), "/", "message", (kind.name,), kind=kind))
    here.publish(message("last"))
    wait_until(lambda: receiver.received and "last" in receiver.received[-1])
    assert [json.loads(one[2:])[1] for one in receiver.received] == ["EVENT"] * 3 + ["last"]
    lines = [one.levelno for one in caplog.records if "not handled here" in one.message]
    assert lines == [logging.DEBUG] * (len(EnvelopeKind) - 1)


@pytest.mark.parametrize("is_encoded_before", [False, True])
def test_a_trace_travels_with_the_message(pair, is_encoded_before):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    envelope, trace = message("traced"), {"traceparent": "00-ab-cd-01", "baggage": "ü=1"}
    if is_encoded_before:
        envelope.encoded = add_trace(encode(envelope), trace)
    else:
        envelope.trace = trace
    here.publish(envelope)
    inbox.wait_for("traced")
    assert inbox.envelopes[0].trace == trace


@pytest.mark.parametrize("value", [None, [1, {"a": b"\x00\xff"}]])
def test_calls_and_replies_travel_whole_and_leave_nothing(pair, value):
    (here, _), (there, inbox) = pair
    replies = Topic(TopicKind.REPLIES, "", "process")
    there.subscribe_all([A, replies], inbox.deliver)
    asked = Envelope((A,), "/", "confirm?", (value,), kind=EnvelopeKind.CALL, keep=UNLOGGED)
    asked.reply_to = ReplyTo("process", 2.5, True)
    reply = Envelope((replies,), "/", "report", (value,), kind=EnvelopeKind.REPLY)
    before = here.position(A)
    assert here.publish(asked) == here.publish(reply) == 1
    inbox.wait(lambda: len(inbox.envelopes) == 2)
    assert sorted(one.name for one in inbox.envelopes) == ["confirm?", "report"]
    for sent in (asked, reply):
        (received,) = [one for one in inbox.envelopes if one.name == sent.name]
        assert received == sent
    assert here.position(A) == before
    assert here.read(A).deliveries == here.read(replies).deliveries == ()


def test_copies_of_a_message_by_further_topics_are_told_with_their_positions(pair):
    (here, _), (there, inbox) = pair
    copies = []

    def copied(topic, position, id):
        copies.append((topic, position, id))
        inbox.deliver(Delivery(message(len(copies)), topic))  # wakes the one who waits

    other = channel_topic("/", "other")
    for topic in (A, B):
        there.subscribe(topic, inbox.deliver)
    here.publish(message("untold", A, B))
    inbox.wait_for("untold")
    for topic in (A, B):
        here.publish(message(str(topic), topic))
        inbox.wait_for(str(topic))
    there.tell_copies(copied)
    inbox.deliveries.clear()
    for content in ("x", "x" * 5000):  # the long one is kept once, and referred to
        sent = message(content, A, other, B)
        here.publish(sent)
        inbox.wait(lambda: len(inbox.deliveries) == 2)
        first = next(one for one in inbox.deliveries if one.envelope.id == sent.id)
        again = B if first.topic == A else A
        assert copies == [(again, here.position(again), sent.id)]
        copies.clear()
        inbox.deliveries.clear()


class Repeated:
    """Threads that do things with a relay until it fails or they are stopped."""

    def __init__(self, tasks):
        self.done, self.failures = [], []
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(one,)) for one in tasks]
        for one in self._threads:
            one.start()

    def _repeat(self, task):
        try:
            while not self._stopped.is_set():
                self.done.append(task())
        except RelayError:
            pass
        except Exception as error:
            self.failures.append(error)

    def stop(self):
        self._stopped.set()
        for one in self._threads:
            one.join(10)


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("server", [KINDS[1], KINDS[-1]], indirect=True)
def test_a_relay_that_is_closed_ends_what_other_threads_do_with_it(new_relay, number):
    """Each is told what became of it, and nothing else goes wrong in it."""
    relay, inbox = new_relay()
    relay.subscribe(A, inbox.deliver)
    batch = [message(one) for one in range(50)]
    tasks = [partial(relay.publish, batch[0]), partial(relay.publish_all, batch)]
    repeated = Repeated([*tasks, partial(relay.read, A)] * 2)
    wait_until(lambda: len(repeated.done) > number)
    relay.close()
    repeated.stop()
    assert repeated.failures == []
