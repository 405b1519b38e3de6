"""Measures a reload of gunicorn's four workers under 5,000 sockets: ``make bench-draining``.

The workers are on one core, the sockets in one process on another, with Redis. Messages come to all
sockets meanwhile, from a process of its own. Each socket comes back as the official client does:
0.5 to 1.5 seconds after its connection ended, with connection state recovery. Without
``SOCKETIO_DRAIN_SECONDS`` all connections end at once.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.processes import LOAD_CORE, SERVER_CORE, Process, free_port, listens
from benchmarks.relay import redis
from benchmarks.returning import RECOVERY, Crowd, Echo, Others, percentile
from benchmarks.servers import BIN, HERE

SOCKETS, ROUNDS, WORKERS = 5_000, 3, 4
DRAINS = (0, 20)
"""Values of ``SOCKETIO_DRAIN_SECONDS``."""

PATIENCE = 120
PACE = 1.0
"""Seconds between two messages to all sockets."""

COMMAND = (
    *(BIN / "gunicorn", "-k", "django_socketio.gunicorn.Worker", "-w", str(WORKERS)),
    *(
        "--no-control-socket",
        "--worker-connections",
        "20000",
        "--graceful-timeout",
        "40",
        "--backlog",
        "4096",
    ),
    *("--bind", "127.0.0.1:PORT", "benchmarks.project.wsgi"),
)
PUBLISHER = f"""
import signal, time, django
django.setup()
from django_socketio import emit
ended = []
signal.signal(signal.SIGTERM, lambda *args: ended.append(True))
number = 0
while not ended:
    emit("message", number, channel="room-1")
    number += 1
    time.sleep({PACE})
print(number)
"""


class Pages(Crowd):
    """Clients that come back whenever their connection ends.

    Attributes:
        away: the seconds for which clients were without a connection.
        returns: the times at which they were back.

    """

    def __init__(self, port, count):
        super().__init__(port, count)
        self.away, self.returns = [], []
        self._cut = {}
        self._tasks = set()

    async def connect(self):
        """Connect all clients, and have each come back from now on."""
        await super().connect()
        for past, one in zip(self.pasts, self.clients, strict=True):
            self._begin(self._stay(past, one))

    def _begin(self, coroutine):
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stay(self, past, one):
        while True:
            await one.lost
            lost = time.monotonic()
            await asyncio.sleep(random.uniform(0.5, 1.5))
            while True:
                with contextlib.suppress(OSError):
                    one = await self.connect_one(past)
                    break
                await asyncio.sleep(random.uniform(0.5, 1.5))
            self.returns.append(time.monotonic())
            self.away.append(self.returns[-1] - lost)

    def end(self):
        """Stay away from now on."""
        for task in self._tasks:
            task.cancel()


class Lasting(Echo):
    """A client that sends echoes, and comes back when its connection ends."""

    def connection_lost(self, error):
        """Come back in a second."""
        super().connection_lost(error)
        self._crowd.loop.call_later(1, self._again)

    def _again(self):
        self.sent = None
        self._is_open, self._buffer, self.ready = False, b"", self._crowd.loop.create_future()
        self._crowd.loop.create_task(self._crowd.open_again(self))


class LastingOthers(Others):
    """Echoes over connections that come back."""

    def __init__(self, port):
        super().__init__(port, Lasting)

    async def open_again(self, client):
        """Open a new connection for a client."""
        with contextlib.suppress(OSError):
            await self.loop.create_connection(lambda: client, "127.0.0.1", self._port)


@contextlib.contextmanager
def publishing(url):
    """Publish to all sockets; yield what returns the number of messages, once it has ended."""
    environ = {**os.environ, "BENCH_REDIS": url}
    environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.project.settings"
    command = [sys.executable, "-c", PUBLISHER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, cwd=HERE.parent) as one:

        def end():
            one.terminate()
            return int(one.stdout.read())

        yield end
        one.terminate()


async def measure(process, port, url, count):
    """Return what a reload does."""
    pages = Pages(port, count)
    await pages.connect()
    with publishing(url) as end:
        quiet = LastingOthers(port)
        await asyncio.sleep(3)
        usual = quiet.end()
        others = LastingOthers(port)
        begun = time.monotonic()
        os.kill(process.pids[0], signal.SIGHUP)
        until = begun + PATIENCE
        while time.monotonic() < until and len(pages.returns) < count:
            await asyncio.sleep(0.05)
        meanwhile = others.end()
        await asyncio.sleep(2)
        published = end()
        await asyncio.sleep(2)
    pages.end()
    received = [one.received for one in pages.pasts]
    seconds = [int(moment - begun) for moment in pages.returns]
    return {
        "new ids": sum(one.renewed for one in pages.pasts),
        "kept": sum(one.recovered for one in pages.pasts),
        "messages lost": sum(max(published - number, 0) for number in received),
        "twice": sum(max(number - published, 0) for number in received),
        "all back (s)": max(pages.returns, default=0) - begun,
        "away, median (s)": statistics.median(pages.away),
        "away, longest (s)": max(pages.away),
        "most in a second": max(len([*group]) for _, group in itertools.groupby(sorted(seconds))),
        "p99 before (ms)": percentile(usual, 0.99) * 1000,
        "p99 (ms)": percentile(meanwhile, 0.99) * 1000,
    }


def reload(drain, count):
    """Measure one reload with a value of ``SOCKETIO_DRAIN_SECONDS``."""
    with tempfile.TemporaryDirectory() as folder, redis(folder) as url:
        port = free_port()
        command = [str(part).replace("PORT", str(port)) for part in COMMAND]
        environ = {"BENCH_REDIS": url, "BENCH_DRAIN": str(drain), **RECOVERY}
        log = Path(folder) / "gunicorn.log"
        with Process(command, SERVER_CORE, log, environ, HERE.parent) as process:
            process.wait_until(lambda: listens(port) and len(process.pids) > WORKERS, "gunicorn")
            process.settle()
            return asyncio.run(measure(process, port, url, count))


def main():
    """Print the medians as a table in reStructuredText."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=SOCKETS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--drains", type=int, nargs="*", default=DRAINS)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    found = {drain: [] for drain in arguments.drains}
    for drain in [*arguments.drains] * arguments.rounds:
        found[drain].append(reload(drain, arguments.sockets))
        print(drain, found[drain][-1], file=sys.stderr, flush=True)
    print(".. list-table::\n   :header-rows: 1\n\n   * - SOCKETIO_DRAIN_SECONDS")
    print(*[f"     - {drain}" for drain in found], sep="\n")
    for name in next(iter(found.values()))[0]:
        print(f"   * - {name}")
        for results in found.values():
            print(f"     - {statistics.median(result[name] for result in results):,.1f}")


if __name__ == "__main__":
    main()
