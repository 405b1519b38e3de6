"""Random faults, one upon the other: what was accepted comes once, or a loss is told.

``RANDOM_FAULTS`` is the number of seeds that are tried, if it is to be more than two.
"""

import os
import random
import time

import pytest

from django_socketio import RelayError
from tests.kit.tap import Tap
from tests.kit.waiting import wait_until
from tests.relay.conftest import A, B, Stream, message, relays_at

SEEDS = range(1, int(os.environ.get("RANDOM_FAULTS", "2")) + 1)

FAULTS = 6


def deafen(tcp_redis, taps, chance):
    chance.choice(taps).mute()


def cut_off(tcp_redis, taps, chance):
    tcp_redis.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


def empty(tcp_redis, taps, chance):
    tcp_redis.client.flushall()


@pytest.fixture
def taps(tcp_redis):
    taps = [Tap(tcp_redis.client.config_get("port")["port"]) for _ in range(2)]
    yield taps
    for tap in taps:
        tap.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_accepted_comes_or_is_told(tcp_redis, taps, monkeypatch, seed):
    monkeypatch.setattr("django_socketio.relay.redis.subscriber.POLL", 0.02)
    monkeypatch.setattr("django_socketio.relay.redis.health.CHECK_INTERVAL", 0.1)
    chance = random.Random(seed)
    with relays_at(tcp_redis.url, timeout=0.5) as new:
        ends = [new(url=f"redis://127.0.0.1:{tap.port}") for tap in taps]
        for relay, inbox in ends:
            for topic in (A, B):
                relay.subscribe(topic, inbox.deliver)
        near, _ = new(listen=False, timeout=2)
        stream = Stream(near)
        for _ in range(FAULTS):
            fault = chance.choice([deafen, deafen, cut_off, empty])
            fault(tcp_redis, taps, chance)
            time.sleep(chance.choice([0, 0.05, 0.3]))  # the next one comes before, in or after this
        stream.stop()
        for number, (_, inbox) in enumerate(ends):
            check(near, inbox, stream, f"end {number}")


def check(near, inbox, stream, end):
    """Check what has come before a message that is told apart from those of the stream."""
    wait_until(lambda: is_heard(near, inbox, end))
    arrived = [one for one in inbox.messages if isinstance(one, int)]
    assert arrived == sorted({*arrived})
    assert not {*stream.refused} & {*arrived}
    wait_until(lambda: {*stream.accepted} <= {*inbox.messages} or A in inbox.lost)


def is_heard(publisher, inbox, end):
    try:
        publisher.publish(message(end))
    except RelayError:
        return False
    return end in inbox.messages
