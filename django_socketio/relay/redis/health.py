"""The health check of a connection that receives: a process sends messages to itself."""

import math
import threading
import time
from contextlib import suppress

from redis.exceptions import ConnectionError, RedisError

from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.listeners import NO_LEASE, Listeners, Unlisted
from django_socketio.relay.redis.publisher import MessagePublisher
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.relay")

CHECK_INTERVAL = 5.0
"""Seconds between the messages that a process sends to itself."""


class HealthCheck:
    """Sends a message to this process now and then, and notes whether it came.

    Args:
        listeners: is told that the connection listens.
        topic: of this process and this connection only.
        timeout: seconds that a message may take.

    """

    def __init__(
        self,
        publisher: MessagePublisher,
        keyspace: Keyspace,
        listeners: Listeners | Unlisted,
        topic: Topic,
        timeout: float,
    ) -> None:
        self._publisher = publisher
        self._listeners = listeners
        self._topic = topic
        self._timeout = timeout
        self.channel = keyspace.channel(topic)
        self.heard_until = time.monotonic()
        """The time (``time.monotonic``) up to which the connection has surely received everything:
        the messages of a connection come in order, and this is when the last own one was sent."""
        self.lag: float | None = None
        """The seconds that the last message was on its way; None before there was one."""
        self._sent_at = 0.0
        self._is_waiting = False
        self._lease, self._joining = NO_LEASE, threading.Lock()
        self._leased_at = -math.inf
        """Redis had not forgotten its data yet when it was last asked, which was after this."""
        self._whole_since = math.inf
        """Since when all that Redis accepts comes, and the logs are read; not yet: infinite."""
        self._forgotten_at: float | None = None
        """When Redis was found to have forgotten data that this connection may not have heard, and
        surely has when it hears a later message; infinite if that would prove nothing."""
        self._stopped = False

    def stop(self) -> None:
        """Expect no more messages: the publisher's connections are about to be closed."""
        self._stopped = True

    def join(self) -> bool:
        """Have publishers know that a new connection is about to listen.

        If Redis cannot be told now, it is with the next message. Returns whether Redis has surely
        forgotten data that it had, and maybe messages that the last connection did not receive.
        """
        with self._joining:
            self._whole_since = math.inf
            self._join(is_new=True)
            was_forgotten, self._forgotten_at = self._forgotten_at is not None, None
        return was_forgotten

    def caught_up(self) -> None:
        """Note that the connection listens, and that all it has missed was read from the logs.

        Redis is asked again: it may have been emptied before the logs were read.

        Raises:
            ConnectionError: it was.

        """
        self._whole_since = time.monotonic()
        self.renew()
        self._check_memory()

    def renew(self) -> None:
        """Have publishers know that the connection still listens."""
        with self._joining:
            if not self._stopped:
                self._join(is_new=False)

    def _join(self, is_new: bool) -> None:
        asked_at = time.monotonic()
        try:
            self._lease, is_forgotten = self._listeners.join(self.channel, self._lease, is_new)
        except RedisError as error:
            return logger.info("The relay could not note that this process listens: %s", error)
        if is_forgotten:
            at = time.monotonic() if self._leased_at >= self._whole_since else math.inf
            self._forgotten_at = max(at, self._forgotten_at or 0.0)
        self._leased_at = asked_at

    def leave(self) -> None:
        """Stop, and have publishers know that this connection listens no more."""
        self.stop()
        try:
            self._listeners.leave(self.channel)
        except RedisError as error:
            logger.info("The relay could not note that this process has left: %s", error)

    def received(self, data: bytes) -> None:
        """Note that a message came. Foreign ones, which anything may publish, are ignored."""
        with suppress(ValueError):
            sent_at = float(data.rpartition(b" ")[2])
            self.lag = max(0.0, time.monotonic() - sent_at)
            self.heard_until = max(self.heard_until, min(sent_at, time.monotonic()))
            self._is_waiting = self._is_waiting and sent_at < self._sent_at
            if self._forgotten_at is not None and self.heard_until >= self._forgotten_at:
                self._forgotten_at = None

    def begin(self, heard_until: float) -> None:
        """Begin anew: no message is on its way.

        Args:
            heard_until: up to when (``time.monotonic``) everything has come.

        """
        self.heard_until = heard_until
        self._sent_at, self._is_waiting = time.monotonic(), False

    def check(self) -> None:
        """Send a message if it is time to.

        Raises:
            ConnectionError: the connection is to be made again: the last message did not come back
                in time, or what Redis has forgotten may not have come.

        """
        now = time.monotonic()
        self._check_memory()
        if self._is_waiting:
            if now - self._sent_at >= self._timeout:
                raise ConnectionError("no answer to the health check came from Redis in time")
        elif now - self._sent_at > CHECK_INTERVAL:
            self._sent_at, self._is_waiting = now, True
            threading.Thread(target=self.send, daemon=True).start()

    def _check_memory(self) -> None:
        if self._forgotten_at == math.inf:
            raise ConnectionError("Redis was emptied before all that was missed had been read")

    def send(self) -> None:
        """Send a message to this process: the time at which it is sent."""
        try:
            self.renew()
            self._publisher.publish([self._topic], repr(time.monotonic()).encode())
        except RelayError as error:
            logger.info("The relay's health check could not be sent: %s", error)
        except Exception:
            # redis-py fails in odd ways if a connection is closed while it is in use.
            if not self._stopped:
                raise
