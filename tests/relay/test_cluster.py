"""The relay over a real Redis Cluster, and what can happen to that."""

import logging
import multiprocessing
import threading
import time

import pytest
from redis.exceptions import ConnectionError

from django_socketio import RelayError
from django_socketio.relay.envelope import LogRange
from django_socketio.relay.redis.identity import data_id
from django_socketio.relay.topics import Retentions, channel_topic
from tests.kit.clients import WebSocketClient
from tests.kit.programs import PATCHED, free_port, python
from tests.kit.stalls import Stalls
from tests.kit.waiting import wait_until
from tests.relay.cluster import RedisCluster, topic_of
from tests.relay.conftest import (
    PUSH,
    A,
    Stream,
    each_sharded,
    make_certificate,
    message,
    publisher_works,
    received,
    relays_at,
)

pytestmark = pytest.mark.needs("shards")


@pytest.fixture
def listening(new_cluster):
    """A relay that is subscribed to A, with its inbox."""
    relay, inbox = new_cluster()
    relay.subscribe(A, inbox.deliver)
    return relay, inbox


def name_of(relay, topic=A):
    return relay._keyspace.channel(topic)


def other_node(cluster, name):
    """Return a node that does not serve a name."""
    return next(node for node in cluster.nodes if node is not cluster.node_of(name))


def is_heard_at_its_node(cluster, name):
    client = cluster.node_of(name).client
    return name.encode() in client.execute_command("PUBSUB SHARDCHANNELS")


def published(node, command="spublish"):
    statistics = node.client.info("commandstats")
    return statistics.get(f"cmdstat_{command}", {}).get("calls", 0)


def asked_to_publish(node):
    return published(node, "evalsha")


@each_sharded
def test_channels_and_messages_spread_over_the_nodes(cluster, new_cluster):
    relay, inbox = new_cluster()
    topics = [channel_topic("/", str(number)) for number in range(60)]
    before = [published(node) for node in cluster.nodes]
    for number, topic in enumerate(topics):
        relay.subscribe(topic, inbox.deliver)
        assert relay.publish(message(number, topic)) == 1
    inbox.wait(lambda: len(inbox.envelopes) == 60)
    for node, earlier in zip(cluster.nodes, before, strict=True):
        channels = {name.decode() for name in node.client.execute_command("PUBSUB SHARDCHANNELS")}
        served = {
            name_of(relay, topic)
            for topic in topics
            if cluster.node_of(name_of(relay, topic)) is node
        }
        assert served
        assert served == {name for name in channels if "channel," in name}
        assert published(node) - earlier >= len(served)
        assert node.client.execute_command("PUBSUB CHANNELS") == []


def hears_itself_from(node, relay):
    channels = node.client.execute_command("PUBSUB SHARDCHANNELS")
    return any(name_of(relay, "")[:-1].encode() in name for name in channels)


def test_a_process_hears_itself_from_every_node(cluster, new_cluster):
    relay, _ = new_cluster()
    for node in cluster.nodes:
        wait_until(lambda node=node: hears_itself_from(node, relay))
    assert relay.status() == {"alive": True, "deaf_since": None, "reconnects": 0}


@each_sharded
def test_nothing_stays_behind_after_the_end_of_a_subscription(cluster, listening):
    relay, _ = listening
    relay.unsubscribe(A)
    node = cluster.node_of(name_of(relay))
    name = name_of(relay).encode()
    wait_until(lambda: name not in node.client.execute_command("PUBSUB SHARDCHANNELS"))
    assert relay.publish(message("nobody")) == 0
    assert node.client.exists(*relay._keyspace.keys(A)) == 0


@each_sharded
def test_a_slot_that_moves_while_messages_flow_loses_nothing(cluster, listening, new_cluster):
    relay, inbox = listening
    stream = Stream(new_cluster(listen=False)[0])
    for _ in range(4):
        stream.go_on(30)
        cluster.move_slot(name_of(relay), other_node(cluster, name_of(relay)))
    stream.go_on(30)
    stream.stop()
    inbox.wait_for(stream.accepted[-1])
    assert inbox.messages == stream.accepted
    assert (stream.refused, inbox.lost) == ([], [])
    assert relay.status() == {"alive": True, "deaf_since": None, "reconnects": 0}


