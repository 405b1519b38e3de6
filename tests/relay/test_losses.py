"""Redis killed and started empty while messages flow: what is lost is told, where it is lost."""

import threading

import pytest

from django_socketio import RelayError
from django_socketio.relay.base import channel_topic
from tests.relay.conftest import Inbox, wait_until
from tests.relay.test_contract import message

CHANNELS = [channel_topic("/", name) for name in "abcd"]
LOST = "lost"


class Journal(Inbox):
    """An inbox that knows where among a topic's messages a loss was told."""

    def __init__(self):
        super().__init__()
        self.topics = {topic: [] for topic in CHANNELS}

    def deliver(self, envelope):
        (topic,) = envelope.topics
        self.topics[topic].append(envelope.args[0])
        return super().deliver(envelope)

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
    monkeypatch.setattr("django_socketio.relay.reader.FIRST_PAUSE", 0.4)
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
