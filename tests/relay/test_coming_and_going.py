"""Topics that are left and subscribed to at the same time, and while a connection begins."""

import socket
import threading
from contextlib import contextmanager

import gevent
import pytest

from django_socketio.channels.registry import Channels
from django_socketio.relay.redis import subscriber
from django_socketio.relay.redis.catching_up import CatchUp
from django_socketio.relay.topics import Retentions, Topic, TopicKind, channel_topic
from tests.kit.receiver import Receiver
from tests.kit.waiting import wait_until
from tests.relay.breaking import break_connection, is_cluster
from tests.relay.cluster import topic_of
from tests.relay.conftest import KINDS, A, B, message

USER = Topic(TopicKind.USER, "/", "7")


@contextmanager
def left_while_redis_is_asked(relay, topic):
    """Have a topic left by a thread that waits: messages of the topic are just looked up.

    Another connection catches up meanwhile.
    """
    sequencer = relay._sequencer
    subscription = sequencer.subscription(topic)
    leaving = threading.Thread(target=relay.unsubscribe, args=(topic,))
    with subscription.taking:
        leaving.start()
        wait_until(lambda: sequencer.subscription(topic) is not subscription)
        yield
    leaving.join(10)
    assert not leaving.is_alive()


@contextmanager
def catching_up(relay):
    connection = object()
    relay._sequencer.order.begin(connection)
    yield
    relay._sequencer.order.end(connection)


@pytest.mark.parametrize("server", KINDS[1:], indirect=True)
def test_a_topic_is_heard_that_was_subscribed_to_while_it_was_left(new_relay):
    (relay, inbox), (other, _) = new_relay(), new_relay()
    relay.subscribe(USER, inbox.deliver)
    with catching_up(relay), left_while_redis_is_asked(relay, USER):
        relay.subscribe(USER, inbox.deliver)
    assert other.publish(message("later", USER)) == 1
    inbox.wait_for("later")
    relay.unsubscribe(USER)
    wait_until(lambda: other.publish(message("last", USER)) == 0)


@pytest.mark.parametrize("server", KINDS[1:2], indirect=True)
def test_messages_keep_their_order_on_a_topic_that_was_subscribed_to_while_it_was_left(new_relay):
    (relay, inbox), (other, _) = new_relay(), new_relay()
    for topic in (USER, A, B):
        relay.subscribe(topic, inbox.deliver)
    relay._subscriber.unsubscribe(relay._keyspace.channel(A))  # which is not caught up with
    with catching_up(relay):
        with left_while_redis_is_asked(relay, USER):
            relay.subscribe(USER, inbox.deliver)
            for content, topics in [("shared", (USER, A)), ("own", (USER,)), ("b", (B,))]:
                other.publish(message(content, *topics))
            inbox.wait_for("b")
        assert inbox.messages == ["b"]
    assert inbox.messages == ["b", "shared", "own"]


@pytest.mark.parametrize("server", KINDS[1:], indirect=True)
def test_a_message_that_comes_while_a_position_is_asked_for_comes_once(new_relay, monkeypatch):
    (relay, inbox), (other, _) = new_relay(), new_relay()
    relay.subscribe(A, inbox.deliver)
    other.publish(message("first"))
    inbox.wait_for("first")
    ask = relay._log.missed

    def missed(*args):
        found = ask(*args)
        other.publish(message("meanwhile"))
        inbox.wait_for("meanwhile")
        return found

    with catching_up(relay), left_while_redis_is_asked(relay, A):
        monkeypatch.setattr(relay._log, "missed", missed)
        relay.subscribe(A, inbox.deliver)
    other.publish(message("later"))
    inbox.wait_for("later")
    assert (inbox.messages, inbox.lost) == (["first", "meanwhile", "later"], [])


@pytest.mark.parametrize("server", KINDS[1:2], indirect=True)
def test_what_comes_after_a_lease_comes_once_and_in_order(new_relay, monkeypatch):
    kept = Retentions(away=60.0)
    (relay, inbox), (other, _) = new_relay(retentions=kept), new_relay(retentions=kept)
    for topic in (A, B):
        relay.subscribe(topic, inbox.deliver)
    other.publish(message("first"))
    inbox.wait_for("first")
    take, locate = relay._take_leases, relay._sequencer.locate

    def publish(*messages):
        for one in messages:
            other.publish(one)
        inbox.wait_for(messages[-1].args[0])

    def take_leases(topics):
        begin = take(topics)
        publish(message("unheard"), message("of b", B))
        return begin

    def locate_later(*args):
        publish(message("heard"))
        locate(*args)

    with catching_up(relay), left_while_redis_is_asked(relay, A):
        monkeypatch.setattr(relay, "_take_leases", take_leases)
        monkeypatch.setattr(relay._sequencer, "locate", locate_later)
        relay.subscribe(A, inbox.deliver, recoverable=True)
    publish(message("later"))
    assert inbox.messages == ["first", "of b", "unheard", "heard", "later"]
    assert inbox.lost == []


