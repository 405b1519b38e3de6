"""Redis killed and started empty while messages flow: what is lost is told, where it is lost."""

import threading

import pytest
import redis

from django_socketio import RelayError
from django_socketio.relay.topics import channel_topic
from tests.kit.waiting import wait_until
from tests.relay.breaking import break_connections
from tests.relay.conftest import Inbox, message

CHANNELS = [channel_topic("/", name) for name in "abcd"]
LOST = "lost"


class Journal(Inbox):
    """An inbox that knows where among a topic's messages a loss was told."""

    def __init__(self):
        super().__init__()
        self.topics = {topic: [] for topic in CHANNELS}

    def deliver(self, delivery):
        self.topics[delivery.topic].append(delivery.envelope.args[0])
        return super().deliver(delivery)

    def tell_lost(self, topic):
        self.topics[topic].append(LOST)
        super().tell_lost(topic)


class Stream(threading.Thread):
    """Publishes numbers on a topic, one after the other; notes those that were accepted."""

    def __init__(self, relay, topic):
        super().__init__(daemon=True)
        self.relay, self.topic = relay, topic
        self.accepted, self.refused = [], []
        self._stopped = threading.Event()
        self.start()

    def run(self):
        number = 0
        while not self._stopped.wait(0.0005):
            self.publish(number)
            number += 1
        wait_until(lambda: self.publish("last"))

    def publish(self, content):
        """Publish; return whether it was accepted."""
        try:
            received = self.relay.publish(message(content, self.topic))
        except RelayError:
            received = 0
        (self.accepted if received else self.refused).append(content)
        return received

    def go_on(self, count=100):
        """Wait until that many more were accepted."""
        wanted = len(self.accepted) + count
        wait_until(lambda: len(self.accepted) >= wanted)

    def stop(self):
        self._stopped.set()
        self.join()


@pytest.fixture
def subscribers(redis_server, new_redis, monkeypatch):
    """Relays as of two processes, each on all channels, with journals."""
    monkeypatch.setattr("tests.relay.conftest.Inbox", Journal)
    # Whoever is cut off from Redis stays so long enough to miss something.
    monkeypatch.setattr("django_socketio.relay.redis.subscriber.FIRST_PAUSE", 0.4)
    pairs = [new_redis() for _ in range(2)]
    for relay, journal in pairs:
        for topic in CHANNELS:
            relay.subscribe(topic, journal.deliver)
    return pairs


def untold(accepted, journal):
    """Return the accepted messages that neither came nor lie in a hole that was told."""
    missing, came, hole = [], set(journal), []
    entries = iter(journal)
    for content in accepted:
        if content not in came:
            hole.append(content)
            continue
        before = list(iter(lambda content=content: next(entries), content))
        if LOST not in before:
            missing += hole
        hole = []
    return missing + hole


def test_untold_finds_what_was_lost_in_silence():
    assert untold([1, 2, 3, 4], [1, 2, 3, 4]) == []
    assert untold([1, 2, 3, 4], [1, LOST, 4]) == []
    assert untold([1, 2, 3, 4], [LOST, 1, 4]) == [2, 3]
    assert untold([1, 2, 3, 4], [1, 4, LOST]) == [2, 3]
    assert untold([1, 2, 3], [1, LOST]) == [2, 3]


def restart_empty(redis_server, subscribers, streams):
    """Restart Redis without its data; what came just before is lost to the first subscriber."""
    first = redis_server.client.client_list(_type="pubsub")[0]
    redis_server.client.client_kill_filter(_id=first["id"])
    for stream in streams:
        stream.go_on(5)
    redis_server.stop()
    redis_server.start()
    wait_until(lambda: all(relay.status()["alive"] for relay, _ in subscribers))


def test_redis_restarted_empty_in_mid_stream_loses_nothing_untold(
    redis_server, subscribers, new_redis
):
    streams = [Stream(new_redis(listen=False)[0], topic) for topic in CHANNELS]
    for _ in range(2):
        for stream in streams:
            stream.go_on()
        restart_empty(redis_server, subscribers, streams)
    for stream in streams:
        stream.go_on()
    for stream in streams:
        stream.stop()
    lost = [check(stream, journal) for stream in streams for _, journal in subscribers]
    assert any(lost), "nothing was lost, so this has shown nothing"


def check(stream, journal):
    """Check what came of a stream; return what was accepted and did not come."""
    entries = journal.topics[stream.topic]
    journal.wait(lambda: "last" in entries)
    came = [content for content in entries if content not in (LOST, "last")]
    assert came == sorted(set(came))
    assert set(came) <= {*stream.accepted, *stream.refused}
    assert untold(stream.accepted, entries) == []
    return set(stream.accepted) - set(entries)


def test_nothing_is_told_of_an_idle_channel_whose_connection_broke(redis_server, new_redis):
    relay, inbox = new_redis(log_seconds=1)
    for topic in CHANNELS[:2]:
        relay.subscribe(topic, inbox.deliver)
    relay.publish(message("before", CHANNELS[0]))
    inbox.wait_for("before")
    wait_until(lambda: redis_server.client.keys("*channel*") == [])
    relay._subscriber._health.send()  # it hears itself, as it does every few seconds
    heard = relay._subscriber._health.heard_until
    wait_until(lambda: relay._subscriber._health.heard_until > heard)
    redis_server.kill_connections()
    wait_until(lambda: relay.status()["reconnects"] == 1 and relay.status()["alive"])
    for topic in CHANNELS[:2]:
        relay.publish(message(f"after {topic}", topic))
        inbox.wait_for(f"after {topic}")
    assert inbox.lost == []


def test_a_loss_on_a_channel_that_was_idle_is_told(redis_server, subscribers, monkeypatch):
    (relay, journal), (other, other_journal) = subscribers
    monkeypatch.setattr(relay._subscriber, "_connect", not_yet)
    break_connections(redis_server, other)
    assert other.publish(message("accepted", CHANNELS[0])) == 1
    other_journal.wait_for("accepted")
    redis_server.stop()
    redis_server.start()
    monkeypatch.undo()
    wait_until(lambda: relay.status()["alive"] and other.status()["alive"])
    assert other.publish(message("after", CHANNELS[0])) == 2
    journal.wait_for("after")
    assert journal.topics[CHANNELS[0]] == [LOST, "after"]


def test_what_came_between_redis_and_a_subscription_in_its_absence_is_told(
    redis_server, new_redis, monkeypatch
):
    relay, inbox = new_redis()
    other, other_inbox = new_redis()
    other.subscribe(CHANNELS[0], other_inbox.deliver)
    redis_server.stop()
    wait_until(lambda: relay.status()["deaf_since"] and other.status()["deaf_since"])
    relay.subscribe(CHANNELS[0], inbox.deliver)
    monkeypatch.setattr(relay._subscriber, "_connect", not_yet)
    redis_server.start()
    wait_until(lambda: other.status()["alive"])
    assert other.publish(message("accepted", CHANNELS[0])) == 1
    monkeypatch.undo()
    wait_until(lambda: relay.status()["alive"])
    other.publish(message("after", CHANNELS[0]))
    inbox.wait_for("after")
    assert (inbox.messages, inbox.lost) == (["after"], [CHANNELS[0]])


def not_yet():
    raise redis.ConnectionError("not yet")
