"""Redis and server processes, which models have break and end."""

from django_socketio import emit
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.topics import channel_topic, everyone_topic
from tests.kit.clients import WebSocketClient
from tests.kit.waiting import wait_until
from tests.relay.recovery.events import WATCHERS

SERVERS = 2
CHANNELS = ["a", "b", "hall", "kept"]
KEYSPACE = Keyspace("socketio", 0)


class Site:
    """Redis and server processes, with a client of each that asks for the state of its relay."""

    def __init__(self, redis, servers):
        self.redis, self._start = redis, servers.start
        self.servers = [self._start() for _ in range(SERVERS)]
        self._reconnects = [-1] * SERVERS
        """How often each process had connected again when its connection was broken."""
        self._watchers = [self._watch(server) for server in self.servers]
        self._flushed = 0

    def _watch(self, server):
        watcher = WebSocketClient(server.port)
        watcher.connect(WATCHERS)
        return watcher

    def ask(self, number, *event):
        """Have a server answer an event."""
        return self._watchers[number].ask(*event, namespace=WATCHERS)

    def flush(self, number):
        """Wait until a process has handled all that was accepted before, if Redis has lost nothing.

        Its connection brings messages in their order once it has caught up.
        """
        self.wait_until_heard()
        watcher, self._flushed = self._watchers[number], self._flushed + 1
        emit("flushed", self._flushed, session_id=watcher.id, namespace=WATCHERS)
        expected = f'42{WATCHERS},["flushed",{self._flushed}]'
        wait_until(lambda: watcher.receive() == expected)

    def replace(self, number, end):
        """Start a server in the place of another one, which ends."""
        old, server = self.servers[number], self._start()
        self.servers[number] = server
        end(old)
        self._watchers[number].abandon()
        self._watchers[number] = self._watch(server)
        self._reconnects[number] = -1

    def wait_until_idle(self):
        """End the sockets that are away, and wait until no process has a socket of a client."""
        for number in range(SERVERS):
            self.ask(number, "end all")
        topics = [everyone_topic("/"), *(channel_topic("/", name) for name in CHANNELS)]
        channels = [KEYSPACE.channel(topic) for topic in topics]
        ask = self.redis.client.pubsub_numsub
        wait_until(lambda: not any(count for _, count in ask(*channels)))

    def begin_anew(self):
        """Have Redis emptied, and each process find that out: by its next connection."""
        self.wait_until_heard()
        self.redis.client.flushall()
        self.break_relays()
        self.wait_until_heard()

    def break_relays(self):
        """Break the connections by which processes hear Redis."""
        self._reconnects = [self.ask(number, "relay")[1] for number in range(SERVERS)]
        self.redis.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    def restart_redis(self):
        """Have Redis start with the data that were saved last."""
        self.wait_until_heard()
        self._reconnects = [self.ask(number, "relay")[1] for number in range(SERVERS)]
        self.redis.stop()
        self.redis.start()

    def hears(self, number):
        """Return whether a process is certain to hear Redis by an unbroken connection."""
        alive, reconnects = self.ask(number, "relay")
        return alive and reconnects > self._reconnects[number]

    def wait_until_heard(self):
        """Wait until each process hears Redis."""
        for number in range(SERVERS):
            wait_until(lambda number=number: self.hears(number))
