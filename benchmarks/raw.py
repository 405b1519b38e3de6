"""Raw WebSockets and client events: ``make bench-raw``; a table of docs/performance.rst.

The numbers are the processor time of the server process for each message, which does not depend on
the speed of the clients, and the memory of 1,000 idle connections.
"""

import os
import re
import selectors
import socket
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.processes import LOAD_CORE, SERVER_CORE, Process, free_port, listens

ROUNDS, MESSAGES, CONNECTIONS, IDLE = 5, 40_000, 50, 1_000
FRAME = b"\x81\xb9\0\0\0\0" + b"x" * 57
UPGRADE = (
    "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SOCKETIO = "/socket.io/?EIO=4&transport=websocket"


# Servers


def serve_ours(port):
    """Serve the echoes of the tests, a client event and a handler that broadcasts."""
    from gevent import monkey

    monkey.patch_all()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.project.settings"
    import django
    from django.conf import settings

    settings.SOCKETIO_CLIENT_EVENTS = {"^room-": ["typing"]}
    settings.SOCKETIO_MESSAGE_LOG_FORMAT = None
    settings.LOGGING_CONFIG = None
    django.setup()
    from django.core.handlers.wsgi import WSGIHandler

    from django_socketio.events import on_event
    from django_socketio.server.dev import DevelopmentServer

    @on_event("said", channel="^room-")
    def said(request, socket, context, *args):
        socket.broadcast_channel(args[0], socket.event_channel, event="said")

    server = DevelopmentServer(WSGIHandler(), "127.0.0.1", port)
    server.start()
    server.serve_forever()


def serve_gevent_websocket(port):
    """Serve an echo by gevent-websocket."""
    from gevent import monkey

    monkey.patch_all()
    from gevent.pywsgi import WSGIServer
    from geventwebsocket.handler import WebSocketHandler

    def echo(environ, start_response):
        websocket = environ["wsgi.websocket"]
        while (message := websocket.receive()) is not None:
            websocket.send(message)
        return []

    WSGIServer(("127.0.0.1", port), echo, handler_class=WebSocketHandler, log=None).serve_forever()


def serve_websockets(port):
    """Serve an echo by websockets, on asyncio."""
    import asyncio

    from websockets.asyncio.server import serve

    async def echo(websocket):
        async for message in websocket:
            await websocket.send(message)

    async def main():
        async with serve(echo, "127.0.0.1", port, compression=None):
            await asyncio.Future()

    asyncio.run(main())


SERVERS = {"ours": serve_ours, "gevent-websocket": serve_gevent_websocket}
SERVERS["websockets"] = serve_websockets


class Served(Process):
    """A server process.

    Args:
        folder: for what it prints.

    """

    def __init__(self, name, folder):
        self.port = free_port()
        command = [sys.executable, "-m", "benchmarks.raw", name, self.port]
        super().__init__(command, SERVER_CORE, Path(folder) / "server.log")
        self.wait_until(partial(listens, self.port), name)

    @property
    def kilobytes(self):
        status = Path(f"/proc/{self.pids[0]}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def dial(self, path):
        one = socket.create_connection(("127.0.0.1", self.port))
        one.sendall(UPGRADE.format(path).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += one.recv(65536)
        return one


# Measurements


def echoes(server, path):
    """Return the microseconds of the server for each echo, one in flight on each connection."""
    clients = [server.dial(path) for _ in range(CONNECTIONS)]
    with selectors.DefaultSelector() as selector:
        for one in clients:
            selector.register(one, selectors.EVENT_READ)
            one.sendall(FRAME)
        left, begun = MESSAGES, server.cpu()
        while left > 0:
            for key, _ in selector.select():
                key.fileobj.recv(4096)
                key.fileobj.sendall(FRAME)
                left -= 1
    return (server.cpu() - begun) / MESSAGES * 1e6


def memory(server, path):
    """Return the kilobytes of the server for each idle connection, after one echo."""
    begun = server.kilobytes
    clients = [server.dial(path) for _ in range(IDLE)]
    for one in clients:
        one.sendall(FRAME)
        one.recv(4096)
    return (server.kilobytes - begun) / IDLE


def frame(text):
    return bytes((0x81, 0x80 | len(text))) + b"\0\0\0\0" + text.encode()


def sent_to_members(server, event, members=10):
    """Return the microseconds of the server for an event that goes to nine others."""
    clients = [server.dial(SOCKETIO) for _ in range(members)]
    for one in clients:
        one.sendall(frame("40") + frame('42["subscribe","room-1"]'))
    time.sleep(0.5)
    for one in clients:
        one.settimeout(0.2)
        one.recv(65536)
    sender, *others, last = clients
    rounds = MESSAGES // 8 // 100
    begun = server.cpu()
    for _ in range(rounds):
        for _ in range(100):
            sender.sendall(frame(f'42["channel","room-1","{event}",1]'))
            last.recv(4096)
        for one in others:  # or what the kernel keeps for them would fill up
            one.recv(65536)
    return (server.cpu() - begun) / rounds / 100 * 1e6


ECHOES = [
    ("ours", "/echo/socket.io"),
    ("ours", "/echo-at-once/socket.io"),
    ("gevent-websocket", "/"),
    ("websockets", "/"),
]
EVENTS = ["typing", "said"]


def round_of_echoes(folder, name, path):
    """Return the microseconds for each echo, and the kilobytes of a connection."""
    with Served(name, folder) as server:
        each = echoes(server, path)
    with Served(name, folder) as server:
        return each, memory(server, path)


def round_of_events(folder):
    """Return the microseconds for a client event, and for an event by a handler."""
    found = []
    for event in EVENTS:
        with Served("ours", folder) as server:
            found.append(sent_to_members(server, event))
    return found


def medians(rounds):
    return [statistics.median(each) for each in zip(*rounds, strict=True)]


def main():
    """Print the medians of some rounds, in each of which all have their turn."""
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        rounds = [
            ([round_of_echoes(folder, *one) for one in ECHOES], round_of_events(folder))
            for _ in range(ROUNDS)
        ]
    for number, (name, path) in enumerate(ECHOES):
        each, kilobytes = medians([found[number] for found, _ in rounds])
        print(f"{name} {path}: {each:.1f} us an echo, {kilobytes:.1f} KB")
    for event, each in zip(EVENTS, medians([found for _, found in rounds]), strict=True):
        print(f"{event}: {each:.1f} us to nine members, {1e6 / each:,.0f} a second on one core")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        SERVERS[sys.argv[1]](int(sys.argv[2]))
    else:
        main()
