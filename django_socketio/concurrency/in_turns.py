"""Calls from other threads and greenlets, made in the event loop, a few in each of its turns."""

from collections import deque
from collections.abc import Callable
from typing import Any

from django_socketio.concurrency import hub_log
from django_socketio.concurrency.timers import clock
from django_socketio.concurrency.turns import turns_of_hub

SHARE = 0.003
"""Seconds of a turn that calls may take, the last of them aside."""


class CallsInTurns:
    """Calls functions in this event loop, in the order in which they were given.

    The first of them are called at once. If they take long, sockets are polled before the others.

    Args:
        run: has a function called in the loop: its ``run_callback``, or the threadsafe one.

    """

    def __init__(self, run: Callable[..., object]) -> None:
        self._run = run
        self._turns = turns_of_hub()
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._is_started = False

    def __call__(self, function: Callable[..., object], *args: Any) -> None:
        """Have ``function(*args)`` called; may be used in any thread that ``run`` may."""
        self._calls.append((function, args))
        if not self._is_started:
            self._is_started = True
            self._run(self._go_on)

    def _go_on(self) -> None:
        end = clock() + SHARE
        while True:
            # Before the last look: a thread that adds a call later starts anew.
            self._is_started = bool(self._calls)
            if not self._calls:
                return
            self._call(*self._calls.popleft())
            if clock() >= end:
                return self._turns.add(self._go_on)

    def _call(self, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        try:
            function(*args)
        except Exception:
            hub_log.exception("A message could not be delivered")
