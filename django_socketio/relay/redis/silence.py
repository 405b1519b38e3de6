"""The time in which a topic may have had messages that this process did not receive."""

import time
from typing import NamedTuple

from django_socketio.logs import get_logger
from django_socketio.relay.topics import Retention

logger = get_logger("django_socketio.relay")


class Silence(NamedTuple):
    """The time since the last moment up to which a topic's messages are known to have come.

    Attributes:
        since: that moment (``time.monotonic``).
        is_same_data: whether Redis still has all that it has accepted since, but for what has
            expired or was evicted. Another run of Redis, or one that was a replica in between, may
            have lost accepted messages without a gap in the offsets.
        has_evicted: whether Redis has evicted keys since.

    """

    since: float
    is_same_data: bool = True
    has_evicted: bool = False

    def joined(self, earlier: "Silence | None") -> "Silence":
        """Return a silence that goes on from an earlier one, which has not ended yet."""
        if earlier is None:
            return self
        return Silence(
            min(self.since, earlier.since),
            self.is_same_data and earlier.is_same_data,
            self.has_evicted or earlier.has_evicted,
        )

    def may_have_lost(self, retention: Retention) -> bool | None:
        """Return whether messages of a topic may be gone although no gap in the offsets shows it.

        False: Redis has kept every message. None: it has, as long as the epoch is the same.
        """
        if not self.is_same_data:
            return True
        kept = retention.seconds if retention.messages else 0
        is_kept = not self.has_evicted and time.monotonic() - self.since < kept
        return False if is_kept else None


def say_that_data_may_differ(name: str, since: float, is_hidden: bool) -> None:
    """Log what concerns all topics: those that tell no socket of a loss, too.

    Args:
        name: of the connection that has found out.
        since: the beginning of the silence.
        is_hidden: whether Redis does not tell which data it has.

    """
    logger.warning(
        "%s %s: messages that Redis accepted in the last %.1f s may be lost",
        name,
        "may not ask Redis for its identity (INFO)" if is_hidden else "finds other data in Redis",
        time.monotonic() - since,
    )
