"""Measures what positions cost: ``make bench-positions``.

One server process on one core has sockets of two kinds, those of ``socketio.js``, which keep
positions, and those of other clients. In turns, a socket of each kind sends echoes, and broadcasts
to a channel of its kind, one by one and sixteen at a time. The sockets are in one process on
another core. What counts is the processor time of the server.
"""

import argparse
import asyncio
import os
import statistics
import tempfile

from benchmarks.crowd import PONG, Clients, Socket, frame, processor_time
from benchmarks.processes import LOAD_CORE
from benchmarks.relay import redis
from benchmarks.relays import RELAYS
from benchmarks.servers import OURS, running

SUBSCRIBERS, ROUNDS = 100, 9
KINDS = {"off": "40", "on": '40{"_positions":{}}'}
"""What a client sends to connect."""

LINES = {
    "echo": (1, 1, 8_000),
    "fan-out, one by one": (SUBSCRIBERS, 1, 400),
    "fan-out, 16 at a time": (SUBSCRIBERS, 16, 3_200),
}
"""The number of receivers, of messages in flight, and of messages."""


class Client(Socket):
    """A client of one kind."""

    def _received(self, text):
        if text[:2] == b"42":
            self._crowd.came += b'["message"' in text
        elif text[:1] == b"0":
            self.transport.write(frame(KINDS[self._crowd.kind]))
        elif text[:2] == b"40":
            self.transport.write(frame(f'420["subscribe","{self._crowd.channel}"]'))
        elif text[:3] == b"430":
            self.ready.set_result(None)
        elif text == b"2":
            self.transport.write(PONG)


class Group(Clients):
    """Clients of one kind on one channel."""

    def __init__(self, port, kind, channel):
        super().__init__(port)
        self.kind, self.channel, self.came = kind, f"{channel}-{kind}", 0

    async def connect(self, count):
        """Connect clients."""
        opened = [self.open_one(lambda: Client(self)) for _ in range(count)]
        self.clients = await asyncio.gather(*opened)

    async def send(self, messages, in_flight):
        """Send messages; come back when each has come to each client."""
        message = frame('42["message","as long as most messages are"]')
        for _ in range(messages // in_flight):
            expected = self.came + in_flight * len(self.clients)
            self.clients[0].transport.write(message * in_flight)
            while self.came < expected:
                await asyncio.sleep(0)


async def measure(server, rounds):
    """Return, by line and kind, the microseconds of the server for each message of each round."""
    port, found, groups = server.ports[0], {}, {}
    for line, (count, _, _) in LINES.items():
        channel = "echo" if count == 1 else f"room-{len(groups)}"
        for kind in KINDS:
            groups[line, kind] = Group(port, kind, channel)
            await groups[line, kind].connect(count)
    for number in range(rounds):
        for (line, kind), group in sorted(groups.items(), reverse=number % 2):
            _, in_flight, messages = LINES[line]
            before = processor_time(server)
            await group.send(messages, in_flight)
            took = (processor_time(server) - before) / messages * 1e6
            found.setdefault(line, {}).setdefault(kind, []).append(took)
    return found


def main():
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory() as folder, redis(folder) as url:
        for title, server in ("in memory", OURS), ("Redis", RELAYS["ours"].with_redis(url)):
            with running(server, None, folder) as started:
                found = asyncio.run(measure(started, arguments.rounds))
            for line, kinds in found.items():
                off, on = (statistics.median(kinds[kind]) for kind in ("off", "on"))
                ratios = [b / a for a, b in zip(kinds["off"], kinds["on"], strict=True)]
                print(
                    f"{title:10} {line:21} off {off:7.1f} µs, on {on:7.1f} µs,"
                    f" {statistics.median(ratios):.3f}"
                )


if __name__ == "__main__":
    main()
