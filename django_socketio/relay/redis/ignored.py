"""Messages of Redis that are ignored, in the log of the server."""

from django_socketio.concurrency.log_limits import Every
from django_socketio.logs import get_logger
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.relay")

QUIET = 10.0
"""Seconds between two lines of the log."""


class Ignored:
    """Counts messages that were ignored, and writes a line every ten seconds at most."""

    def __init__(self) -> None:
        self._count, self._lines = 0, Every(QUIET)

    def note(self, topic: Topic, data: bytes, fault: object) -> None:
        """Note a message, and what is wrong with it."""
        self._count += 1
        if self._lines.is_due():
            count, self._count = self._count, 0
            logger.warning(
                "Ignored %s foreign or malformed messages from Redis; the last came for %s and "
                "begins with %r: %s",
                count,
                topic,
                data[:60],
                fault,
            )
