"""Tells who holds the event loop up, while it is held up."""

import functools
import inspect
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any

from gevent import get_hub, monkey

from django_socketio.concurrency.native import allocate_lock, get_ident
from django_socketio.logs import Lines, get_logger, name_of
from django_socketio.sockets.server import SocketServer

logger = get_logger("django_socketio.server")

LOOKS = 10
"""How often the watchdog looks in the time that it tolerates."""

HELD = (
    "The event loop has been held for %.1f seconds by %s; nobody else is served meanwhile. "
    "django_socketio.in_thread(function) has a function compute in a native thread "
    "(SOCKETIO_BLOCKED_AFTER = %s)\n%s"
)

start_thread = monkey.get_original("_thread", "start_new_thread")
clock = time.monotonic


class Watchdog:
    """A thread that notices when the event loop of another one does not turn.

    Args:
        patience: seconds that it may stand still; 0 has nobody watch.
        handlers: returns the functions that may be named.

    """

    def __init__(
        self, patience: float, handlers: Callable[[], Iterable[Callable[..., Any]]]
    ) -> None:
        self._patience = patience
        self._handlers = handlers
        self._step = patience / LOOKS
        self._thread = get_ident()
        self._timer = get_hub().loop.timer(self._step, self._step or 1.0, ref=False)
        self._stopped = allocate_lock()
        self._turned = clock()
        """When the event loop last turned."""

    def start(self, server: SocketServer) -> None:
        """Begin to watch the event loop of this thread."""
        if self._patience:
            self._turned = clock()
            self._stopped.acquire()
            self._timer.start(self._turn)
            start_thread(self._watch, ())

    def stop(self) -> None:
        """Watch no longer."""
        self._timer.close()
        if self._stopped.locked():
            self._stopped.release()

    def _turn(self) -> None:
        self._turned = clock()

    # In the thread

    def _watch(self) -> None:
        told = False
        while not self._stopped.acquire(timeout=self._step):
            # The loop turned up to a step before it was held.
            held = clock() - self._turned - self._step
            if held < self._patience:
                told = False
            elif not told:
                told = True
                self._tell(held)

    def _tell(self, held: float) -> None:
        try:
            frame = sys._current_frames().get(self._thread)
            if frame is not None and not _is_waiting(frame):
                stack = Lines("".join(traceback.format_stack(frame)))
                logger.error(HELD, held, self._culprit(frame), self._patience, stack)
        except Exception:
            logger.exception("The watchdog could not tell who holds the event loop up")

    def _culprit(self, frame: FrameType | None) -> str:
        handlers = {_code_of(handler): handler for handler in self._handlers()}
        while frame is not None:
            if frame.f_code in handlers:
                return f"the handler {name_of(handlers[frame.f_code])}"
            frame = frame.f_back
        return "something that is no handler"


def _is_waiting(frame: FrameType) -> bool:
    """Return whether the event loop itself is at work: the process was stopped for a while."""
    return frame.f_code.co_name == "run" and frame.f_globals.get("__name__") == "gevent.hub"


def _code_of(handler: Any) -> CodeType | None:
    """Return the code that a handler's frame runs."""
    handler = inspect.unwrap(handler)
    while isinstance(handler, functools.partial):
        handler = handler.func
    handler = getattr(handler, "__func__", handler)
    if not hasattr(handler, "__code__"):
        handler = type(handler).__call__
    return getattr(handler, "__code__", None)
