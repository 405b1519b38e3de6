"""The connection on which a process receives messages from Redis."""

import threading
import time
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import redis
from redis.connection import ConnectionInterface
from redis.exceptions import RedisError, ResponseError

from django_socketio.logs import get_logger
from django_socketio.relay.redis.client import descriptors, listening_connection
from django_socketio.relay.redis.health import HealthCheck
from django_socketio.relay.redis.jitter import jitter
from django_socketio.relay.redis.silence import Silence

logger = get_logger("django_socketio.relay")

POLL = 0.5
"""Seconds without a message after which a subscriber looks at its health check."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between attempts to connect."""


class SubscriptionObserver(Protocol):
    """Is told what happens to subscriptions, in the thread of the subscriber."""

    def message_received(self, channel: str, data: bytes) -> None:
        """Take a message of a channel."""

    def missed(self, channels: list[str], silence: Silence) -> None:
        """Note that messages of channels may not have come; ``subscribed`` follows later."""

    def subscribed(self, channels: list[str]) -> None:
        """Catch up with channels that are subscribed to (again)."""


@dataclass(frozen=True, slots=True)
class PubSubCommands:
    """The commands of a kind of pub/sub, and the first words of Redis's messages about it."""

    subscribe: str = "SUBSCRIBE"
    unsubscribe: str = "UNSUBSCRIBE"
    confirmed: bytes = b"subscribe"
    ended: bytes = b"unsubscribe"
    message: bytes = b"message"


PUBSUB = PubSubCommands()


class Identity(NamedTuple):
    """The identity of the data in a Redis.

    Attributes:
        run: changes with every start.
        history: changes when a replica becomes the primary, also if it was the primary before.
        evicted: counts the keys that were evicted.

    """

    run: str
    history: str
    evicted: str


def identity(connection: ConnectionInterface) -> Identity | None:
    """Return the identity of the data in a Redis; None where Redis may not be asked."""
    connection.send_command("INFO")
    try:
        lines = connection.read_response().decode(errors="replace").splitlines()
    except ResponseError:
        return None
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    found = [values.get(name, "") for name in ("run_id", "master_replid", "evicted_keys")]
    return Identity(*found) if all(found) else None


