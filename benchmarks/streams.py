"""Measures event streams: ``python -m benchmarks.streams``.

django-socketio (gunicorn, one worker) and django-eventstream (uvicorn with uvloop, one process)
serve streams of one channel in turns, on one core, with one Redis. A publisher of each publishes
by Redis, two events in flight: an event is published when all readers have received the one before
the last. The readers are in this process, on another core. Then streams are opened that nobody
publishes to, and the memory of the server is measured before and after; for django-socketio also
with sockets in their place.
"""

import argparse
import contextlib
import os
import resource
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.crowd import CONNECT, HANDSHAKE, SUBSCRIBE
from benchmarks.processes import LOAD_CORE, Failed, Process, free_port, listens
from benchmarks.relay import redis
from benchmarks.servers import BIN, HERE, PEERS, UVICORN

IN_FLIGHT, WARM = 2, 20
EVENT = b"event: tick\n"
REQUEST = b"GET /stream/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"

OURS_PUBLISHER = """
import sys, django
django.setup()
from django_socketio import emit
for line in sys.stdin:
    emit("tick", line.strip(), channel="room-1")
"""

OURS = ("ours", "django-socketio, gunicorn")
THEIRS = ("theirs", "django-eventstream, uvicorn")
WORKER = (
    *(BIN / "gunicorn", "-k", "django_socketio.gunicorn.Worker", "-w", "1", "--bind"),
    *("127.0.0.1:PORT", "--worker-connections", "20000", "benchmarks.project.wsgi"),
)
COMMANDS = {"ours": WORKER, "theirs": (*UVICORN, "eventstream_asgi:application")}
FOLDERS = {"ours": HERE.parent, "theirs": PEERS}
PUBLISHERS = {"ours": ("-c", OURS_PUBLISHER), "theirs": ("eventstream_asgi.py",)}
DJANGO = {"DJANGO_SETTINGS_MODULE": "benchmarks.project.settings"}


@contextlib.contextmanager
def running(name, folder, url):
    """Run a server; yield it and its port."""
    port = free_port()
    command = [str(part).replace("PORT", str(port)) for part in COMMANDS[name]]
    environ = {"BENCH_REDIS": url, **(DJANGO if name == "ours" else {})}
    with Process(command, 0, Path(folder) / "server.log", environ, FOLDERS[name]) as server:
        server.wait_until(lambda: listens(port), name)
        server.settle()
        yield server, port


@contextlib.contextmanager
def publisher(name, url):
    """Run a publisher; yield the function that has it publish."""
    command = [sys.executable, *PUBLISHERS[name]]
    environ = {**os.environ, "BENCH_REDIS": url, **(DJANGO if name == "ours" else {})}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environ, cwd=FOLDERS[name]) as one:

        def publish(number):
            one.stdin.write(b"%d\n" % number)
            one.stdin.flush()

        yield publish
        one.stdin.close()


class Readers:
    """Streams, and what has come on each."""

    def __init__(self, port, count):
        self._poll = select.epoll()
        self._streams = {}
        self.received, self._tails = {}, {}
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(REQUEST)
            self._streams[one.fileno()] = one
            self.received[one.fileno()], self._tails[one.fileno()] = 0, b""
        for one in self._streams.values():
            begun = b""
            while b"\n\n" not in begun.partition(b"\r\n\r\n")[2]:
                data = one.recv(65_536)
                if not data:
                    raise Failed(f"a stream was refused: {begun!r}")
                begun += data
            one.setblocking(False)
            self._poll.register(one.fileno(), select.EPOLLIN)

    def read(self):
        """Read what has come."""
        for fd, _ in self._poll.poll(5) or [(0, 0)]:
            if fd == 0:
                raise Failed("nothing came for five seconds")
            data = self._streams[fd].recv(1 << 20)
            if not data:
                raise Failed("a stream ended")
            data = self._tails[fd] + data
            self.received[fd] += data.count(EVENT)
            self._tails[fd] = data[1 - len(EVENT) :]

    def close(self):
        for one in self._streams.values():
            one.close()


def deliver(readers, publish, server, seconds):
    """Publish for some seconds; return deliveries a second, and microseconds of CPU for each."""
    published = done = 0
    begun = cpu = end = None
    while end is None or time.monotonic() < end or done < published:
        may_publish = end is None or time.monotonic() < end
        while may_publish and published < done + IN_FLIGHT:
            publish(published)
            published += 1
        readers.read()
        done = min(readers.received.values())
        if begun is None and done >= WARM:
            begun, cpu, first = time.monotonic(), server.cpu(), sum(readers.received.values())
            end = begun + seconds
    count = sum(readers.received.values()) - first
    return count / (time.monotonic() - begun), (server.cpu() - cpu) / count * 1e6


def memory(server):
    """Return the proportional share of memory of a server's processes, in bytes."""
    found = 0
    for pid in server.pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        found += int(rollup.partition("\nPss:")[2].split()[0]) * 1024
    return found


def idle_streams(port, count):
    return Readers(port, count).close


def idle_sockets(port, count):
    """Open sockets that subscribe to the channel; return the function that closes them."""
    sockets = []
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", port))
        one.sendall(HANDSHAKE.encode())
        for frame, answer in ((CONNECT, b"sid"), (SUBSCRIBE, b"40"), (b"", b"43")):
            data = b""
            while answer not in data:
                data += one.recv(65_536)
            one.sendall(frame)
        sockets.append(one)
    return lambda: [one.close() for one in sockets]


def kept(server, port, count, opening):
    """Return the kilobytes that each of some idle connections takes."""
    opening(port, 20)()
    server.settle()
    before = memory(server)
    close = opening(port, count)
    server.settle()
    each = (memory(server) - before) / count / 1000
    close()
    return each


def measure(name, url, folder, options):
    """Return what was measured of a server, each in a process of its own."""
    found = {}
    with running(name, folder, url) as (server, port), publisher(name, url) as publish:
        readers = Readers(port, options.readers)
        found["rate"], found["cpu"] = deliver(readers, publish, server, options.seconds)
        readers.close()
    with running(name, folder, url) as (server, port):
        found["stream"] = kept(server, port, options.streams, idle_streams)
    if name == "ours":
        with running(name, folder, url) as (server, port):
            found["socket"] = kept(server, port, options.streams, idle_sockets)
    return found


def main():
    """Measure, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=5000)
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {LOAD_CORE})
    found = {name: [] for name, _ in (OURS, THEIRS)}
    with tempfile.TemporaryDirectory() as folder, redis(folder) as url:
        for _ in range(options.rounds):
            for name, results in found.items():
                results.append(measure(name, url, folder, options))
                print(name, results[-1], file=sys.stderr)
    for name, title in (OURS, THEIRS):
        print(title)
        for key in found[name][0]:
            print(f"  {key}: {statistics.median(one[key] for one in found[name]):,.1f}")


if __name__ == "__main__":
    main()
