"""Whether a connection that says nothing still hears: a process sends messages to itself."""

import threading
import time
from typing import Protocol

from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.relay.redis.keys import Names

logger = get_logger("django_socketio.relay")

CHECK_INTERVAL = 5.0
"""Seconds between the messages that a process sends to itself."""


class Publishes(Protocol):
    """What sends the messages."""

    def publish(self, topics: list[str], message: bytes) -> int:
        """Hand a message on; raises RelayError."""


class Pulse:
    """Sends a message to this process now and then, and notes whether it came.

    Args:
        topic: of this process and this connection only.
        timeout: seconds that a message may take.

    """

    def __init__(self, publisher: Publishes, names: Names, topic: str, timeout: float) -> None:
        self._publisher = publisher
        self._topic = topic
        self._timeout = timeout
        self.channel = names.channel(topic)
        self.heard = self._asked = 0.0

    def beat(self) -> None:
        """Note that a message came."""
        self.heard = time.monotonic()

    def rest(self) -> None:
        """Begin anew: nothing is on its way."""
        self.heard = self._asked = time.monotonic()

    def check(self) -> bool:
        """Send a message if it is time to; return whether the last one came back."""
        now = time.monotonic()
        if self.heard < self._asked:
            return now - self._asked < self._timeout
        if now - self._asked > CHECK_INTERVAL:
            self._asked = now
            threading.Thread(target=self.ask, daemon=True).start()
        return True

    def ask(self) -> None:
        """Send a message to this process."""
        try:
            self._publisher.publish([self._topic], b"")
        except RelayError as error:
            logger.info("The relay's check could not be sent: %s", error)
