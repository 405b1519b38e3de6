"""A connection on which a process hears from Redis."""

import threading
import time
from dataclasses import dataclass
from typing import Protocol

import redis
from redis.connection import ConnectionInterface
from redis.exceptions import RedisError, ResponseError

from django_socketio.logs import get_logger
from django_socketio.relay.redis.client import descriptors, listening_connection
from django_socketio.relay.redis.health import Pulse
from django_socketio.relay.redis.jitter import jitter

logger = get_logger("django_socketio.relay")

POLL = 0.5
"""Seconds after which a reader that hears nothing looks whether it should."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between attempts to connect."""


class Listener(Protocol):
    """What a reader tells, in its own thread."""

    def channel_received(self, channel: str, data: bytes) -> None:
        """A message on a channel."""

    def connected(self, channels: list[str], unheard: float | None = None) -> None:
        """These channels are subscribed to (again), after a time in which nothing was heard.

        ``unheard`` is how many seconds that time was at most, if it is the same Redis, and it has
        not thrown out anything since.
        """


@dataclass(frozen=True, slots=True)
class Words:
    """What subscribing is called."""

    subscribe: str = "SUBSCRIBE"
    unsubscribe: str = "UNSUBSCRIBE"
    confirmed: bytes = b"subscribe"
    ended: bytes = b"unsubscribe"
    message: bytes = b"message"


PUBSUB = Words()


def identity(connection: ConnectionInterface) -> str | None:
    """Return what changes when Redis starts anew or evicts keys; None where it may not be asked."""
    connection.send_command("INFO")
    try:
        lines = connection.read_response().decode(errors="replace").splitlines()
    except ResponseError:
        return None
    found = [line for line in lines if line.startswith(("run_id:", "evicted_keys:"))]
    return " ".join(found) if len(found) == 2 else None


class Reader:
    """Subscribes to channels and reads what comes on them, in a thread of its own.

    Where gevent has patched the process, the thread is a greenlet. A broken connection is made
    again, with growing pauses, and all channels are subscribed to again.

    Args:
        client: whose connections it uses.
        listener: hears what comes.
        pulse: finds out whether anything comes.
        timeout: seconds that Redis has to confirm a subscription.

    """

    words = PUBSUB
    name = "The relay"

    def __init__(
        self, client: "redis.Redis", listener: Listener, pulse: Pulse, timeout: float
    ) -> None:
        self._client = client
        self._listener = listener
        self._pulse = pulse
        self._timeout = timeout
        self._channels: dict[str, threading.Event] = {}
        self._writing = threading.Lock()
        self._connection: ConnectionInterface | None = None
        self._made: ConnectionInterface | None = None
        self._early: list[tuple[str, bytes]] = []
        self._identity: str | None = ""
        self._failure: BaseException | None = None
        self._stopped = False
        self._thread: threading.Thread | None = None
        self.hearing = False
        """Whether Redis is listened to, though what was missed may not have been caught up with."""
        self.alive = False
        self.deaf_since: float | None = None
        """When it was last heard to be alive (``time.time``), while it is not."""
        self.reconnects = 0

    def start(self) -> None:
        """Begin to read."""
        self._thread = threading.Thread(target=self._run, name="socketio-relay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and the connection."""
        self._stopped = True
        self._disconnect()

    def descriptors(self) -> list[int]:
        """Return the descriptor of its connection, if it has one."""
        return descriptors(self._client, *filter(None, [self._made]))

    def subscribe(self, channel: str) -> None:
        """Subscribe; wait until Redis has confirmed it, unless Redis is away."""
        confirmed = self._channels.get(channel)
        if confirmed is None:
            confirmed = self._channels[channel] = threading.Event()
            self._send(self.words.subscribe, channel)
        if self.hearing:
            confirmed.wait(self._timeout)

    def hears(self, channel: str) -> bool:
        """Whether Redis has confirmed the subscription to a channel, on whichever connection."""
        confirmed = self._channels.get(channel)
        return confirmed is not None and confirmed.is_set()

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe; what is on its way may still come."""
        self._channels.pop(channel, None)
        self._send(self.words.unsubscribe, channel)

    def _send(self, command: str, *channels: str) -> bool:
        connection = self._connection
        if connection is None or not channels:
            return False
        try:
            with self._writing:
                self._write(connection, command, *channels)
        except BaseException as error:
            # Whatever it is, a part of a command may be on its way: the connection is of no use any
            # more. The reading side finds out too, and connects again; what is wanted is known.
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
        """Note why reading has ended: whoever could not write has closed the connection."""
        failure, self._failure = self._failure or error, None
        if not isinstance(failure, (RedisError, OSError)) and not self._stopped:
            logger.error("%s failed", self.name, exc_info=failure)
        self._lost(failure)

    def _connect(self) -> None:
        connection = self._made = listening_connection(self._client)
        connection.connect()
        unheard = self._unheard(connection)
        self._failure, self._connection = None, connection
        if self._stopped:
            return
        missing = {self._pulse.channel, *self._channels}
        self._send(self.words.subscribe, *missing)
        self._early.clear()
        while missing:
            missing -= self._take(connection)
        self.hearing = True
        self._pulse.rest()
        self._listener.connected(list(self._channels), unheard)
        for channel, data in self._early:
            self._listener.channel_received(channel, data)
        self._found()

    def _unheard(self, connection: ConnectionInterface) -> float | None:
        before, self._identity = self._identity, identity(connection)
        if before == "":
            return 0.0  # it is the first: what is wanted has been located by now
        same = before is not None and before == self._identity
        return time.monotonic() - self._pulse.heard if same else None

    def _found(self) -> None:
        if self.deaf_since is not None:
            logger.warning("%s is back after %.1f s", self.name, time.time() - self.deaf_since)
            self.reconnects += 1
        self.alive, self.deaf_since = True, None

    def _lost(self, error: BaseException) -> None:
        self.hearing = self.alive = False
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
            if not self._pulse.check():
                raise redis.ConnectionError("nothing comes from Redis, though something should")

    def _take(self, connection: ConnectionInterface) -> set[str]:
        """Take what Redis says; return the channels whose subscription it decides."""
        kind, name, data = connection.read_response()
        channel = name.decode(errors="replace")
        if kind == self.words.message:
            self._hear(channel, data)
        elif kind == self.words.confirmed:
            self._confirm(channel)
            return {channel}
        elif kind == self.words.ended:
            self._end(channel)
        return set()

    def _confirm(self, channel: str) -> None:
        if (confirmed := self._channels.get(channel)) is not None:
            confirmed.set()

    def _end(self, channel: str) -> None:
        """Take note of the end of a subscription."""

    def _hear(self, channel: str, data: bytes) -> None:
        if channel == self._pulse.channel:
            self._pulse.beat()
        elif self.hearing:
            self._listener.channel_received(channel, data)
        else:
            self._early.append((channel, data))  # after those that were missed

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self.hearing = self.alive = False
        if connection is not None:
            connection.disconnect()
