"""SIGTERM and SIGINT: the ordered end of a server of development."""

import os
import signal
import time
from types import FrameType

from gevent import get_hub

from django_socketio.server.debuggers import is_debugged

HANGS_AFTER = 3.0
"""Seconds after which an end hangs: it takes at most 2 seconds, or a little more if all is slow."""

CHECKED_EVERY = 0.2
"""Seconds between two turns of an idle event loop. libev may miss a signal that Python handles
while it begins to wait; the signal is then handled in the next turn."""

clock = time.monotonic


class Interrupts:
    """The signals that end the main greenlet, which then ends the sockets in order.

    Only the first signal does so: one to the process group comes twice, by itself and from the
    reloader's parent, and a second Ctrl-C must not break the end off. A signal that comes after
    ``hangs_after`` seconds ends the process at once. Python handles the signals, and no watchers
    of the event loop: these do not run while a handler blocks the loop.

    Args:
        hangs_after: seconds after the first signal.

    """

    def __init__(self, hangs_after: float = HANGS_AFTER) -> None:
        self._hangs_after = hangs_after
        self._hub = get_hub()
        self._began: float | None = None
        self._turns = self._hub.loop.timer(CHECKED_EVERY, CHECKED_EVERY, ref=False)

    def watch(self) -> None:
        """Handle the signals from now on."""
        self._turns.start(int)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)

    def begin(self) -> None:
        """Note that the end has begun, for whatever reason: no signal breaks it off."""
        if self._began is None:
            self._began = clock()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._began is None:
            self.begin()
            self._hub.loop.run_callback(self._hub.parent.throw, SystemExit(0))
        elif clock() - self._began > self._hangs_after and not is_debugged(frame):
            os._exit(128 + number)
