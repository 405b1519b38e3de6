"""A thread that watches the event loop, and logs the handler that blocks it."""

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
from django_socketio.server.debuggers import is_debugged
from django_socketio.sockets.server import SocketServer

logger = get_logger("django_socketio.server")

CHECKS = 10
"""Times that the watchdog checks the event loop within ``blocked_after`` seconds."""

HELD_FOR = "The event loop has been held for"
"""The words by which people find this error in a log."""

HELD = (
    f"{HELD_FOR} %.1f seconds by %s; no other client is served meanwhile. "
    "django_socketio.in_thread(function) runs a function in a native thread "
    "(SOCKETIO_BLOCKED_AFTER = %s)\n%s"
)

watched: list[Callable[..., Any]] = []
"""Functions of the project besides handlers: views of raw WebSockets."""

start_thread = monkey.get_original("_thread", "start_new_thread")
clock = time.monotonic


class Watchdog:
    """A native thread that watches the event loop of the thread which made it.

    Args:
        blocked_after: seconds for which the event loop may stand still; 0 disables the watchdog.
        handlers: returns the functions of the handlers, which the log names.

    """

    def __init__(
        self, blocked_after: float, handlers: Callable[[], Iterable[Callable[..., Any]]]
    ) -> None:
        self._blocked_after = blocked_after
        self._handlers = handlers
        self._step = blocked_after / CHECKS
        self._thread = get_ident()
        self._timer = get_hub().loop.timer(self._step, self._step or 1.0, ref=False)
        self._stopped = allocate_lock()
        self._turned = clock()
        """The time of the event loop's last turn."""

    def start(self, server: SocketServer) -> None:
        """Start to watch."""
        if self._blocked_after:
            self._turned = clock()
            self._stopped.acquire()
            self._timer.start(self._turn)
            start_thread(self._watch, ())

    def stop(self) -> None:
        """Stop to watch."""
        self._timer.close()
        if self._stopped.locked():
            self._stopped.release()

    def _turn(self) -> None:
        self._turned = clock()

    # In the thread

    def _watch(self) -> None:
        is_reported = False
        while not self._stopped.acquire(timeout=self._step):
            # The loop turned up to a step before it was held.
            held = clock() - self._turned - self._step
            if held < self._blocked_after:
                is_reported = False
            elif not is_reported:
                is_reported = True
                self._report(held)

    def _report(self, held: float) -> None:
        try:
            frame = sys._current_frames().get(self._thread)
            if frame is not None and not _is_waiting(frame) and not is_debugged(frame):
                stack = Lines("".join(traceback.format_stack(frame)))
                logger.error(HELD, held, self._culprit(frame), self._blocked_after, stack)
        except Exception:
            logger.exception("The watchdog could not report what holds the event loop")

    def _culprit(self, frame: FrameType | None) -> str:
        handlers = {_code_of(handler): handler for handler in [*self._handlers(), *watched]}
        while frame is not None:
            if frame.f_code in handlers:
                return f"the handler {name_of(handlers[frame.f_code])}"
            frame = frame.f_back
        return "code outside of handlers"


def _is_waiting(frame: FrameType) -> bool:
    """Return whether the event loop itself runs: then the whole process was stopped for a while."""
    return frame.f_code.co_name == "run" and frame.f_globals.get("__name__") == "gevent.hub"


def _code_of(handler: Any) -> CodeType | None:
    """Return the code object of the frames in which a handler runs; None for built-in functions."""
    handler = inspect.unwrap(handler)
    while isinstance(handler, functools.partial):
        handler = handler.func
    handler = getattr(handler, "__func__", handler)
    if not hasattr(handler, "__code__"):
        handler = type(handler).__call__
    return getattr(handler, "__code__", None)
