"""The connection on which a process receives messages from Redis."""

import threading
import time
from collections.abc import Iterable, Sequence

import redis
from redis.connection import ConnectionInterface
from redis.exceptions import RedisError

from django_socketio.concurrency.giving_way import give_way
from django_socketio.logs import get_logger
from django_socketio.relay.redis.client import close, descriptors, separate_connection
from django_socketio.relay.redis.health import HealthCheck
from django_socketio.relay.redis.hearing import Hearing
from django_socketio.relay.redis.identity import Identity, identity
from django_socketio.relay.redis.incoming import IncomingReader
from django_socketio.relay.redis.jitter import jitter
from django_socketio.relay.redis.observer import CatchingUp, SubscriptionObserver
from django_socketio.relay.redis.pubsub import PUBSUB, are_set
from django_socketio.relay.redis.silence import Silence, say_that_data_may_differ

logger = get_logger("django_socketio.relay")

POLL = 0.5
"""Seconds without a message after which a subscriber looks at its health check."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between attempts to connect."""

SUBSCRIBED_AT_ONCE = 1000
"""Channels in a command that subscribes."""

UNINTERRUPTED = 100
"""Messages or channels that are handled before other threads and greenlets have their turn."""


class RedisSubscriber(Hearing):
    """Subscribes to channels and receives their messages, in a thread of its own.

    Where gevent has patched the process, the thread is a greenlet. A broken connection is made
    again, with growing pauses, and all channels are subscribed to again.

    Args:
        client: makes the connection, and has others to catch up by.
        observer: is told what happens.
        health: finds out whether the connection works.
        timeout: seconds that Redis has to confirm a subscription.

    """

    commands = PUBSUB
    lag = property(lambda self: self._health.lag)

    def __init__(
        self,
        client: "redis.Redis",
        observer: SubscriptionObserver,
        health: HealthCheck,
        timeout: float,
    ) -> None:
        super().__init__()
        self._client = client
        self._observer = observer
        self._health = health
        self._timeout = timeout
        self._channels: dict[str, threading.Event] = {}
        self._writing = threading.Lock()
        self._connection: ConnectionInterface | None = None
        self._made: ConnectionInterface | None = None
        self._overdue: ConnectionInterface | None = None
        self._reader: IncomingReader | None = None
        self._catching_up: CatchingUp | None = None
        self._taken = 0
        self._identity: Identity | None = None
        self._has_connected = False
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._attempted = threading.Event()

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
        close(self._client)

    @property
    def health_channels(self) -> list[str]:
        """The channel of the health check, while messages come: its lease is in Redis."""
        return [self._health.channel] if self.alive else []

    def descriptors(self) -> list[int]:
        """Return the descriptor of its connection, if it has one."""
        return descriptors(self._client, *filter(None, [self._made]))

    def subscribe(self, *channels: str) -> None:
        """Subscribe; wait until Redis has confirmed all channels, unless Redis is away.

        Whether it is away is known after the first attempt to connect, which has its time, too.
        """
        new = [channel for channel in channels if channel not in self._channels]
        self._channels.update({channel: threading.Event() for channel in new})
        confirmed = [self._channels[channel] for channel in channels]
        self._send(self.commands.subscribe, *new)
        if self._thread is not None:
            self._attempted.wait(self._timeout)
        if self.is_receiving:
            self.wait_for(*confirmed)

    def wait_for(self, *confirmed: threading.Event) -> None:
        """Wait until Redis has confirmed subscriptions.

        Without one in time, and without messages, the connection is made again, which takes longer.
        """
        connection = self._connection
        are_set(confirmed, self._timeout)
        missing = {event for event in confirmed if not event.is_set()}
        if missing and not missing.isdisjoint([*self._channels.values()]):  # else: unsubscribed
            self._overdue = connection
            are_set(missing, self._timeout)

    def misses(self, channel: str) -> bool:
        """Return whether messages of a channel should come, if it is known that none did.

        So for a subscription that Redis has confirmed, now or on an earlier connection, or that
        waits for Redis to come back; not for one that is about to be confirmed.
        """
        confirmed = self._channels.get(channel)
        return confirmed is not None and (confirmed.is_set() or not self.alive)

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe; messages that are on their way may still come."""
        self._channels.pop(channel, None)
        self._send(self.commands.unsubscribe, channel)

    def _send(self, command: str, *channels: str) -> Sequence[str]:
        """Send a command, unless Redis is away; return the channels that it is about.

        While this waits for others that write, channels may be left or subscribed to again: those
        for which the command would be wrong by then are left out.
        """
        connection = self._connection
        if connection is None or not channels:
            return channels
        try:
            with self._writing:
                channels = self._due(command, channels)
                if channels and connection is self._connection:  # or else all is sent on a new one
                    self._write(connection, command, *channels)
        except BaseException as error:
            # Whatever the error is, a part of a command may be on its way: the connection is of no
            # use any more. The thread of this subscriber finds out too, and connects again.
            self._give_up(connection, error)
            if not isinstance(error, Exception):  # a timeout of the handler that subscribes
                raise
        return channels

    def _due(self, command: str, channels: Iterable[str]) -> tuple[str, ...]:
        subscribes, health = command == self.commands.subscribe, self._health.channel
        wanted = self._channels
        return tuple(one for one in channels if (one in wanted or one == health) == subscribes)

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
        if self._catching_up is not None:
            self._catching_up.end()

    def _failed(self, error: Exception) -> None:
        """Note why receiving has ended: after a failure to write, that failure is the reason."""
        failure, self._failure = self._failure or error, None
        if not isinstance(failure, (RedisError, OSError)) and not self._stopped:
            logger.error("%s failed", self.name, exc_info=failure)
        self._note_lost(failure)

    def _connect(self) -> None:
        """Connect and subscribe to all channels; leave no connection open if any of it fails."""
        connection = self._made = separate_connection(self._client)
        try:
            connection.connect()
            found = identity(connection)
            if self._health.join():
                self._identity = None  # the same run, but it was emptied
            begun = time.monotonic()
            self._failure, self._connection = None, connection
            self._reader = IncomingReader(connection, self._writing)
            if not self._stopped:
                self._begin(found, begun)
                self._subscribe_all(self._reader)
        except BaseException:
            connection.disconnect()
            raise

    def _begin(self, found: Identity | None, begun: float) -> None:
        """Note what may be missing, before anything is asked, and hold what comes from now on."""
        channels, silence = list(self._channels), self._silence(found)
        self._identity, self._has_connected = found, True
        before, self._catching_up = self._catching_up, self._observer.catch_up()
        self.is_receiving = True
        for begin in range(0, len(channels), UNINTERRUPTED):
            chunk = channels[begin : begin + UNINTERRUPTED]
            self._observer.missed(chunk, silence)
            self._catching_up.expect(chunk)
            give_way()
        if before is not None:
            before.end()
        self._health.begin(begun)
        self._attempted.set()

    def _subscribe_all(self, reader: IncomingReader) -> None:
        """Subscribe to all channels, and have what they have missed caught up with.

        The channels are in several commands, so that those of newcomers come in between.
        """
        waiting, missing = [*self._channels, self._health.channel], set[str]()
        while waiting or missing:
            if waiting and len(missing) < SUBSCRIBED_AT_ONCE:
                chunk = waiting[:SUBSCRIBED_AT_ONCE]
                del waiting[:SUBSCRIBED_AT_ONCE]
                missing.update(self._send(self.commands.subscribe, *chunk))
            if missing:
                missing -= self._take(reader)
        if self._catching_up is not None and self._catching_up.is_done:
            self._end_catching_up(reader, self._catching_up)

    def _silence(self, found: Identity | None) -> Silence:
        """Return the time in which messages may not have come: until this connection.

        A connection may have been dead long before that was noticed.
        """
        since, before = self._health.heard_until, self._identity
        if not self._has_connected and self.deaf_since is None:
            return Silence(since)  # the first attempt: the positions of all topics are known by now
        if before is None or found is None or before[:2] != found[:2]:
            say_that_data_may_differ(self.name, since, is_hidden=found is None)
            return Silence(since, is_same_data=False)
        return Silence(since, has_evicted=before.evicted != found.evicted)

    def _note_lost(self, error: BaseException) -> None:
        super()._note_lost(error)
        self._attempted.set()

    def _read(self) -> None:
        reader = self._reader
        while not self._stopped:
            if self._connection is None or reader is None:
                raise redis.ConnectionError("the connection to Redis was closed")
            catching_up = self._catching_up
            if catching_up is not None and not catching_up.is_done:
                self._go_on(reader, catching_up)
            elif reader.can_read(POLL):
                self._take(reader)
            elif self._overdue is self._connection:
                raise redis.ConnectionError("Redis did not confirm a subscription in time")
            self._health.check()

    def _go_on(self, reader: IncomingReader, catching_up: CatchingUp) -> None:
        """Catch up a little, then take what has come meanwhile."""
        if catching_up.step():
            self._receive_all(reader)
            catching_up.conclude()
        for _ in range(UNINTERRUPTED):
            if not reader.can_read(0):
                break
            self._take(reader)
        if catching_up.is_done:
            self._end_catching_up(reader, catching_up)

    def _end_catching_up(self, reader: IncomingReader, catching_up: CatchingUp) -> None:
        if catching_up.is_waiting:
            self._receive_all(reader)
            if not catching_up.is_done:
                return  # a channel has come from another node of a cluster
        catching_up.end()
        self._health.caught_up()
        self._note_back()

    def _receive_all(self, reader: IncomingReader) -> None:
        """Take all that was published until now: the answer to a command comes behind it."""
        channel = self._health.channel
        self._send(self.commands.subscribe, channel)
        while channel not in self._take(reader):
            pass

    def _take(self, reader: IncomingReader) -> set[str]:
        """Take a message of Redis; return the channels whose subscription it confirms or ends."""
        self._taken += 1
        if self._taken % UNINTERRUPTED == 0:
            give_way()  # a greenlet that has something to read never waits
        kind, channel, data = reader.read()
        self._heard_at = time.monotonic()
        if kind == self.commands.message:
            self._receive(channel, data)
        elif kind == self.commands.confirmed:
            self._confirm(channel)
            return {channel}
        elif kind == self.commands.ended:
            self._end(channel)
        return set()

    def _confirm(self, channel: str) -> None:
        self._overdue = None
        if (confirmed := self._channels.get(channel)) is not None and not confirmed.is_set():
            confirmed.set()

    def _end(self, channel: str) -> None:
        """Note the end of a subscription."""

    def _receive(self, channel: str, data: bytes) -> None:
        if channel == self._health.channel:
            self._health.received(data)
        else:
            self._observer.message_received(channel, data)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self.is_receiving = self.alive = False
        if connection is not None:
            connection.disconnect()
