"""Messages with an idempotency key: repeats get the receipt of the first."""

import threading
import time
from collections import deque
from collections.abc import Callable

from django_socketio.relay.receipt import Receipt

REMEMBERED = 300.0
"""Seconds for which a relay remembers a message with a key."""


class Repeats:
    """The receipts of the messages that one process has published with a key.

    Args:
        clock: returns seconds.

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.lock = threading.RLock()
        """Held while a message with a key is published: none with the same key is meanwhile."""
        self._receipts: dict[str, Receipt] = {}
        self._ends: deque[tuple[float, str]] = deque()

    def find(self, once: str) -> Receipt | None:
        """Return the receipt of an earlier message with the same key, marked as a repeat's."""
        now = self._clock()
        while self._ends and self._ends[0][0] <= now:
            del self._receipts[self._ends.popleft()[1]]
        return self._receipts.get(once)

    def add(self, once: str, receipt: Receipt) -> None:
        """Remember a message that was published."""
        self._receipts[once] = receipt.repeated()
        self._ends.append((self._clock() + REMEMBERED, once))

    def clear(self) -> None:
        """Forget all messages."""
        self._receipts.clear()
        self._ends.clear()
