"""Measures presence and calls: ``make bench-presence``.

Sockets in this process are the people on one channel of a server process, on another core, with one
Redis. Then rosters alone hold and remove people. Last, one server process asks a client of another
one, beside Socket.IO on Node with its Redis adapter; there, ``fetchSockets`` is measured as well.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace

from redis import Redis

from benchmarks.crowd import CONNECT, PONG, Clients, Socket, frame, settle
from benchmarks.processes import LOAD_CORE
from benchmarks.relay import redis
from benchmarks.servers import OURS, PEERS, Server, running
from django_socketio.relay.redis.parts import Options
from django_socketio.relay.redis.relay import RedisRelay
from django_socketio.relay.roster import Hold, Presence
from django_socketio.relay.topics import presence_topic

MEMBERS, RATE, SECONDS, WATCHERS = 10_000, 100, 10, 100
HELD = 5_000
CALLS, IN_FLIGHT, ROUNDS = 1_000, 10, 3
LISTED, LISTS = 1_000, 20

CALLER = Server(
    "node-calls",
    "Socket.IO, Redis adapter",
    ("node", "node_calls.mjs", "PORT"),
    "as the others",
    environ={"NODE_ENV": "production"},
    folder=PEERS,
)


class Member(Socket):
    """A client on the channel; it answers each call, and counts the bytes that come."""

    size = 0
    last_page = None

    def __init__(self, crowd):
        super().__init__(crowd)
        self.answer = None

    def data_received(self, data):
        """Count the bytes."""
        self.size += len(data)
        super().data_received(data)

    def say(self, text):
        """Send a packet of Socket.IO."""
        self.transport.write(frame(text))

    def _received(self, text):
        if text[:1] == b"0":
            self.transport.write(CONNECT)
        elif text[:2] == b"40":
            self.say(f'420["subscribe","{self._crowd.channel}"]')
        elif text[:3] == b"430" and not self.ready.done():
            self.ready.set_result(None)
        elif text[:3] == b"431":
            self.answer.set_result(json.loads(text[3:]))
        elif text == b"2":
            self.transport.write(PONG)
        elif b'"who?"' in text:
            self.say(f"43{text[2 : text.index(b'[')].decode()}[1]")
        elif b'"page":' in text and self.last_page is not None:
            update = json.loads(text[2:])[2]
            if update["page"] == update["pages"]:
                self.last_page.set_result(len(update["people"]))


class People(Clients):
    """Members of one channel."""

    def __init__(self, port, channel):
        super().__init__(port)
        self.channel = channel

    async def come(self, count):
        """Return new members, once all are on the channel."""
        return await asyncio.gather(*[self.open_one(lambda: Member(self)) for _ in range(count)])


class Counted:
    """What a block takes: seconds, processor time of server and Redis, scripts in Redis."""

    def __init__(self, server, client):
        self._server, self._client = server, client

    def __enter__(self):
        self._before = self._now()
        return self

    def __exit__(self, *error):
        took = [now - before for now, before in zip(self._now(), self._before, strict=True)]
        self.seconds, self.cpu, self.redis, self.scripts = took

    def _now(self):
        cpu, stats = self._client.info("cpu"), self._client.info("commandstats")
        scripts = stats.get("cmdstat_evalsha", {}).get("calls", 0)
        server = sum(process.cpu() for process in self._server.processes) if self._server else 0
        redis_cpu = cpu["used_cpu_user"] + cpu["used_cpu_sys"]
        return time.monotonic(), server, redis_cpu, scripts


async def channel_of_many(server, client, members):
    """Yield a line for each figure of a channel with many members."""
    people = People(server.ports[0], "here-1")
    with Counted(server, client) as took:
        everyone = await people.come(members)
        while client.hlen("socketio:{presence,/,here-1}:people") < members:
            await asyncio.sleep(0.05)
    yield f"{members} sockets join", took
    await settle(server)
    with Counted(server, client) as took:
        await asyncio.sleep(SECONDS)
    yield f"{SECONDS} s in which nothing changes", took
    with Counted(server, client) as took:
        size = await watch(everyone[0])
    yield f"a client reads all: {size / 1000:.0f} KB", took
    for watchers in (1, WATCHERS):
        for one in everyone[1:watchers]:
            await watch(one)
        size = everyone[0].size
        with Counted(server, client) as took:
            await come_and_go(everyone[-RATE:])
        received = (everyone[0].size - size) / SECONDS / 1000
        yield f"{SECONDS} s of joins and leaves, {watchers} watch: {received:.1f} KB/s each", took
    people.channel = "elsewhere"
    others = await people.come(RATE)
    await settle(server)
    with Counted(server, client) as took:
        await come_and_go(others)
    yield f"{SECONDS} s of the same on a channel without presence", took


async def watch(one):
    """Have a member told who is there; return the bytes of the answer."""
    size, one.last_page = one.size, asyncio.get_running_loop().create_future()
    one.say(f'42["_presence","{one._crowd.channel}"]')
    await one.last_page
    one.last_page = None
    return one.size - size


async def come_and_go(some):
    """Have each member leave and join again within each second, one after the other."""
    begin, channel = time.monotonic(), some[0]._crowd.channel
    for number in range(SECONDS * 2 * len(some)):
        member = some[number % len(some)]
        event = "subscribe" if number // len(some) % 2 else "unsubscribe"
        member.say(f'427["{event}","{channel}"]')
        delay = begin + (number + 1) / (2 * len(some)) - time.monotonic()
        await asyncio.sleep(max(0, delay))


def rosters_alone(url, client):
    """Yield a line for each figure of rosters without sockets."""
    relay = RedisRelay(Options(url=url))
    rosters, ids = relay.rosters, [f"user:{number}" for number in range(HELD)]
    yield from held(rosters, client, {presence_topic("/", "large"): ids})
    channels = {presence_topic("/", f"small-{n}"): ids[n : n + 10] for n in range(1000)}
    yield from held(rosters, client, channels)
    relay.close()


def held(rosters, client, people):
    """Yield what it takes to hold people, and to remove those of a process that has died."""
    count = f"{sum(map(len, people.values()))} people, channels: {len(people)}"
    with Counted(None, client) as took:
        rosters.note("p1", people)
        holds = [Hold(topic, id, Presence.ONLINE, "[]") for topic in people for id in people[topic]]
        rosters.hold("p1", holds)
    yield f"{count}: all join", took
    with Counted(None, client) as took:
        for topic in people:
            rosters.read(topic)
    yield f"{count}: read all", took
    with Counted(None, client) as took:
        for topic in rosters.topics_of("p1"):
            gone = [Hold(topic, id, Presence.GONE, "[]") for id in rosters.people_of("p1", topic)]
            rosters.hold("p1", gone)
        rosters.forget("p1")
    yield f"{count}: their process has died", took


async def calls(server):
    """Return seconds of a call, calls a second, and seconds of a list of people.

    The second process asks a client of the first one, and lists the people who are there.
    """
    (asked,) = await People(server.ports[0], "asked").come(1)
    (asking,) = await People(server.ports[1], "asking").come(1)

    async def measured(name, *args):
        asking.answer = asyncio.get_running_loop().create_future()
        asking.say(f"421{json.dumps([name, *args])}")
        return (await asking.answer)[0]

    _, latencies = await measured("measure calls", CALLS, 1)
    took, _ = await measured("measure calls", CALLS, IN_FLIGHT)
    asked.transport.close()
    await People(server.ports[0], "here-1").come(LISTED)
    await settle(server)
    lists = await measured("measure lists", LISTS, LISTED)
    return [statistics.median(latencies), CALLS / took, statistics.median(lists)]


def compared(url, folder, rounds):
    """Print the medians of calls: ours and Node's in turns."""
    ours = replace(OURS, environ={**OURS.environ, "BENCH_REDIS": url, "BENCH_PRESENCE": "1"})
    theirs = replace(CALLER, command=(*CALLER.command, url))
    found = {ours.title: [], theirs.title: []}
    for server in (ours, theirs) * rounds:
        with running(server, None, folder, processes=2) as started:
            found[server.title].append(asyncio.run(calls(started)))
    for title, results in found.items():
        call, rate, listed = (statistics.median(each) for each in zip(*results, strict=True))
        print(
            f"{title:26} {call * 1e6:7.0f} µs a call, {rate:7.0f} calls/s by {IN_FLIGHT}, "
            f"{listed * 1e3:7.1f} ms for a list of {LISTED} people"
        )


def say(text, took):
    """Print a line."""
    print(
        f"{text:62} {took.seconds:6.2f} s, server {took.cpu:5.2f} s CPU, "
        f"Redis {took.redis:5.2f} s CPU, {took.scripts:5} scripts",
        flush=True,
    )


async def say_all(lines):
    """Print lines as they come."""
    async for text, took in lines:
        say(text, took)


def main():
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory() as folder, redis(folder) as url:
        client = Redis(unix_socket_path=url.removeprefix("unix://"))
        server = replace(OURS, environ={**OURS.environ, "BENCH_REDIS": url, "BENCH_PRESENCE": "1"})
        with running(server, None, folder) as started:
            asyncio.run(say_all(channel_of_many(started, client, arguments.members)))
        for text, took in rosters_alone(url, client):
            say(text, took)
        compared(url, folder, arguments.rounds)


if __name__ == "__main__":
    sys.exit(main())
