"""Listening for the answers to calls, in a process without a server: for as long as one waits."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django_socketio.channels.calls import Callers
from django_socketio.relay.base import Relay


class _Listening:
    """The relay that listens for the calls of a process, and how many calls need it.

    Args:
        open_relay: returns a relay that listens.

    """

    def __init__(self, open_relay: Callable[[], Relay]) -> None:
        self.pid = os.getpid()
        self._relay = open_relay()
        self.callers = Callers(lambda: self._relay)
        self.users = 0
        try:
            self.callers.listen()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Listen no more."""
        self._relay.close()


_open: dict[int, _Listening] = {}
"""What listens in this process, by its process id: a forked process begins anew."""

_locks: dict[int, threading.Lock] = {}


@contextmanager
def listening(open_relay: Callable[[], Relay]) -> Iterator[Callers]:
    """Listen for answers within a ``with`` block; calls at the same time share one connection."""
    lock = _locks.setdefault(os.getpid(), threading.Lock())
    used = _begin(lock, open_relay)
    try:
        yield used.callers
    finally:
        _end(lock, used)


def _begin(lock: threading.Lock, open_relay: Callable[[], Relay]) -> _Listening:
    with lock:
        used = _open.get(os.getpid())
        if used is None:
            used = _open[os.getpid()] = _Listening(open_relay)
        used.users += 1
        return used


def _end(lock: threading.Lock, used: _Listening) -> None:
    with lock:
        used.users -= 1
        is_last = not used.users
        if is_last:
            del _open[used.pid]
    if is_last:
        used.close()
