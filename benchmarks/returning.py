"""Measures 5,000 sockets that are cut at once, and come back: ``make bench-returning``.

django-socketio and Socket.IO on Node serve them in turns, each in memory and through Redis, in one
process on one core, with connection state recovery. The sockets are in one process on another core.
While they are away, messages go to their channel; then all of them connect at the same time, and
each asks for what it has missed. Other sockets, which are not cut, send echoes meanwhile.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.crowd import PONG, Clients, Socket, frame, processor_time, settle
from benchmarks.processes import LOAD_CORE
from benchmarks.relay import redis
from benchmarks.relays import RELAYS
from benchmarks.servers import OURS, SERVERS, running

SOCKETS, MISSED, ROUNDS = 5_000, 20, 3
OTHERS, PAUSE = 50, 0.05
"""Sockets that are not cut, and the seconds between two echoes of each."""

PATIENCE = 120
RECOVERY = {"BENCH_RECOVERY": "1", "RECOVERY": "1"}
"""What has clients recover: the variables of our project and of Node's program."""


@dataclass
class Past:
    """What a client knows of its socket from one connection to the next.

    Attributes:
        pid, offset: the secret of its socket, and the last event that it has.
        sid: the id of the socket.
        received: the number of events that it has.
        recovered: how often it has come back to its socket.
        renewed: how often it got a new one instead.

    """

    pid: str = ""
    offset: str = ""
    sid: str = ""
    received: int = 0
    recovered: int = 0
    renewed: int = 0


class Returning(Socket):
    """A client as the official one: it comes back to its socket, and asks for what it has missed.

    It is ready once it is on its channel.
    """

    def __init__(self, crowd, past):
        super().__init__(crowd)
        self.past = past

    def _received(self, text):
        kind = text[:2]
        if kind == b"42":
            self._event(text)
        elif text[:1] == b"0":
            past = {"pid": self.past.pid, "offset": self.past.offset} if self.past.offset else {}
            self.transport.write(frame(f"40{json.dumps(past)}"))
        elif kind == b"40":
            self._connected(json.loads(text[2:]))
        elif kind == b"43" and not self.ready.done():
            self.ready.set_result(None)
        elif text == b"2":
            self.transport.write(PONG)

    def _connected(self, told):
        past = self.past
        if told["sid"] == past.sid:
            past.recovered += 1
            return self.ready.set_result(None)
        past.renewed += bool(past.sid)
        past.sid, past.pid = told["sid"], told.get("pid", "")
        self.transport.write(frame('420["subscribe","room-1"]'))

    def _event(self, text):
        self.past.received += 1
        self.past.offset = json.loads(text[2:])[-1]


class Crowd(Clients):
    """Clients on one channel of a server.

    Attributes:
        pasts: what each of them knows.
        clients: their connections, in the same order.

    """

    def __init__(self, port, count):
        super().__init__(port)
        self.pasts, self.clients = [Past() for _ in range(count)], []

    async def connect(self):
        """Connect all clients at the same time; come back when each is on the channel."""
        self.clients = await asyncio.gather(*map(self.connect_one, self.pasts))

    async def connect_one(self, past):
        """Connect a client; return its connection."""
        return await self.open_one(lambda: Returning(self, past))

    async def wait_for(self, count):
        """Wait until each has so many events; return how many have, in the end."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and min(one.received for one in self.pasts) < count:
            await asyncio.sleep(0.02)
        return sum(one.received == count for one in self.pasts)

    async def cut(self):
        """Cut all connections at once."""
        for one in self.clients:
            one.transport.abort()
        while self.open:
            await asyncio.sleep(0.01)


class Echo(Socket):
    """A client that sends echoes, and notes how long each takes."""

    def __init__(self, crowd):
        super().__init__(crowd)
        self.sent = None

    def _received(self, text):
        if text[:2] == b"42":
            self._crowd.taken.append(time.monotonic() - self.sent)
            self.sent = None
        elif text[:1] == b"0":
            self.transport.write(frame("40"))
        elif text[:2] == b"40":
            self.transport.write(frame(f'420["subscribe","echo-{id(self)}"]'))
        elif text[:2] == b"43":
            self.ready.set_result(None)
        elif text == b"2":
            self.transport.write(PONG)

    def ask(self):
        """Send an echo, unless the last one is still on its way."""
        if self.sent is None and not self.transport.is_closing():
            self.sent = time.monotonic()
            self.transport.write(frame('42["message","as long as most messages are"]'))


class Others:
    """Echoes from a process of its own, which a benchmark starts and ends.

    Args:
        port: of the server.
        make: makes a client, from this object.

    """

    def __init__(self, port, make=Echo):
        self._port, self._make = port, make
        self._ours, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=self._run, args=(theirs,), daemon=True)
        self._process.start()
        self._ours.recv()

    def end(self):
        """Return the seconds that each echo took."""
        self._ours.send(None)
        taken = self._ours.recv()
        self._process.join()
        return taken

    def _run(self, pipe):
        os.nice(-10) if os.geteuid() == 0 else None  # measures the server, not the load beside it
        self.taken, self.open = [], 0
        asyncio.run(self._echo(pipe))
        pipe.send(self.taken)

    async def _echo(self, pipe):
        self.loop = asyncio.get_running_loop()
        clients = [await self.connect() for _ in range(OTHERS)]
        pipe.send(None)
        while not pipe.poll():
            for one in clients:
                one.ask()
                await asyncio.sleep(PAUSE / OTHERS)

    async def connect(self):
        """Return a client that is on its channel."""
        make = self.loop.create_connection(lambda: self._make(self), "127.0.0.1", self._port)
        _, one = await make
        await one.ready
        return one


def percentile(values, share):
    """Return the value below which a share of them is."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def memory(server):
    """Return the megabytes that the processes of a server have, and the most that they had."""
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in server.pids]
    return [sum(_field(text, name) for text in texts) / 1024 for name in ("VmRSS", "VmHWM")]


