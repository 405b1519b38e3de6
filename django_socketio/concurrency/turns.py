"""Turns of the event loop: long work is done in pieces, and sockets are polled between them.

``loop.run_callback`` does not serve for this: gevent runs callbacks, and those that they add, up to
fifty in a row before it looks at the clock or at a socket.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from gevent import get_hub
from gevent.hub import Waiter

from django_socketio.concurrency import hub_log
from django_socketio.concurrency.timers import AFTER_READERS, clock

SHARE = 0.003
"""Seconds of a turn that pieces may take, the last of them aside."""

Piece = Callable[[], object]


class Turns:
    """Runs pieces of work in the hub, in the order in which they were added, some in each turn.

    Each piece runs after a poll of the sockets, and after the events that the poll has found. A
    piece adds the next one of its work, which then comes after the pieces of all others.
    """

    def __init__(self) -> None:
        loop = get_hub().loop
        self._pieces: deque[Piece] = deque()
        # While an idle watcher is active, the loop polls without waiting.
        self._idle: Any = loop.idle()
        self._turn: Any = loop.check(priority=AFTER_READERS)

    def add(self, piece: Piece) -> None:
        """Call ``piece`` in one of the next turns; it must not block."""
        if not self._pieces:
            self._idle.start(_nothing)
            self._turn.start(self._run)
        self._pieces.append(piece)

    def wait(self) -> None:
        """Have this greenlet wait for a turn."""
        waiter = Waiter()
        self.add(partial(waiter.switch, None))
        waiter.get()

    def _run(self) -> None:
        end = clock() + SHARE
        for _ in range(len(self._pieces)):
            try:
                self._pieces.popleft()()
            except Exception:
                hub_log.exception("A piece of work failed")
            if clock() >= end:
                break
        if not self._pieces:
            self._idle.stop()
            self._turn.stop()


_TURNS = "_django_socketio_turns"
"""The attribute of a hub that keeps its turns."""


def turns_of_hub() -> Turns:
    """Return the turns of this thread's event loop: all its long work shares one order."""
    hub = get_hub()
    turns: Turns | None = getattr(hub, _TURNS, None)
    if turns is None:
        turns = Turns()
        setattr(hub, _TURNS, turns)
    return turns


def _nothing() -> None:
    """Do nothing."""
