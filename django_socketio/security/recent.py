"""Names that are remembered for a short time."""

from collections import OrderedDict

from django_socketio.concurrency.timers import Clock


class Recent:
    """The names that were added within the last seconds.

    Args:
        seconds: for which a name is remembered.
        clock: returns the time in seconds.

    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        """Return whether a name is remembered."""
        return self._until.get(name, 0.0) > self._clock()

    def add(self, name: str) -> None:
        """Remember a name from now on."""
        now = self._clock()
        self._until[name] = now + self._seconds
        self._until.move_to_end(name)
        while next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)