class Publishing(threading.Thread):
    """Publishes one message, in a thread."""

    def __init__(self, relay, content):
        super().__init__(daemon=True)
        self.relay, self.content = relay, content
        self.start()

    def run(self):
        self.received = self.relay.publish(message(self.content))


def test_a_publisher_waits_for_those_that_follow_a_slot(cluster, listening, new_cluster):
    relay, inbox = listening
    publisher, _ = new_cluster(listen=False)
    assert publisher.publish(message("before")) == 1
    target = other_node(cluster, name_of(relay))
    with relay._subscriber._arranging:  # it does not follow yet
        cluster.move_slot(name_of(relay), target)
        before = asked_to_publish(target)
        publishing = Publishing(publisher, "after")
        wait_until(lambda: asked_to_publish(target) > before)
    publishing.join()
    assert publishing.received == 1
    inbox.wait_for("after")
    assert inbox.messages == ["before", "after"]


def test_who_follows_a_slot_reads_what_came_meanwhile(cluster, listening, new_cluster):
    relay, inbox = listening
    other, other_inbox = new_cluster()
    other.subscribe(A, other_inbox.deliver)
    assert other.publish(message("before")) == 2
    with relay._subscriber._arranging:  # it does not follow yet
        cluster.move_slot(name_of(relay), other_node(cluster, name_of(relay)))
        assert other.publish(message("meanwhile")) == 1
        other_inbox.wait_for("meanwhile")
        assert inbox.messages == ["before"]
    inbox.wait_for("meanwhile")
    assert (inbox.messages, inbox.lost) == (["before", "meanwhile"], [])


def test_nothing_is_told_of_an_idle_channel_whose_slot_moves(cluster, new_cluster):
    relay, inbox = new_cluster(log_seconds=0.5)
    relay.subscribe(A, inbox.deliver)
    for number in range(3):
        assert relay.publish(message(number)) == 1
        source = cluster.node_of(name_of(relay))
        wait_until(lambda source=source: not source.client.exists(*relay._keyspace.keys(A)))
        cluster.move_slot(name_of(relay), other_node(cluster, name_of(relay)))
        wait_until(lambda: is_heard_at_its_node(cluster, name_of(relay)))
    assert relay.publish(message("last")) == 1
    inbox.wait_for("last")
    assert (inbox.messages, inbox.lost) == ([0, 1, 2, "last"], [])


def test_a_process_goes_on_hearing_itself_when_that_slot_moves(cluster, new_cluster, monkeypatch):
    monkeypatch.setattr("django_socketio.relay.redis.health.CHECK_INTERVAL", 0.05)
    monkeypatch.setattr("django_socketio.relay.redis.subscriber.POLL", 0.02)
    relay, _ = new_cluster(timeout=10)
    source, target, _ = cluster.nodes

    def subscribers():
        nodes = list(relay._subscriber._subscribers.items())
        return [one for node, one in nodes if node.port == source.port]

    wait_until(subscribers)
    (subscriber,) = subscribers()
    channel = subscriber.health_channel
    cluster.move_slot(channel, target)
    wait_until(lambda: subscriber.health_channel != channel)
    assert cluster.node_of(subscriber.health_channel) is source
    heard = subscriber._health.heard_until
    wait_until(lambda: subscriber._health.heard_until > heard + 0.3)
    assert relay.status() == {"alive": True, "deaf_since": None, "reconnects": 0}


@each_sharded
def test_while_a_slot_is_under_way_its_messages_wait_for_it(cluster, new_cluster):
    relay, inbox = new_cluster(timeout=0.4)
    relay.subscribe(A, inbox.deliver)
    wait_until(lambda: publisher_works(relay, "before"))
    calls = []

    def meanwhile():
        calls.append(True)
        if len(calls) == 1:  # the topic's keys are still where they were
            wait_until(lambda: publisher_works(relay, "under way"))
        else:
            with pytest.raises(RelayError, match=r"\d+ 127\.0\.0\.1:\d+"):
                relay.publish(message("failed"))

    cluster.move_slot(name_of(relay), other_node(cluster, name_of(relay)), meanwhile)
    wait_until(lambda: publisher_works(relay, "after"))
    inbox.wait_for("after")
    assert inbox.messages == ["before", "under way", "after"]
    assert inbox.lost == []


