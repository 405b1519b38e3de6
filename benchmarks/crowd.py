"""Measures 9,000 sockets that come, hear a broadcast, reload and leave: ``make bench-crowd``.

django-socketio and Socket.IO on Node with its Redis adapter serve them in turns, in one process on
one core; the sockets are in one process on another core. A round connects all sockets, has each
subscribe to one channel, broadcasts to them, ends all connections and opens them again at once, as
pages do that reload, and ends all of them.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time

from benchmarks.processes import LOAD_CORE
from benchmarks.relay import redis
from benchmarks.relays import RELAYS
from benchmarks.servers import running

SOCKETS, ROUNDS, BROADCASTS = 9_000, 3, 10
OPENING = 500
"""Connections that are being opened at the same time."""

IDLE = 0.02
"""Seconds of processor time in a second that a server may use without sockets that do anything."""

NAMES = ("ours", "node-pubsub")
PHASES = ("connect", "broadcast", "reload", "leave")

HANDSHAKE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def frame(text):
    """Return a text of less than 65,536 characters as a client's frame, masked by zeros."""
    size = len(text)
    length = [0x80 | size] if size < 126 else [0x80 | 126, *size.to_bytes(2, "big")]
    return bytes([0x81, *length, 0, 0, 0, 0]) + text.encode()


SUBSCRIBE, CONNECT, PONG = frame('420["subscribe","room-1"]'), frame("40"), frame("3")
MESSAGE = frame('42["message","a message to all of them"]')


class Socket(asyncio.Protocol):
    """A client that subscribes to the channel, and counts what it receives."""

    def __init__(self, crowd):
        self._crowd = crowd
        self._buffer = b""
        self._is_open = False
        self.ready, self.lost = crowd.loop.create_future(), crowd.loop.create_future()

    def connection_made(self, transport):
        """Ask for the WebSocket."""
        self.transport = transport
        transport.write(HANDSHAKE.encode())

    def data_received(self, data):
        """Take the answer to the handshake, then frames."""
        self._buffer += data
        if not self._is_open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                return self._fail(head)
            self._is_open, self._buffer = True, rest
        while (text := self._next()) is not None:
            self._received(text)

    def connection_lost(self, error):
        """Note the end."""
        self._crowd.open -= 1
        self._fail(error)
        if not self.lost.done():
            self.lost.set_result(None)

    def _fail(self, reason):
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"a connection was refused: {reason}"))

    def _next(self):
        if len(self._buffer) < 2:
            return None
        size, begin = self._buffer[1], 2
        if size == 126:
            size, begin = int.from_bytes(self._buffer[2:4], "big"), 4
        if len(self._buffer) < begin + size:
            return None
        text, self._buffer = self._buffer[begin : begin + size], self._buffer[begin + size :]
        return text

    def _received(self, text):
        if text[:2] == b"42":
            self._crowd.received()
        elif text[:1] == b"0":
            self.transport.write(CONNECT)
        elif text[:2] == b"40":
            self.transport.write(SUBSCRIBE)
        elif text[:2] == b"43":
            self.ready.set_result(None)
        elif text == b"2":
            self.transport.write(PONG)


class Clients:
    """Clients of one server.

    Attributes:
        open: the number of their connections.

    """

    def __init__(self, port):
        self.loop = asyncio.get_running_loop()
        self.open = 0
        self._port, self._opening = port, asyncio.Semaphore(OPENING)

    async def open_one(self, make):
        """Open the connection of a client that a function makes; return it once it is ready."""
        async with self._opening:
            _, one = await self.loop.create_connection(make, "127.0.0.1", self._port)
            self.open += 1
            await one.ready
            return one


class Crowd(Clients):
    """Sockets on one channel of a server."""

    def __init__(self, port, count):
        super().__init__(port)
        self._count, self._sockets, self._left = count, [], 0
        self._all = asyncio.Event()

    async def connect(self):
        """Open all sockets; come back when each is on the channel."""
        self._sockets = await asyncio.gather(
            *[self.open_one(lambda: Socket(self)) for _ in range(self._count)]
        )

    def received(self):
        """Count a message."""
        self._left -= 1
        if not self._left:
            self._all.set()

    async def broadcast(self):
        """Have a socket send some messages to all; come back when each has come to each socket."""
        for _ in range(BROADCASTS):
            self._left = self._count
            self._all.clear()
            self._sockets[0].transport.write(MESSAGE)
            await self._all.wait()

    async def leave(self):
        """End all connections."""
        for one in self._sockets:
            one.transport.close()
        while self.open:
            await asyncio.sleep(0.01)

    async def reload(self):
        """End all connections, and open them again at once."""
        for one in self._sockets:
            one.transport.close()
        await self.connect()


async def measure(server, count):
    """Return seconds, and seconds of the server's processor time, of each phase."""
    crowd = Crowd(server.ports[0], count)
    found = {}
    for phase in PHASES:
        begun, cpu = time.monotonic(), processor_time(server)
        await getattr(crowd, phase)()
        seconds = time.monotonic() - begun
        await settle(server)
        found[phase] = seconds, processor_time(server) - cpu
    return found


async def settle(server):
    """Wait until a server has had nothing to do for a second, also on a busy machine."""
    before = -1.0
    while processor_time(server) - before > IDLE:
        before = processor_time(server)
        await asyncio.sleep(1)


def processor_time(server):
    """Return the processor time that a server has used, in seconds."""
    return sum(process.cpu() for process in server.processes)


def rounds(count, number):
    """Measure the servers in turns; return what was found by name."""
    found = {name: [] for name in NAMES}
    for name in NAMES * number:
        with (
            tempfile.TemporaryDirectory() as folder,
            redis(folder) as url,
            running(RELAYS[name].with_redis(url), None, folder) as server,
        ):
            found[name].append(asyncio.run(measure(server, count)))
            print(RELAYS[name].title, found[name][-1], file=sys.stderr)
    return found


def table(found):
    """Return the medians as a table in reStructuredText."""
    line = " ".join(["=" * 12, *["=" * 24] * len(NAMES)])
    titles = "".join(f" {RELAYS[name].title:24}" for name in NAMES)
    rows = [line, f"{'':12}{titles}".rstrip(), line]
    for phase in PHASES:
        row = f"{phase:12}"
        for name in NAMES:
            took, cpu = (
                statistics.median(one[phase][part] for one in found[name]) for part in (0, 1)
            )
            row += f" {f'{took:.2f} s, {cpu:.2f} s CPU':24}"
        rows.append(row.rstrip())
    return "\n".join([*rows, line])


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=SOCKETS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    print(table(rounds(arguments.sockets, arguments.rounds)))


if __name__ == "__main__":
    main()
