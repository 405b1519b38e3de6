"""What one turn of the event loop has for a socket leaves in one ``send``."""

from typing import Protocol

from gevent import get_hub

from django_socketio.transports import log


class Flushable(Protocol):
    """Something that has bytes to send."""

    def flush(self) -> None:
        """Send them; must not block."""


class Flusher:
    """Flushes, at the end of a turn of the loop, all that asked for it during the turn."""

    def __init__(self) -> None:
        self._loop = get_hub().loop
        self._waiting: list[Flushable] = []

    def add(self, flushable: Flushable) -> None:
        """Have it flushed once this turn's handlers have run."""
        if not self._waiting:
            self._loop.run_callback(self._flush)
        self._waiting.append(flushable)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for flushable in waiting:
            try:
                flushable.flush()
            except Exception:
                log.exception("A transport could not be flushed")