class RedisSubscriber:
    """Subscribes to channels and receives their messages, in a thread of its own.

    Where gevent has patched the process, the thread is a greenlet. A broken connection is made
    again, with growing pauses, and all channels are subscribed to again.

    Args:
        client: whose connections it uses.
        observer: is told what happens.
        health: finds out whether the connection works.
        timeout: seconds that Redis has to confirm a subscription.

    """

    commands = PUBSUB
    name = "The relay"

    def __init__(
        self,
        client: "redis.Redis",
        observer: SubscriptionObserver,
        health: HealthCheck,
        timeout: float,
    ) -> None:
        self._client = client
        self._observer = observer
        self._health = health
        self._timeout = timeout
        self._channels: dict[str, threading.Event] = {}
        self._writing = threading.Lock()
        self._connection: ConnectionInterface | None = None
        self._made: ConnectionInterface | None = None
        self._early: list[tuple[str, bytes]] = []
        self._identity: Identity | None = None
        self._has_connected = False
        self._failure: BaseException | None = None
        self._stopped = False
        self._thread: threading.Thread | None = None
        self.is_receiving = False
        """True while messages come from Redis, even if missed ones are not caught up with yet."""
        self.alive = False
        self.deaf_since: float | None = None
        """Since when no messages come (``time.time``); None while they come."""
        self.reconnects = 0

    def start(self) -> None:
        """Connect, and begin to receive."""
        self._health.begin(time.monotonic())
        self._thread = threading.Thread(target=self._run, name="socketio-relay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and the connection."""
        self._stopped = True
        self._health.stop()
        self._disconnect()

    def descriptors(self) -> list[int]:
        """Return the descriptor of its connection, if it has one."""
        return descriptors(self._client, *filter(None, [self._made]))

    def subscribe(self, channel: str) -> None:
        """Subscribe; wait until Redis has confirmed it, unless Redis is away."""
        confirmed = self._channels.get(channel)
        if confirmed is None:
            confirmed = self._channels[channel] = threading.Event()
            self._send(self.commands.subscribe, channel)
        if self.is_receiving:
            confirmed.wait(self._timeout)

    def is_confirmed(self, channel: str) -> bool:
        """Return whether Redis has confirmed a subscription, now or on an earlier connection."""
        confirmed = self._channels.get(channel)
        return confirmed is not None and confirmed.is_set()

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe; messages that are on their way may still come."""
        self._channels.pop(channel, None)
        self._send(self.commands.unsubscribe, channel)

    def _send(self, command: str, *channels: str) -> bool:
        connection = self._connection
        if connection is None or not channels:
            return False
        try:
            with self._writing:
                self._write(connection, command, *channels)
        except BaseException as error:
            # Whatever the error is, a part of a command may be on its way: the connection is of no
            # use any more. The thread of this subscriber finds out too, and connects again.
            self._give_up(connection, error)
            if not isinstance(error, Exception):  # a timeout of the handler that subscribes
                raise
            return False
        return True

    def _give_up(self, connection: ConnectionInterface, error: BaseException) -> None:
        """Close a connection that could not be written to, before anything else uses it."""
        if connection is self._connection:
            self._connection, self._failure = None, error
        connection.disconnect()

    def _write(self, connection: ConnectionInterface, command: str, *channels: str) -> None:
        connection.send_command(command, *channels)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopped:
            try:
                self._connect()
                pause = FIRST_PAUSE
                self._read()
            except Exception as error:
                self._failed(error)
            self._disconnect()
            if not self._stopped:
                time.sleep(pause * jitter.uniform(0.5, 1.0))
                pause = min(pause * 2, LONGEST_PAUSE)

    def _failed(self, error: Exception) -> None:
        """Note why receiving has ended: after a failure to write, that failure is the reason."""
        failure, self._failure = self._failure or error, None
        if not isinstance(failure, (RedisError, OSError)) and not self._stopped:
            logger.error("%s failed", self.name, exc_info=failure)
        self._note_lost(failure)

    def _connect(self) -> None:
        """Connect and subscribe to all channels; leave no connection open if any of it fails."""
        connection = self._made = listening_connection(self._client)
        try:
            connection.connect()
            found = identity(connection)
            begun = time.monotonic()
            self._failure, self._connection = None, connection
            if not self._stopped:
                self._subscribe_all(connection)
                self._catch_up(found, begun)
        except BaseException:
            connection.disconnect()
            raise

    def _subscribe_all(self, connection: ConnectionInterface) -> None:
        missing = {self._health.channel, *self._channels}
        self._send(self.commands.subscribe, *missing)
        self._early.clear()
        while missing:
            missing -= self._take(connection)

    def _catch_up(self, found: Identity | None, begun: float) -> None:
        channels = list(self._channels)
        # Noted before anything is asked: what fails from here on is caught up with later.
        self._observer.missed(channels, self._silence(found))
        self._identity, self._has_connected = found, True
        self._health.begin(begun)
        self.is_receiving = True
        self._observer.subscribed(channels)
        for channel, data in self._early:
            self._observer.message_received(channel, data)
        self._note_back()

    def _silence(self, found: Identity | None) -> Silence:
        """Return the time in which messages may not have come: until this connection.

        A connection may have been dead long before that was noticed.
        """
        since, before = self._health.heard_until, self._identity
        if not self._has_connected and self.deaf_since is None:
            return Silence(since)  # the first attempt: the positions of all topics are known by now
        if before is None or found is None or before[:2] != found[:2]:
            return Silence(since, is_same_data=False)
        return Silence(since, has_evicted=before.evicted != found.evicted)

    def _note_back(self) -> None:
        if self.deaf_since is not None:
            logger.warning("%s is back after %.1f s", self.name, time.time() - self.deaf_since)
            self.reconnects += 1
        self.alive, self.deaf_since = True, None

    def _note_lost(self, error: BaseException) -> None:
        self.is_receiving = self.alive = False
        if self.deaf_since is None and not self._stopped:
            self.deaf_since = time.time()
            logger.error("%s is lost: %s; trying to connect again", self.name, error)

    def _read(self) -> None:
        connection = self._connection
        while not self._stopped:
            if connection is None:
                raise redis.ConnectionError("the connection to Redis was closed")
            if connection.can_read(timeout=POLL):
                self._take(connection)
            if not self._health.check():
                raise redis.ConnectionError("no answer to the health check came from Redis in time")

    def _take(self, connection: ConnectionInterface) -> set[str]:
        """Take a message of Redis; return the channels whose subscription it confirms or ends."""
        kind, name, data = connection.read_response()
        channel = name.decode(errors="replace")
        if kind == self.commands.message:
            self._receive(channel, data)
        elif kind == self.commands.confirmed:
            self._confirm(channel)
            return {channel}
        elif kind == self.commands.ended:
            self._end(channel)
        return set()

    def _confirm(self, channel: str) -> None:
        if (confirmed := self._channels.get(channel)) is not None:
            confirmed.set()

    def _end(self, channel: str) -> None:
        """Note the end of a subscription."""

    def _receive(self, channel: str, data: bytes) -> None:
        if channel == self._health.channel:
            self._health.received(data)
        elif self.is_receiving:
            self._observer.message_received(channel, data)
        else:
            self._early.append((channel, data))  # after those that were missed

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self.is_receiving = self.alive = False
        if connection is not None:
            connection.disconnect()