def test_a_slot_can_be_subscribed_to_while_it_is_under_way(cluster, new_cluster):
    relay, inbox = new_cluster()
    cluster.move_slot(
        name_of(relay),
        other_node(cluster, name_of(relay)),
        lambda: relay.subscribe(A, inbox.deliver),
    )
    # The channel has no node for a moment, from the end at the old one to the confirmation.
    wait_until(lambda: relay.status()["alive"])
    assert relay.publish(message("first")) == 1
    inbox.wait_for("first")


@each_sharded
def test_a_log_is_read_while_its_slot_is_under_way(cluster, new_cluster):
    relay, inbox = new_cluster()
    relay.subscribe(A, inbox.deliver)
    relay.publish(message("a"))
    relay.publish(message("b"))
    inbox.wait_for("b")
    ranges = []
    target = other_node(cluster, name_of(relay))
    target.client.execute_command("SCRIPT FLUSH")  # it has not been asked for a log before
    cluster.move_slot(name_of(relay), target, lambda: ranges.append(relay.read(A)))
    ranges.append(relay.read(A))
    assert len(ranges) == 3
    assert all(one == LogRange(tuple(inbox.deliveries), relay.position(A), True) for one in ranges)


def test_a_node_that_cannot_be_read_hides_no_messages_of_other_nodes(
    cluster, new_cluster, monkeypatch
):
    """These are published before the subscription is confirmed."""
    relay, inbox = new_cluster(retentions=Retentions(away=60.0))
    away, *others = [topic_of(cluster, relay, node) for node in cluster.nodes]
    read, subscribe = relay._heard_log.missed, relay._subscriber.subscribe

    def read_others(places):
        if away in [place.topic for place in places]:
            raise ConnectionError("away")
        return read(places)

    def publish_before(*channels):
        for topic in (away, *others):
            relay.publish(message(topic.name, topic))
        subscribe(*channels)

    monkeypatch.setattr(relay._heard_log, "missed", read_others)
    monkeypatch.setattr(relay._subscriber, "subscribe", publish_before)
    relay.subscribe_all([away, *others], inbox.deliver, recoverable=True)
    assert sorted(inbox.messages) == sorted(topic.name for topic in others)
    relay.publish(message("next", away))
    inbox.wait_for("next")
    assert inbox.messages[2:] == [away.name, "next"]


@each_sharded
def test_a_message_for_several_slots_is_delivered_once(cluster, new_cluster):
    relay, inbox = new_cluster()
    topics = [topic_of(cluster, relay, node) for node in cluster.nodes]
    for topic in topics:
        relay.subscribe(topic, inbox.deliver)
    for number in range(20):
        assert relay.publish(message(number, *topics)) == 3
    for topic in topics:
        relay.publish(message(f"last of {topic}", topic))
    for topic in topics:
        inbox.wait_for(f"last of {topic}")
    assert [one for one in inbox.messages if isinstance(one, int)] == list(range(20))


def test_a_node_that_hangs_is_found_and_the_others_go_on(cluster, new_cluster, monkeypatch):
    monkeypatch.setattr("django_socketio.relay.redis.health.CHECK_INTERVAL", 0.2)
    monkeypatch.setattr("django_socketio.relay.redis.subscriber.POLL", 0.05)
    relay, inbox = new_cluster(timeout=0.4)
    hanging, *others = cluster.nodes
    here, there = (topic_of(cluster, relay, node) for node in (hanging, others[0]))
    for topic in (here, there):
        relay.subscribe(topic, inbox.deliver)
        wait_until(lambda topic=topic: publisher_works(relay, f"before {topic}", topic))
    hanging.pause()
    try:
        begun = time.monotonic()
        with Stalls() as stalls:
            with pytest.raises(RelayError):
                relay.publish(message("failed", here))
            with pytest.raises(RelayError, match="after 1 of 2 slots"):
                relay.publish(message("half", there, here))
        # Without the setting, each would take 2 s.
        assert time.monotonic() - begun - stalls.seconds < 2 * 1.5
        wait_until(lambda: relay.status()["deaf_since"] is not None)
        assert not relay.status()["alive"]
        wait_until(lambda: publisher_works(relay, "meanwhile", there))
        inbox.wait_for("meanwhile")
    finally:
        hanging.resume()
    wait_until(lambda: relay.status()["alive"])
    wait_until(lambda: publisher_works(relay, "after", here))
    inbox.wait_for("after")
    assert "failed" not in inbox.messages
    assert relay.status()["reconnects"] >= 1


