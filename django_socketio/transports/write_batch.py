"""What one turn of the event loop has for a socket leaves in one ``send``."""

import socket
from typing import Any, Protocol

from gevent import get_hub

from django_socketio.concurrency import hub_log
from django_socketio.concurrency.timers import AFTER_READERS

MANY = 100
"""Flushes that take so long that it pays to look first for what else has come."""

MORE_FOLLOWS = getattr(socket, "MSG_MORE", 0)
"""For ``send``, where there is such a flag (Linux): wait for what leaves in the same packet."""


class Flushable(Protocol):
    """Something that has bytes to send."""

    def flush(self) -> None:
        """Send them; must not block."""


class WriteBatch:
    """Flushes, at the end of a turn of the loop, all that asked for it during the turn.

    Where that is many (a broadcast), one more turn is taken before, without waiting in it: what has
    come meanwhile for the same sockets, the next broadcast say, leaves with it. Each ``send`` takes
    about five microseconds, a turn hardly more.
    """

    def __init__(self) -> None:
        self._loop = get_hub().loop
        self._waiting: list[Flushable] = []
        # A loop that has something idle does not wait for events.
        self._unrest: Any = self._loop.idle()
        self._turn: Any = self._loop.check(priority=AFTER_READERS)

    def add(self, flushable: Flushable) -> None:
        """Have it flushed once this turn's handlers have run."""
        if not self._waiting:
            self._loop.run_callback(self._end_turn)
        self._waiting.append(flushable)

    def _end_turn(self) -> None:
        if len(self._waiting) < MANY:
            self.flush()
        else:
            self._unrest.start(_nothing)
            self._turn.start(self._turned)

    def _turned(self) -> None:
        self._turn.stop()
        self._unrest.stop()
        self._loop.run_callback(self.flush)  # after the handlers of what was read

    def flush(self) -> None:
        """Flush now what waits for the end of a turn."""
        waiting, self._waiting = self._waiting, []
        for flushable in waiting:
            try:
                flushable.flush()
            except Exception:
                hub_log.exception("A transport could not be flushed")


def _nothing() -> None:
    """Do nothing."""
