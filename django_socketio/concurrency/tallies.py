"""Counts of what happens seldom, by a label: refusals, recoveries.

They are counted in every process. An event that may come with each message is not counted here, but
by the classes of ``monitoring``, which ``SOCKETIO_METRICS`` puts into a server.
"""

from threading import Lock


class Tally:
    """A number for each label; counting is safe in any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[str, int] = {}

    def add(self, label: str) -> None:
        """Count one more."""
        with self._lock:
            self._counts[label] = self._counts.get(label, 0) + 1

    def counts(self) -> dict[str, int]:
        """Return the numbers so far, by label."""
        with self._lock:
            return dict(self._counts)


REFUSALS = Tally()
"""Requests, sockets, subscriptions and events that were refused, by reason."""

RECOVERIES = Tally()
"""Clients that came back: ``socket`` to their socket; else each topic that was ``complete``, or not
(``incomplete``)."""
