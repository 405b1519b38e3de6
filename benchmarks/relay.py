"""Measures what Redis between processes costs."""

import contextlib
import json
import os
import subprocess
from pathlib import Path

from benchmarks.load import read
from benchmarks.measurement import Measurement
from benchmarks.processes import LOAD_CORE, Failed, Process, on_core
from benchmarks.relays import RELAYS
from benchmarks.servers import HERE, SERVERS

SUBSCRIBERS, PACE, LISTENERS = 1000, 100, 10
PATIENCE = 20
"""Seconds past its time that a measurement may take."""


@contextlib.contextmanager
def redis(folder):
    """Start a Redis that keeps nothing; return its URL."""
    socket = Path(folder) / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", socket]
    command += ["--save", "", "--appendonly", "no"]
    with Process(command, LOAD_CORE, Path(folder) / "redis.log") as server:
        server.wait_until(socket.exists, "redis-server")
        yield f"unix://{socket}"


class RelayTable(Measurement):
    """Measures relays.

    Its results: of each relay, of each run, what was measured in each round.
    """

    def measure(self, names, rounds):
        """Measure relays by name, round by round."""
        with redis(self._folder) as url:
            for number in range(rounds):
                for name in names:
                    self._say(f"relay, round {number + 1} of {rounds}: {RELAYS[name].title}")
                    self._measure(RELAYS[name], url)

    def _measure(self, relay, url):
        server = relay.with_redis(url)
        if relay.server.name in ("ours", "node") and relay.name in ("ours", "node-pubsub"):
            self._with(SERVERS[relay.server.name], 1, {"without": self._fan_out}, relay)
        runs = {"one": self._fan_out, "publish": self._publish, "latency": self._latency}
        self._with(server, 1, runs, relay, url)
        self._with(server, 2, {"two": self._fan_out}, relay, url)

    def _with(self, server, processes, runs, relay, url=None):
        results = self.results.setdefault(relay.name, {})
        try:
            with self._running(server, processes=processes) as started:
                for name, run in runs.items():
                    results.setdefault(name, []).append(run(started, relay, url))
                    started.settle()
        except (Failed, subprocess.TimeoutExpired) as error:
            self._say(f"  {error}")

    def _fan_out(self, server, relay, url):
        subscribe = server.dialect.subscription("room-1")
        options = {"connections": SUBSCRIBERS, "in_flight": 2, "subscribe": subscribe}
        return self._load.run(server, "fanout", **options)

    def _publish(self, server, relay, url):
        return self._published(server, relay, url, listeners=1, rate=0)

    def _latency(self, server, relay, url):
        return self._published(server, relay, url, listeners=LISTENERS, rate=PACE)

    def _published(self, server, relay, url, listeners, rate):
        """Publish from outside while a few listen; return what both sides saw."""
        seconds = self._load.seconds
        subscribe = server.dialect.subscription("room-1")
        command = self._load.arguments(server, "listen", connections=listeners, subscribe=subscribe)
        with listening(command) as generator:
            publisher = relay.publish(url, seconds + 1, rate)
            published = outcome(publisher, relay.variables(url), seconds + PATIENCE)
            output, errors = generator.communicate(timeout=seconds + PATIENCE)
        seen = read(generator.returncode, output, errors)
        return {**seen, "published": published["rate"]}


@contextlib.contextmanager
def listening(command):
    """Start the load generator; go on once its connections listen."""
    pipe = subprocess.PIPE
    generator = subprocess.Popen(
        on_core(LOAD_CORE, command), stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    try:
        line = generator.stderr.readline()
        if line != "ready\n":
            raise Failed(line + generator.stderr.read())
        yield generator
    finally:
        generator.kill()
        generator.wait()
        for end in (generator.stdin, generator.stdout, generator.stderr):
            end.close()


def outcome(command, environ, timeout):
    """Run a publisher; return what it printed.

    Raises:
        Failed: it did not publish.

    """
    done = subprocess.run(
        on_core(LOAD_CORE, command),
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=HERE.parent,
        env={**os.environ, **environ},
    )
    if done.returncode != 0:
        raise Failed(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])
