"""Names that are remembered for a short time."""

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
        self._until: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        """Return whether a name is remembered."""
        return self._until.get(name, 0.0) > self._clock()

    def add(self, name: str) -> None:
        """Remember a name from now on."""
        now = self._clock()
        self._until = {one: until for one, until in self._until.items() if until > now}
        self._until[name] = now + self._seconds
