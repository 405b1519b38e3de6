"""Sockets that come and go, by both transports, and leave in every way there is."""

import contextlib
import http.client
import json
import queue
import random
import socket
import struct
import threading
import time
from collections import Counter

import websocket

from tests.kit.clients import Closed, PollingClient, WebSocketClient
from tests.soak.ledger import END, Stay

KINDS = {"websocket": WebSocketClient, "polling": PollingClient}
BROKEN = (Closed, OSError, http.client.HTTPException, websocket.WebSocketException, AssertionError)
"""What a client may see where a server is replaced under it."""

QUIET = (queue.Empty, websocket.WebSocketTimeoutException)
LONGEST = 3.0
"""Seconds that a visitor stays at most."""


def reset(client):
    """Break the connection at once, as a host that crashes does."""
    if isinstance(client, WebSocketClient):
        client.ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.abandon()


LEAVE = {
    "that left in order": lambda client: client.close(),
    "that broke": lambda client: client.abandon(),
    "that were reset": reset,
}


class Guest(threading.Thread):
    """A thread that holds one socket at a time, and notes what comes on it."""

    def __init__(self, ports, channels, over):
        super().__init__(daemon=True)
        self._ports, self._channels, self._over = ports, channels, over
        self.stays = []
        self.counts = Counter()
        self.failure = None
        self.start()

    def come(self, kind, channel):
        """Connect and subscribe; return the client and the stay that has begun."""
        client = KINDS[kind](random.choice(self._ports))
        try:
            client.connect()
            stay = Stay(channel)
            client.emit("subscribe", channel, id=0)
            while (packet := client.receive()) != "430[true]":
                note(stay, packet)
        except BaseException:
            client.abandon()
            raise
        stay.subscribed = time.monotonic()
        self.stays.append(stay)
        self.counts[f"sockets by {kind}"] += 1
        return client, stay


def note(stay, packet):
    """Note what a packet tells a socket."""
    assert packet.startswith("42"), packet
    event, content = json.loads(packet[2:])
    if event == "gap":
        stay.gaps += content == stay.channel
    else:
        stay.received.append(tuple(content))


def listen(client, stay, until):
    """Note what comes until ``until()`` holds."""
    while not until():
        with contextlib.suppress(*QUIET):
            note(stay, client.receive())


class Visitor(Guest):
    """Comes, stays for seconds, and leaves in one way or another, again and again.

    A server that is reloaded cuts visitors off; one that stays must not, whoever attacks it.
    """

    def run(self):
        while not self._over.is_set():
            try:
                self._visit()
            except BROKEN + QUIET as failure:
                self.counts["sockets cut off by a server"] += 1
                if len(self._ports) == 1:
                    self.failure = failure

    def _visit(self):
        client, stay = self.come(random.choice(list(KINDS)), random.choice(self._channels))
        leaves = time.monotonic() + random.uniform(0, LONGEST)
        way = random.choice(list(LEAVE))
        try:
            listen(client, stay, lambda: time.monotonic() > leaves or self._over.is_set())
        except BaseException:
            client.abandon()
            raise
        self.counts[f"sockets {way}"] += 1
        LEAVE[way](client)


class Resident(Guest):
    """Stays on one channel until the end."""

    def __init__(self, port, kind, channel, over):
        self._kind = kind
        self.subscribed = threading.Event()
        super().__init__([port], [channel], over)

    def run(self):
        try:
            client, stay = self.come(self._kind, *self._channels)
            self.subscribed.set()
            listen(client, stay, lambda: END in stay.received[-1:])
            stay.whole = True
            client.close()
        except Exception as failure:
            self.failure = failure