@pytest.mark.parametrize("server", KINDS[1:2], indirect=True)
def test_a_message_for_several_topics_that_comes_after_a_lease_comes_once(new_relay, monkeypatch):
    kept = Retentions(away=60.0)
    (relay, inbox), (other, _) = new_relay(retentions=kept), new_relay(retentions=kept)
    relay.subscribe(A, inbox.deliver)
    take = relay._take_leases

    def take_leases(topics):
        begin = take(topics)
        other.publish(message("shared", A, B))
        inbox.wait_for("shared")
        return begin

    monkeypatch.setattr(relay, "_take_leases", take_leases)
    relay.subscribe(B, inbox.deliver, recoverable=True)
    other.publish(message("later", B))
    inbox.wait_for("later")
    assert inbox.messages == ["shared", "later"]


def test_nothing_waits_for_a_topic_that_is_left_while_its_slot_moves(cluster, new_cluster):
    relay, inbox = new_cluster()
    relay.subscribe(USER, inbox.deliver)
    channel = relay._keyspace.channel(USER)
    source = cluster.node_of(channel)
    target = next(node for node in cluster.nodes if node is not source)
    with catching_up(relay), left_while_redis_is_asked(relay, USER):
        cluster.move_slot(channel, target)
        wait_until(lambda: follows(relay, channel, target))
    wait_until(lambda: relay._sequencer.order.is_simple)


def follows(relay, channel, node):
    """Return whether a relay has found a channel at the node to which its slot has moved."""
    home = relay._subscriber._homes.get(channel)
    is_there = home is not None and home.port == node.port
    return is_there and channel not in relay._subscriber._subscribers[home]._returning


class SlowRelay:
    """Has something happen while a first topic is left."""

    def __init__(self, meanwhile):
        self.heard, self._meanwhile = set(), meanwhile

    def subscribe(self, topic, deliver, recoverable):
        self.heard.add(topic)

    def unsubscribe(self, topic):
        self.heard.discard(topic)
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile:
            meanwhile()


def test_a_topic_is_heard_that_is_joined_while_a_socket_leaves_another_one_first():
    relay = SlowRelay(lambda: channels.add(B, new))
    channels = Channels(relay, lambda delivery: delivery, 1000)
    old, new = Receiver(str), Receiver(str)
    for topic in (A, B):
        channels.add(topic, old)
    channels.remove_from_all((A, B), old)
    assert channels.members(B) == [new]
    assert relay.heard == {B}
    channels.remove(B, new)
    assert relay.heard == set()


def subscriptions(server, relay, topic):
    """Return how many connections are subscribed to a topic in Redis, or at the topic's node."""
    channel = relay._keyspace.channel(topic)
    if not is_cluster(relay):
        return server.client.pubsub_numsub(channel)[0][1]
    return server.node_of(channel).client.execute_command("PUBSUB", "SHARDNUMSUB", channel)[1]


def before(monkeypatch, owner, name, function, applies=lambda *args: True):
    """Have a function called before a method, once, the first time that it is called so."""
    method, called = getattr(owner, name), []

    def wrapped(*args):
        if not called and applies(*args):
            called.append(None)
            function()
        return method(*args)

    monkeypatch.setattr(owner, name, wrapped)
    return called


@pytest.mark.parametrize("server", KINDS[1:], indirect=True)
def test_a_topic_is_left_although_the_handler_is_interrupted_that_leaves_it(
    server, new_relay, monkeypatch
):
    relay, inbox = new_relay()
    relay.subscribe(A, inbox.deliver)

    def interrupt():
        raise gevent.Timeout

    before(monkeypatch, relay._sequencer, "release", interrupt)
    with pytest.raises(gevent.Timeout):
        relay.unsubscribe(A)
    wait_until(lambda: subscriptions(server, relay, A) == 0)


