"""The order of messages that topics share, while some of the topics are not caught up with."""

import random
import socket

import pytest

from django_socketio.relay.redis import catching_up, order
from django_socketio.relay.topics import channel_topic
from tests.kit.waiting import wait_until
from tests.relay.breaking import break_connection, deaf, step_after
from tests.relay.conftest import message

TOPICS = [channel_topic("/", f"room-{number}") for number in range(6)]


class Published:
    """Publishes messages by a relay, and knows what each topic was given."""

    def __init__(self, relay):
        self._relay = relay
        self.by_topic = {}
        self.count = 0

    def add(self, *topics):
        self._relay.publish(message(self.count, *topics))
        for topic in topics:
            self.by_topic.setdefault(topic, []).append(self.count)
        self.count += 1

    def add_some(self, count):
        for topics in self._choose(count):
            self.add(*topics)

    def add_missed(self, relay, count):
        """Publish messages that a relay does not hear."""
        chosen = self._choose(count)
        with deaf(relay, sum(map(len, chosen))):
            for topics in chosen:
                self.add(*topics)

    def _choose(self, count):
        choose = random.Random(self.count)
        return [choose.sample(TOPICS, choose.choice([1, 1, 2, 3])) for _ in range(count)]


def order_of(inbox, topic):
    """Return what has come for a topic, by whichever of an envelope's topics."""
    return [one.args[0] for one in inbox.envelopes if topic in one.topics]


def has_come_in_order(inbox, published):
    inbox.wait(lambda: len(inbox.messages) >= published.count)
    for topic in TOPICS:
        assert order_of(inbox, topic) == published.by_topic[topic]
    assert sorted(inbox.messages) == list(range(published.count))
    return inbox.lost == []


def fail():
    raise ConnectionError("lost")


@pytest.fixture
def listeners(new_redis):
    """Two relays with their inboxes, subscribed to all topics."""
    return subscribed(new_redis(), new_redis())


def subscribed(*relays):
    for relay, inbox in relays:
        for topic in TOPICS:
            relay.subscribe(topic, inbox.deliver)
    return relays


def test_a_shared_message_waits_for_a_topic_that_is_behind(listeners, monkeypatch):
    monkeypatch.setattr(catching_up, "AT_ONCE", 1)
    (relay, inbox), (other, _) = listeners
    first, second = TOPICS[:2]
    published = Published(other)
    with deaf(relay, 6):
        for topics in ([second], [second], [first, second], [first], [second]):
            published.add(*topics)
    break_connection(relay)
    inbox.wait(lambda: len(inbox.messages) == 5)
    assert order_of(inbox, first) == [2, 3]
    assert order_of(inbox, second) == [0, 1, 2, 4]
    assert relay._sequencer.order.is_simple


@pytest.mark.parametrize("at_once", [1, 2, 500])
def test_topics_keep_their_order_while_they_are_caught_up_with(listeners, monkeypatch, at_once):
    monkeypatch.setattr(catching_up, "AT_ONCE", at_once)
    (relay, inbox), (other, others) = listeners
    published = Published(other)
    published.add_missed(relay, 100)
    step = catching_up.CatchUp.step

    def step_with_more(self):
        published.add_some(5)
        return step(self)

    monkeypatch.setattr(catching_up.CatchUp, "step", step_with_more)
    break_connection(relay)
    assert has_come_in_order(inbox, published)
    assert has_come_in_order(others, published)
    assert relay._sequencer.order.is_simple
    assert relay._sequencer.order._size == 0


def test_shared_messages_keep_their_order_when_the_connection_breaks_again(listeners, monkeypatch):
    monkeypatch.setattr(catching_up, "AT_ONCE", 1)
    (relay, inbox), (other, _) = listeners
    published = Published(other)
    published.add_missed(relay, 50)
    monkeypatch.setattr(catching_up.CatchUp, "step", step_after(fail, after=3))
    break_connection(relay)
    assert has_come_in_order(inbox, published)
    assert relay._sequencer.order.is_simple


def test_a_message_waits_for_no_topic_that_was_left(listeners, monkeypatch):
    monkeypatch.setattr(catching_up, "AT_ONCE", 1)
    (relay, inbox), (other, _) = listeners
    first, second = TOPICS[:2]
    with deaf(relay, 3):
        other.publish(message("old", second))
        other.publish(message("shared", first, second))
    monkeypatch.setattr(
        catching_up.CatchUp, "step", step_after(lambda: relay.unsubscribe(second), after=1)
    )
    break_connection(relay)
    inbox.wait_for("shared")
    assert inbox.messages == ["shared"]
    assert relay._sequencer.order.is_simple


