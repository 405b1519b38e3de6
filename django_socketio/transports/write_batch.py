"""Writes of one turn of the event loop to a socket, gathered into one ``send``."""

import socket
from typing import Any, Protocol

from gevent import get_hub

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.timers import AFTER_READERS
from django_socketio.logs import get_logger

logger = ClientLog(get_logger("django_socketio.transports"))

MANY = 100
"""Number of flushes from which one more turn of the loop is taken first: it takes less time."""

MORE_FOLLOWS = getattr(socket, "MSG_MORE", 0)
"""Flag for ``send`` on Linux: more bytes follow that should leave in the same TCP packet."""


class Flushable(Protocol):
    """A transport with bytes to send."""

    def flush(self) -> None:
        """Send the bytes; must not block."""


class WriteBatch:
    """Flushes, at the end of a turn of the event loop, all transports that were added in the turn.

    If these are many (after a broadcast), the loop first polls the sockets once more without
    waiting: the next broadcast then leaves in the same ``send``. Each ``send`` takes about five
    microseconds, a turn of the loop hardly more.
    """

    def __init__(self) -> None:
        self._loop = get_hub().loop
        self._waiting: list[Flushable] = []
        # While an idle watcher is active, the loop polls without waiting.
        self._idle: Any = self._loop.idle()
        self._turn: Any = self._loop.check(priority=AFTER_READERS)

    def add(self, flushable: Flushable) -> None:
        """Flush a transport once the handlers of this turn have run."""
        if not self._waiting:
            self._loop.run_callback(self._end_turn)
        self._waiting.append(flushable)

    def _end_turn(self) -> None:
        if len(self._waiting) < MANY:
            self.flush()
        else:
            self._idle.start(_nothing)
            self._turn.start(self._turned)

    def _turned(self) -> None:
        self._turn.stop()
        self._idle.stop()
        self._loop.run_callback(self.flush)  # after the handlers of the messages that were read

    def flush(self) -> None:
        """Flush now, before the end of the turn."""
        waiting, self._waiting = self._waiting, []
        for flushable in waiting:
            try:
                flushable.flush()
            except Exception:
                logger.exception("A transport could not be flushed")


def _nothing() -> None:
    """Do nothing."""
