"""The health check of a connection that receives: a process sends messages to itself."""

import threading
import time

from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.publisher import MessagePublisher
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.relay")

CHECK_INTERVAL = 5.0
"""Seconds between the messages that a process sends to itself."""


class HealthCheck:
    """Sends a message to this process now and then, and notes whether it came.

    Args:
        topic: of this process and this connection only.
        timeout: seconds that a message may take.

    """

    def __init__(
        self, publisher: MessagePublisher, keyspace: Keyspace, topic: Topic, timeout: float
    ) -> None:
        self._publisher = publisher
        self._topic = topic
        self._timeout = timeout
        self.channel = keyspace.channel(topic)
        self.received_at = self._sent_at = 0.0
        self._stopped = False

    def stop(self) -> None:
        """Expect no more messages: the publisher's connections are about to be closed."""
        self._stopped = True

    def received(self) -> None:
        """Note that a message came."""
        self.received_at = time.monotonic()

    def reset(self) -> None:
        """Begin anew: nothing is on its way."""
        self.received_at = self._sent_at = time.monotonic()

    def check(self) -> bool:
        """Send a message if it is time to; return whether the last one came back in time."""
        now = time.monotonic()
        if self.received_at < self._sent_at:
            return now - self._sent_at < self._timeout
        if now - self._sent_at > CHECK_INTERVAL:
            self._sent_at = now
            threading.Thread(target=self.send, daemon=True).start()
        return True

    def send(self) -> None:
        """Send a message to this process."""
        try:
            self._publisher.publish([self._topic], b"")
        except RelayError as error:
            logger.info("The relay's health check could not be sent: %s", error)
        except Exception:
            # redis-py fails in odd ways if a connection is closed while it is in use.
            if not self._stopped:
                raise