def _field(text, name):
    return int(text.partition(f"{name}:")[2].split()[0])


async def measure(server, count, missed):
    """Return what one cut of all sockets takes."""
    crowd, publisher = Crowd(server.ports[0], count), Crowd(server.ports[0], 1)
    await crowd.connect()
    await publisher.connect()
    say = publisher.clients[0].transport.write
    say(frame('42["message","the first one"]'))
    await crowd.wait_for(1)
    await settle(server)
    before, _ = memory(server)
    await crowd.cut()
    for number in range(missed):
        say(frame(f'42["message","number {number}, while they are away"]'))
    await publisher.wait_for(1 + missed)
    await settle(server)
    away, _ = memory(server)
    quiet = Others(server.ports[0])
    await asyncio.sleep(2)
    usual = quiet.end()
    others = Others(server.ports[0])
    begun, cpu = time.monotonic(), processor_time(server)
    await crowd.connect()
    complete = await crowd.wait_for(1 + missed)
    took, meanwhile = time.monotonic() - begun, others.end()
    return {
        "seconds": took,
        "CPU": processor_time(server) - cpu,
        "complete": complete,
        "recovered": sum(one.recovered for one in crowd.pasts),
        "p99 usual": percentile(usual, 0.99) * 1000,
        "p99": percentile(meanwhile, 0.99) * 1000,
        "MB": before,
        "MB away": away,
        "MB most": memory(server)[1],
    }


def compared(url):
    """Return what is compared, by title."""
    node, streams = SERVERS["node"], RELAYS["node-streams"].with_redis(url)
    return {
        "django-socketio": OURS,
        "Socket.IO on Node, in memory": node,
        "django-socketio, Redis": RELAYS["ours"].with_redis(url),
        "Socket.IO on Node, Redis Streams adapter": streams,
    }


def recovering(server):
    """Return a server whose clients come back to their sockets."""
    return replace(server, environ={**server.environ, **RECOVERY})


def rounds(count, missed, number, without):
    """Measure the servers in turns; return what was found by title.

    Args:
        count: the sockets.
        missed: the messages that each of them misses.
        number: how often each server is measured.
        without: a part of the titles of servers that are not measured.

    """
    found = {}
    for _ in range(number):
        with tempfile.TemporaryDirectory() as folder, redis(folder) as url:
            for title, server in compared(url).items():
                if without and without in title:
                    continue
                with running(recovering(server), None, folder) as started:
                    result = asyncio.run(measure(started, count, missed))
                found.setdefault(title, []).append(result)
                print(title, result, file=sys.stderr)
    return found


def table(found):
    """Return the medians as a table in reStructuredText."""
    names = list(next(iter(found.values()))[0])
    lines = [".. list-table::", "   :header-rows: 1", "", "   * - Server"]
    lines += [f"     - {name}" for name in names]
    for title, results in found.items():
        lines.append(f"   * - {title}")
        medians = (statistics.median(result[name] for result in results) for name in names)
        lines += [f"     - {median:,.1f}" for median in medians]
    return "\n".join(lines)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=SOCKETS)
    parser.add_argument("--missed", type=int, default=MISSED)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--without", default="", metavar="PART", help="e.g. Streams: takes hours")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    print(table(rounds(*vars(arguments).values())))


if __name__ == "__main__":
    main()
