"""Whether a connection brings messages, and since when it does not."""

import time

from django_socketio.logs import get_logger

logger = get_logger("django_socketio.relay")


class Hearing:
    """The state of a connection that receives: it is told here, and written to the log."""

    name = "The relay"

    def __init__(self) -> None:
        self.is_receiving = False
        """True while messages come from Redis, even if missed ones are not caught up with yet."""
        self.alive = False
        self.deaf_since: float | None = None
        """Since when no messages come (``time.time``); None while they come."""
        self.reconnects = 0
        self._heard_at = 0.0
        """When something came last (``time.monotonic``)."""
        self._stopped = False

    def _note_back(self) -> None:
        if self.deaf_since is not None:
            logger.warning("%s is back after %.1f s", self.name, time.time() - self.deaf_since)
            self.reconnects += 1
        self.alive, self.deaf_since = True, None

    def _note_lost(self, error: BaseException) -> None:
        self.is_receiving = self.alive = False
        if self.deaf_since is None and not self._stopped:
            silent = time.monotonic() - self._heard_at if self._heard_at else 0.0
            self.deaf_since = time.time() - silent
            logger.error("%s is lost: %s; trying to connect again", self.name, error)