def test_a_replica_of_the_node_to_which_a_slot_has_moved_proves_no_range(tmp_path):
    with (
        RedisCluster(tmp_path, node_timeout=1000, replica=True) as cluster,
        relays_at(cluster.url, retentions=Retentions(away=60.0), timeout=20) as new,
    ):
        relay, inbox = new()
        first, second, _, replica = cluster.nodes
        topic = topic_of(cluster, relay, second)
        relay.subscribe(topic, inbox.deliver, recoverable=True)
        cluster.move_slot(name_of(relay, topic), first)
        given_out = relay.publish(message("moved", topic)).position
        inbox.wait_for("moved")
        place = relay._keyspace.keys(topic)[0]
        wait_until(lambda: first.client.hget(place, "data") == data_id(first.client))
        first.client.wait(1, 10_000)
        first.stop()
        relay.publish(message("after", topic))  # waits for the replica
        assert cluster.node_of(name_of(relay, topic)) is replica
        assert not relay.read(topic, given_out).is_complete  # although the second node lives


def test_a_replica_takes_the_place_of_its_primary(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    with (
        RedisCluster(tmp_path, node_timeout=1000, replica=True) as cluster,
        relays_at(cluster.url) as new,
    ):
        relay, inbox = new(timeout=0.5)
        first, second, _, replica = cluster.nodes
        here, there = (topic_of(cluster, relay, node) for node in (first, second))
        relay.subscribe(here, inbox.deliver)
        relay.subscribe(there, inbox.deliver)
        patient, _ = new(listen=False, timeout=20)
        assert patient.publish(message(-1, here)) == 1
        stream = Stream(new(listen=False, timeout=0.5)[0], here)
        stream.go_on()
        given_out = patient.position(here)
        assert patient.read(here, given_out).is_complete
        first.stop()
        wait_until(lambda: not relay.status()["alive"])
        assert patient.publish(message("waited", here)) == 1
        assert cluster.node_of(name_of(relay, here)) is replica
        wait_until(lambda: relay.status()["alive"])
        stream.go_on()
        stream.stop()
        inbox.wait_for(stream.accepted[-1])
        assert stream.refused
        inbox.wait(lambda: inbox.lost)
        assert inbox.lost == [here]  # a replica may not have had the last ones, unlike the others
        assert inbox.messages[-50:] == stream.accepted[-50:]
        numbers = [one for one in inbox.messages if isinstance(one, int)]
        assert numbers == sorted(set(numbers))
        assert inbox.messages.count("waited") == 1
        assert relay.publish(message("others", there)) == 1
        inbox.wait_for("others")
        assert relay.status()["deaf_since"] is None
        assert relay.status()["reconnects"] >= 1
        assert caplog.text.count(f"The relay at 127.0.0.1:{first.port} is lost") == 1
        assert caplog.text.count(f"The relay at 127.0.0.1:{first.port} is back") == 1
        assert not patient.read(here, given_out).is_complete
        assert patient.read(here, patient.position(here)).is_complete


def test_the_channels_of_other_nodes_go_on_only_where_the_cluster_needs_no_full_coverage(tmp_path):
    with RedisCluster(tmp_path, node_timeout=500) as cluster, relays_at(cluster.url) as new:
        relay, inbox = new(timeout=0.5)
        lost, *others = cluster.nodes
        topics = [topic_of(cluster, relay, node) for node in others]
        for topic in topics:
            relay.subscribe(topic, inbox.deliver)
        lost.stop()
        for topic in topics:
            wait_until(lambda topic=topic: "cluster is down" in refusal(relay, topic))
        for node in others:
            node.client.config_set("cluster-require-full-coverage", "no")
        for number, topic in enumerate(topics):
            wait_until(lambda topic=topic: refusal(relay, topic) == "")
            assert relay.publish(message(number, topic)) == 1
            inbox.wait_for(number)


def refusal(relay, topic):
    """Return why a relay does not take a message; "" if it does."""
    try:
        relay.publish(message("tried", topic))
    except RelayError as error:
        return str(error)
    return ""


def test_a_cluster_that_is_absent_at_the_start_is_found_when_it_comes(tmp_path, caplog):
    with (
        RedisCluster(tmp_path, primaries=1) as cluster,
        relays_at(cluster.url, timeout=1) as new,
    ):
        (node,) = cluster.nodes
        node.stop()
        relay, inbox = new(listen=False)
        relay.listen()
        relay.subscribe(A, inbox.deliver)
        with pytest.raises(RelayError, match="refused"):
            relay.publish(message("too early"))
        wait_until(lambda: relay.status()["deaf_since"] is not None)
        assert caplog.text.count("The relay is lost") == 1
        node.start()
        wait_until(lambda: relay.status()["alive"])
        wait_until(lambda: publisher_works(relay, "now"))
        inbox.wait_for("now")
        assert inbox.messages == ["now"]
        assert caplog.text.count("is lost") == 1
        assert caplog.text.count("is back") == 1


def publish_in_child(relay):
    relay.publish(message("from the child"))


def test_a_forked_process_publishes_too(listening, new_cluster):
    publisher, _ = new_cluster(listen=False)
    publisher.publish(message("from the parent"))
    child = multiprocessing.get_context("fork").Process(target=publish_in_child, args=(publisher,))
    child.start()
    child.join(10)
    assert child.exitcode == 0
    publisher.publish(message("from the parent again"))
    _, inbox = listening
    inbox.wait_for("from the parent again")
    assert inbox.messages == ["from the parent", "from the child", "from the parent again"]


def test_servers_under_gevent_and_a_script_share_a_cluster(cluster, loud, run):
    settings = loud.parent.parent / "loud_settings.py"
    settings.write_text(
        settings.read_text()
        + f"SOCKETIO_RELAY_URL = {cluster.url!r}\nSOCKETIO_RELAY_PREFIX = 'servers'\n"
    )
    loud.write_text(
        "from django_socketio.events import on_message\n"
        "@on_message\n"
        "def say(request, socket, context, message): socket.send_and_broadcast_channel(message)\n"
    )
    site = {
        "DJANGO_SETTINGS_MODULE": "loud_settings",
        "PYTHONPATH": f"{loud.parent.parent}:{loud.parents[1]}",
    }
    servers = [run("0", "--noreload", python=PATCHED, **site) for _ in range(2)]
    servers[0].wait_for(r"Relay: Redis Cluster at 127")
    clients = [WebSocketClient(server.port) for server in servers]
    for client in clients:
        client.connect()
        assert client.subscribe("a") is True
    for number in range(10):
        clients[number % 2].emit("message", number)
        assert received(clients) == [number, number]
    cluster.move_slot(f"servers:{{{A}}}", other_node(cluster, f"servers:{{{A}}}"))
    done = python(site, "-c", "import django; django.setup(); " + PUSH.format("from a script"))
    assert done.stdout.strip() == "2"
    assert received(clients) == ["from a script"] * 2


@pytest.mark.needs("tls")
def test_a_cluster_is_reached_by_tls_with_user_and_password(tmp_path):
    certificate, key = make_certificate(tmp_path)
    port = free_port()
    files = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file"]
    options = ["--tls-port", str(port), "--tls-cluster", "yes", "--tls-auth-clients", "no"]
    options += [*files, certificate]
    with RedisCluster(tmp_path, primaries=1, options=options) as cluster:
        cluster.run("ACL", "SETUSER", "site", "on", ">se:cret", "~tls:*", "&tls:*", "+@all")
        where = f"site:se%3Acret@127.0.0.1:{port}?ssl_ca_certs={certificate}"
        with relays_at(f"rediss+cluster://{where}", prefix="tls") as new:
            relay, inbox = new()
            relay.subscribe(A, inbox.deliver)
            assert relay.publish(message("hidden")) == 1
            inbox.wait_for("hidden")
            assert "cret" not in str(relay)
            other, _ = new(listen=False, prefix="other")
            with pytest.raises(RelayError, match="ermission"):
                other.publish(message("not ours"))


def test_a_wrong_password_is_told(cluster, new_cluster):
    relay, _ = new_cluster(listen=False, url=cluster.url.replace("//", "//:wrong@"), timeout=1)
    with pytest.raises(RelayError, match="AUTH"):
        relay.publish(message("m"))
    assert "wrong" not in str(relay)