def test_a_message_of_one_node_waits_for_a_topic_at_another_node(new_cluster, monkeypatch):
    (relay, inbox), (other, _) = subscribed(new_cluster(), new_cluster())
    homes = {relay._subscriber._homes[relay._keyspace.channel(topic)]: topic for topic in TOPICS}
    (node, first), (_, second) = list(homes.items())[:2]

    def publish():
        for topics in ([first], [second, first], [second]):
            other.publish(message(len(topics), *topics))
        cursor = relay._sequencer.subscription(second).cursor
        wait_until(lambda: cursor.position is not None and cursor.position.offset == 2)
        assert inbox.messages == []

    monkeypatch.setattr(catching_up.CatchUp, "step", step_after(publish))
    relay._subscriber._subscribers[node]._made._sock.shutdown(socket.SHUT_RDWR)
    inbox.wait(lambda: len(inbox.messages) == 3)
    assert inbox.messages == [1, 2, 1]
    wait_until(lambda: relay._sequencer.order.is_simple)


def test_nothing_waits_for_a_node_that_is_lost_while_it_is_caught_up_with(new_cluster, monkeypatch):
    (relay, inbox), (other, _) = subscribed(new_cluster(), new_cluster())
    homes = {relay._subscriber._homes[relay._keyspace.channel(topic)]: topic for topic in TOPICS}
    (node, first), (_, second) = list(homes.items())[:2]
    shard = relay._subscriber._subscribers[node]

    def lose():
        other.publish(message("shared", second, first))
        cursor = relay._sequencer.subscription(second).cursor
        wait_until(lambda: cursor.position is not None)
        assert inbox.messages == []
        monkeypatch.setattr(shard, "_connect", fail)
        fail()

    monkeypatch.setattr(catching_up.CatchUp, "step", step_after(lose))
    shard._made._sock.shutdown(socket.SHUT_RDWR)
    inbox.wait_for("shared")


class Topics:
    """Topics that come to what one Redis gives them, each at its own time."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.came = []
        self.order = order.TopicOrder(lambda call, argument: call(argument), TOPICS.__contains__)
        self.streams = {topic: [] for topic in TOPICS}

    def publish(self, count):
        for number in range(count):
            topics = tuple(self.random.sample(TOPICS, self.random.choice([1, 2, 3])))
            for topic in topics:
                self.streams[topic].append((number, topics))

    def shuffle(self):
        """Have each node of a cluster give some messages in another order."""
        for topic in TOPICS[::2]:
            self.random.shuffle(self.streams[topic])

    def come(self, lost=0.0):
        left = {topic: list(stream) for topic, stream in self.streams.items()}
        self.order.begin(self)
        while left:
            topic = self.random.choice([*left])
            if not left[topic]:
                del left[topic]
                continue
            number, topics = left[topic].pop(0)
            if self.random.random() >= lost:
                self._take(topic, number, topics)
        self.order.end(self)

    def _take(self, topic, number, topics):
        call = self.came.append, (number, topics)
        if len(topics) == 1:
            self.order.take(topic, call)
        elif not any(number == seen for seen, _ in self.taken):
            self.taken.append((number, topics))
            self.order.take_shared(topic, call, topics, str(number), 1)
        else:
            self.order.take_again(topic, str(number))

    taken = property(lambda self: self.__dict__.setdefault("_taken", []))


@pytest.mark.parametrize("seed", range(50))
def test_whatever_comes_first_each_topic_keeps_its_order(seed):
    topics = Topics(seed)
    topics.publish(40)
    topics.come()
    for topic, stream in topics.streams.items():
        assert [one for one in topics.came if topic in one[1]] == stream
    assert topics.order.is_simple
    assert topics.order._size == 0


@pytest.mark.parametrize("seed", range(50))
def test_nothing_waits_for_ever(seed):
    topics = Topics(seed)
    topics.publish(40)
    topics.shuffle()
    topics.come(lost=0.2 * (seed % 2))
    taken = {number for number, _ in topics.taken}
    came = [number for number, ids in topics.came if len(ids) > 1]
    assert sorted(came) == sorted(taken)
    assert topics.order.is_simple
    assert topics.order._envelopes == {}


def test_too_much_does_not_wait(monkeypatch, caplog):
    monkeypatch.setattr(order, "WAITING_BYTES", 99)
    topics = Topics(1)
    first, second = TOPICS[:2]
    topics.order.begin(topics)
    for number in range(10):
        call = topics.came.append, number
        topics.order.take_shared(first, call, (first, second), str(number), 10)
    assert topics.came == list(range(10))
    assert len([record for record in caplog.records if "delivered now" in record.message]) == 1
    topics.order.end(topics)
    assert topics.order.is_simple
