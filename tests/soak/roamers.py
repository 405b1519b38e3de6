"""Clients whose connections break again and again, and that come back each time."""

import random
import threading
import time
from collections import Counter, defaultdict

from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.keeping import CHANNEL, KeepingClient
from tests.kit.node import OPTIONS
from tests.soak.ledger import END, Stay
from tests.soak.sockets import BROKEN, QUIET, reset

KINDS = {
    "websocket": WebSocketClient,
    "polling": PollingClient,
    "upgraded": lambda port: PollingClient(port).upgrade(),
}
LONGEST = 6.0
"""Seconds that a connection lasts at most."""

PAUSE = 0.1
"""Seconds before a page tries again to connect."""

DIRECT = "direct"
"""The place of a channel's name in messages for one socket."""


class Page(threading.Thread):
    """A page that keeps positions, as ``socketio.js`` does, on several channels until their end."""

    def __init__(self, port, kind, channels, over):
        super().__init__(daemon=True)
        self._port, self._kind, self._over = port, KINDS[kind], over
        self._client = KeepingClient(self._arrived, self._missed)
        self._client.wanted = [*channels]
        self.channels = channels
        self._stays = {channel: Stay(channel, whole=True) for channel in channels}
        self._silent = []
        self.direct = []
        self._subscribed = threading.Event()
        self.counts = Counter()
        self.failure = None
        self.start()

    @property
    def stays(self):
        return [*self._stays.values()]

    @property
    def id(self):
        """The id of its socket; None between two connections."""
        connection = self._client.connection
        return connection and connection.id

    def wait_connected(self):
        """Wait for its first connection."""
        assert self._subscribed.wait(20), "a page could not connect"

    def run(self):
        try:
            while not self._is_done():
                self._connect_and_listen()
        except Exception as failure:
            self.failure = failure
        for connection in (self._client.connection, *self._silent):
            if connection is not None:
                connection.abandon()

    def _is_done(self):
        return all(END in stay.received[-1:] for stay in self.stays)

    def _connect_and_listen(self):
        try:
            assert self._client.connect(self._port, self._kind) == []
            self._begin()
            self._listen(time.monotonic() + random.uniform(0, LONGEST))
        except (*BROKEN, *QUIET):
            self.counts["broken"] += 1
            self._client.cut()
            time.sleep(PAUSE)
        else:
            if not self._is_done():
                self._break()

    def _begin(self):
        self.counts["connections"] += 1
        if not self._subscribed.is_set():
            for stay in self.stays:
                stay.subscribed = time.monotonic()
            self._subscribed.set()

    def _listen(self, until):
        while not self._is_done() and (self._over.is_set() or time.monotonic() < until):
            self._client.take(self._client.receive())

    def _break(self):
        """Reset the connection, end it, or leave it open and answer no ping any more."""
        connection, self._client.connection = self._client.connection, None
        way = random.choice([reset, lambda one: one.close(), self._silent.append])
        try:
            way(connection)
        except BROKEN:
            connection.abandon()

    def _arrived(self, channel, publisher, number, *texts):
        where = self.direct if channel == DIRECT else self._stays[channel].received
        where.append((publisher, number))

    def _missed(self, topic):
        if topic.startswith(CHANNEL):
            self._stays[topic.removeprefix(CHANNEL)].gaps += 1


class Official:
    """A socket of the official client that roams in Node, and what it tells at its end."""

    def __init__(self, node, port, kind, channels):
        self._socket = node.roam(port, channels, LONGEST, END[0], **OPTIONS[kind])
        self.channels = channels
        self.direct, self.stays = [], []
        self.counts = Counter()
        self.failure = None

    @property
    def id(self):
        """The id that its socket had first."""
        return self._socket.id

    def wait_connected(self):
        """Wait for its first connection."""
        self._socket.wait_connected()

    def join(self, timeout):
        """Wait for its end, which it may have missed between two connections; read its log."""
        until = time.monotonic() + min(timeout, LONGEST)
        while not self._socket.has("roamed") and time.monotonic() < until:
            time.sleep(PAUSE)
        if not self._socket.has("roamed"):
            self._socket.do("report")
        open_stays = {}
        for event in self._socket.next("roamed")["log"]:
            self._note(event, open_stays)
        for stay in open_stays.values():
            stay.whole = END in stay.received

    def is_alive(self):
        """Return whether it has not come to its end; then, ``join`` has failed."""
        return False

    def _note(self, event, open_stays):
        match event:
            case ["connect", recovered, _]:
                self.counts["recovered" if recovered else "connections"] += 1
                if not recovered:
                    open_stays.clear()
            case ["subscribed", channel, at]:
                self._stay(channel, open_stays).subscribed = at
            case ["message", channel, publisher, number, *_]:
                is_direct = channel == DIRECT
                where = self.direct if is_direct else self._stay(channel, open_stays).received
                where.append((publisher, number))

    def _stay(self, channel, open_stays):
        """Return the stay on a channel; the first message may come before the answer."""
        if channel not in open_stays:
            open_stays[channel] = Stay(channel, float("inf"))
            self.stays.append(open_stays[channel])
        return open_stays[channel]


def came_twice(stays):
    """Return how many messages of channels came in two stays of one client."""
    seen = defaultdict(list)
    for stay in stays:
        seen[stay.channel] += {*stay.received}
    return sum(len(names) - len({*names}) for names in seen.values())