def test_a_node_is_back_once_a_topic_is_caught_up_with_that_comes_at_the_last_moment(
    cluster, new_cluster, monkeypatch
):
    relay, inbox = new_cluster()
    node, source, _ = cluster.nodes
    topic, moving = (topic_of(cluster, relay, one) for one in (node, source))
    relay.subscribe_all([topic, moving], inbox.deliver)
    wait_until(lambda: relay.status()["alive"])
    channel = relay._keyspace.channel(moving)
    (shard,) = (one for at, one in relay._subscriber._subscribers.items() if at.port == node.port)
    step, states = CatchUp.step, []

    def step_of_node(self):
        if self is shard._catching_up:
            states.append((shard.alive, relay._sequencer.order.is_simple))
        return step(self)

    def move():
        cluster.move_slot(channel, node)
        wait_until(lambda: subscriptions(cluster, relay, moving) == 1)

    monkeypatch.setattr(CatchUp, "step", step_of_node)
    # As if a message waited for its other topics, at the end of a catching-up.
    monkeypatch.setattr(CatchUp, "is_waiting", True)
    moved = before(monkeypatch, shard, "_receive_all", move)
    shard._made._sock.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: moved and relay.status()["alive"] and len(states) == 2)
    assert states == [(False, False)] * 2
    assert relay.publish(message("later", moving)) == 1
    inbox.wait_for("later")
    assert (inbox.lost, relay._sequencer.order.is_simple) == ([], True)


@pytest.mark.parametrize("server", KINDS[1:], indirect=True)
def test_a_topic_that_is_left_while_a_connection_begins_is_not_subscribed_to(
    server, new_relay, monkeypatch
):
    monkeypatch.setattr(subscriber, "SUBSCRIBED_AT_ONCE", 20)
    relay, inbox = new_relay()
    topics = [channel_topic("/", f"room-{number}") for number in range(100)]
    relay.subscribe_all(topics, inbox.deliver)
    last, channel = topics[-1], relay._keyspace.channel(topics[-1])
    assert subscriptions(server, relay, last) == 1
    left = before(
        monkeypatch,
        subscriber.RedisSubscriber,
        "_send",
        lambda: relay.unsubscribe(last),
        lambda one, command, *sent: channel in one._channels and len(sent) == 20,
    )
    break_connection(relay)
    assert left
    assert [subscriptions(server, relay, one) for one in topics] == [1] * 99 + [0]
    assert relay.publish(message("nobody", last)) == 0


@pytest.mark.parametrize("server", KINDS[1:2], indirect=True)
def test_a_topic_whose_end_overtakes_its_beginning_is_not_subscribed_to(
    server, new_relay, monkeypatch
):
    relay, inbox = new_relay(timeout=0.5)
    left = before(monkeypatch, relay._subscriber, "_send", lambda: relay.unsubscribe(A))
    relay.subscribe(A, inbox.deliver)
    assert left
    relay.subscribe(B, inbox.deliver)  # Redis has had all commands when it confirms this one
    assert [subscriptions(server, relay, one) for one in (A, B)] == [0, 1]


@pytest.mark.parametrize("server", [KINDS[1], KINDS[-1]], indirect=True)
@pytest.mark.parametrize("recoverable", [False, True])
def test_a_topic_that_is_left_while_its_position_is_asked_for_is_not_subscribed_to(
    server, new_relay, monkeypatch, recoverable
):
    (relay, inbox), (other, _) = (new_relay(retentions=Retentions(away=60.0)) for _ in range(2))
    question = "look_at_all" if recoverable else "missed"
    left = before(monkeypatch, relay._log, question, lambda: relay.unsubscribe(USER))
    relay.subscribe_all([USER, A], inbox.deliver, recoverable)
    assert left
    wait_until(lambda: subscriptions(server, relay, USER) == 0)
    assert [other.publish(message("later", topic)) for topic in (USER, A)] == [0, 1]
    relay.subscribe(USER, inbox.deliver)
    assert other.publish(message("last", USER)) == 1
    inbox.wait_for("last")


@pytest.mark.parametrize("server", KINDS[1:2], indirect=True)
def test_a_further_subscriber_of_a_topic_waits_for_nobody_that_writes(new_relay):
    relay, inbox = new_relay()
    relay.subscribe(A, inbox.deliver)
    further = threading.Thread(target=relay.subscribe, args=(A, inbox.deliver), daemon=True)
    with relay._subscriber._writing:
        further.start()
        further.join(10)
        assert not further.is_alive()
