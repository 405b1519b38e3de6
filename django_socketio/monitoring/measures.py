"""The numbers that a server counts while ``SOCKETIO_METRICS`` is set."""

from bisect import bisect_left
from collections import Counter
from typing import TypedDict

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds of the classes of a ``Histogram``; the last class has none."""


class Times(TypedDict):
    """Durations, as JSON has them."""

    count: int
    """The number of durations."""

    seconds: float
    """Their sum."""

    buckets: list[int]
    """How many are in each class of ``BOUNDS``, and how many are longer than the last bound."""


class Histogram:
    """Durations, counted in classes."""

    __slots__ = ("_buckets", "_seconds")

    def __init__(self) -> None:
        self._buckets = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self._buckets[bisect_left(BOUNDS, seconds)] += 1
        self._seconds += seconds

    def times(self) -> Times:
        """Return what was counted."""
        buckets = list(self._buckets)
        return {"count": sum(buckets), "seconds": self._seconds, "buckets": buckets}


class Measures:
    """The numbers of one server.

    Attributes:
        connections: sessions that have begun.
        received, received_bytes: messages of clients; bytes of these and of their heartbeats.
        closes: sessions that have ended, by reason.
        handlers: the durations of handlers, by name.
        errors: exceptions that handlers have raised, those that refuse a client not counted.
        waits: how long sockets with something to do have waited for a free greenlet.

    """

    def __init__(self) -> None:
        self.connections = 0
        self.received = self.received_bytes = 0
        self.closes: Counter[str] = Counter()
        self.handlers: dict[str, Histogram] = {}
        self.errors: Counter[str] = Counter()
        self.waits = Histogram()

    def histogram(self, handler: str) -> Histogram:
        """Return the durations of a handler."""
        return self.handlers.setdefault(handler, Histogram())
