"""Measures publishing alone: scripts that publish through Redis as fast as they can.

``python -m benchmarks --parts publishing``. The publishers take turns, round by round. Besides the
rate, which depends on what else the machine does, the processor time of a message is measured: that
of the publisher by itself, and that of Redis by its ``INFO cpu``, before and after.
"""

import contextlib
import sys

from redis import Redis

from benchmarks.processes import LOAD_CORE, Process
from benchmarks.relay import outcome, redis
from benchmarks.relays import RELAYS, script

PATIENCE = 20
"""Seconds past its time that a publisher may take."""

CHANNELS = ("socketio:{channel,/,room-1}", "socketio", "socket.io#/#room-1#")
"""The channels of Redis to which django-socketio, python-socketio and Node's emitter publish."""

LISTEN = """
import sys, redis
pubsub = redis.Redis.from_url(sys.argv[1]).pubsub()
pubsub.subscribe(*sys.argv[2:])
pubsub.parse_response()
connection = pubsub.connection._sock
connection.settimeout(None)
print("ready", flush=True)
while connection.recv(1 << 20):
    pass
"""
"""A subscriber that reads and does nothing, so that each message has one."""

WAYS = {
    "ours": "emit, one by one (broadcast_channel)",
    "key": "emit with idempotency_key, one by one",
    "greenlets": "emit in 100 greenlets",
    "10": "emit_batch of 10",
    "50": "emit_batch of 50",
    "1000": "emit_batch of 1,000",
    "psio-gevent": "python-socketio, RedisManager(write_only=True)",
    "node-pubsub": "Socket.IO, Redis emitter",
}


def command_of(way, url, seconds):
    """Return the command line of a publisher."""
    if way in RELAYS:
        return RELAYS[way].publish(url, seconds, 0)
    return [*script("ours_together"), url, str(seconds), way]


class Publishing:
    """Measures publishers: its results are those of each round, by the publisher's name."""

    def __init__(self, folder, seconds, say):
        self._folder = folder
        self._seconds = seconds
        self._say = say
        self.results = {}

    def measure(self, rounds):
        """Measure all publishers, round by round."""
        with redis(self._folder) as url, listening(self._folder, url):
            for number in range(rounds):
                for way, title in WAYS.items():
                    self._say(f"publishing, round {number + 1} of {rounds}: {title}")
                    self.results.setdefault(way, []).append(self._measure(way, url))

    def _measure(self, way, url):
        client = Redis.from_url(url)
        before = worked(client)
        environ = {"BENCH_REDIS": url}
        command = command_of(way, url, self._seconds)
        found = outcome(command, environ, self._seconds + PATIENCE)
        redis_us = (worked(client) - before) / found["count"] * 1e6
        return {**found, "redis_us": redis_us}


@contextlib.contextmanager
def listening(folder, url):
    """Have a subscriber for all messages."""
    log = folder / "listener.log"
    command = [sys.executable, "-c", LISTEN, url, *CHANNELS]
    with Process(command, LOAD_CORE, log) as listener:
        listener.wait_until(lambda: "ready" in log.read_text(), "the listener")
        yield


def worked(client):
    """Return the seconds of processor time that Redis has had."""
    info = client.info("cpu")
    return info["used_cpu_user"] + info["used_cpu_sys"]
