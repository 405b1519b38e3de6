"""Measures how long a process is deaf after a broken connection: ``make bench-deafness``.

A relay is subscribed to many topics through a proxy, which breaks the connection. The process is
deaf until all topics are caught up with. Meanwhile newcomers subscribe, one after the other: the
longest wait of one of them is how long the process is stalled.
"""

import asyncio
import multiprocessing
import socket
import sys
import tempfile
import threading
import time

from benchmarks.processes import LOAD_CORE, Process, free_port
from django_socketio.relay.redis.parts import Options
from django_socketio.relay.redis.relay import RedisRelay
from django_socketio.relay.topics import channel_topic

TOPICS = (1_000, 5_000, 45_000)
ROUND_TRIPS = (0.0, 0.003)
"""Seconds that the proxy adds to a round trip."""

ROUNDS = 2
CHUNK = 65_536
PATIENCE = 600


class Proxy:
    """Passes connections on to a port, each direction late by half a round trip."""

    def __init__(self, port, round_trip):
        self._target, self._late = port, round_trip / 2
        self._writers = []

    async def serve(self, connection):
        """Serve; break all connections whenever the other end of a pipe asks for it."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        connection.send(server.sockets[0].getsockname()[1])
        while True:
            await asyncio.to_thread(connection.recv)
            for writer in self._writers:
                writer.transport.abort()
            self._writers.clear()

    async def _accept(self, reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += writer, back
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, reader, writer):
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(CHUNK):
                if self._late:
                    loop.call_later(self._late, writer.write, data)
                else:
                    writer.write(data)
        except OSError:
            pass
        writer.transport.abort()


def run_proxy(port, round_trip, connection):
    """Run a proxy in a process of its own."""
    asyncio.run(Proxy(port, round_trip).serve(connection))


def subscribed(port, count):
    """Return a relay that listens through a port, and is subscribed to so many topics."""
    relay = RedisRelay(Options(f"redis://127.0.0.1:{port}"))
    for number in range(count):
        topic = channel_topic("/", f"room-{number}")
        # ``subscribe`` would take two round trips for each.
        relay._sequencer.add(topic, lambda delivery: 1)
        relay._sequencer._subscriptions[topic].is_located = True
        channel = relay._keyspace.channel(topic)
        relay._topics[channel] = topic
        relay._subscriber._channels[channel] = threading.Event()
    relay.listen()
    wait_until(lambda: relay.status()["alive"])
    return relay


def wait_until(condition):
    """Wait until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the relay did not come back")
        time.sleep(0.001)


class Newcomers(threading.Thread):
    """Subscribes to new topics, one after the other, and notes the longest time that one took."""

    def __init__(self, relay):
        super().__init__(daemon=True)
        self._relay = relay
        self._stopped = threading.Event()
        self.longest = 0.0

    def run(self):
        """Subscribe until stopped."""
        while not self._stopped.wait(0.01):
            topic = channel_topic("/", f"new-{time.monotonic()}")
            begun = time.monotonic()
            self._relay.subscribe(topic, lambda delivery: 1)
            self.longest = max(self.longest, time.monotonic() - begun)

    def stop(self):
        """Stop; return the longest time."""
        self._stopped.set()
        self.join()
        return self.longest


def measure(relay, connection):
    """Break the connections; return the seconds for which the relay was deaf and stalled."""
    count = relay.status()["reconnects"]
    newcomers = Newcomers(relay)
    connection.send(True)
    wait_until(lambda: not relay.status()["alive"])
    begun = time.monotonic()
    newcomers.start()
    wait_until(lambda: relay.status()["reconnects"] > count and relay.status()["alive"])
    return time.monotonic() - begun, newcomers.stop()


def rows(port):
    """Measure each number of topics at each round trip; yield rows of the table."""
    for round_trip in ROUND_TRIPS:
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=run_proxy, args=(port, round_trip, there), daemon=True
        )
        process.start()
        proxy = here.recv()
        for count in TOPICS:
            relay = subscribed(proxy, count)
            deaf, stalled = map(
                min, zip(*[measure(relay, here) for _ in range(ROUNDS)], strict=True)
            )
            relay.close()
            yield count, round_trip * 1000, deaf, stalled
        process.terminate()
        process.join()


def main():
    """Print a table in reStructuredText: the best of two rounds."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--save", "", "--dir", folder]
        with Process(command, LOAD_CORE, f"{folder}/redis.log") as server:
            server.wait_until(lambda: is_open(port), "redis-server")
            line = "=" * 10
            print(*[line] * 4)
            print("Topics     Round trip Deaf       Stalled")
            print(*[line] * 4)
            for count, trip, deaf, stalled in rows(port):
                print(f"{count:<10,} {f'{trip:g} ms':10} {f'{deaf:.2f} s':10} {stalled:.3f} s")
                sys.stdout.flush()
            print(*[line] * 4)


def is_open(port):
    """Return whether anything listens on a port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
