"""asyncio's running event loop, kept for each greenlet instead of for each thread.

asyncio notes in the thread which event loop runs in it. gevent runs all greenlets in one thread:
while the loop of one greenlet waits, ``asyncio.get_running_loop()`` names that loop to all others.
Django's ORM then refuses to work in them (``SynchronousOnlyOperation``), and no second loop starts.

While a loop runs, and only then, a trace function of greenlet exchanges what asyncio keeps in the
thread whenever a switch enters or leaves a greenlet with a loop. Everything else stays asyncio's.
"""

import asyncio
import sys
import threading
from asyncio import events, tasks
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakSet

import gevent
from gevent import get_hub, monkey
from gevent.hub import Hub
from greenlet import getcurrent, gettrace, greenlet, settrace

Trace = Callable[[str, tuple[greenlet, greenlet]], object]

TASK_IS_KEPT_IN_THREAD = sys.version_info >= (3, 14)
"""Python before 3.14 looks up the current task by its loop."""

_OWN = "_django_socketio_running_loop"
"""The attribute of a greenlet that has a running loop; the state ends with its greenlet."""

PAUSE = 0.005
"""Seconds between two looks at loops that are about to end."""

_get = events._get_running_loop
_set = events._set_running_loop
_swap_task: Any = getattr(tasks, "_swap_current_task", None)


class ThreadState:
    """The state that asyncio keeps in a thread: the running loop, and settings of that loop."""

    __slots__ = ("_depth", "_hooks", "_loop", "_task")

    def __init__(self) -> None:
        self._loop: Any = None
        self._task: Any = None
        self._hooks: Any = (None, None)
        self._depth = 0

    def save(self) -> None:
        """Take the state from the current thread."""
        self._loop = _get()
        if TASK_IS_KEPT_IN_THREAD and self._loop is not None:
            self._task = _swap_task(self._loop, None)
        self._hooks = sys.get_asyncgen_hooks()
        self._depth = sys.get_coroutine_origin_tracking_depth()

    def restore(self) -> None:
        """Give the state back to the thread."""
        _set(self._loop)
        if TASK_IS_KEPT_IN_THREAD and self._loop is not None:
            _swap_task(self._loop, self._task)
        self._loop = self._task = None
        sys.set_asyncgen_hooks(*self._hooks)
        sys.set_coroutine_origin_tracking_depth(self._depth)


class Greenlets:
    """The greenlets of one thread that have a running loop."""

    def __init__(self) -> None:
        self._outside = self._current = ThreadState()
        self.owners: WeakSet[greenlet] = WeakSet()

    def set_running_loop(self, loop: Any) -> None:
        """Set the running loop of the current greenlet; None at the end of the loop."""
        current = getcurrent()
        if _OWN not in current.__dict__ and self._current is not self._outside:
            self._current.save()  # that of the greenlet for which this one works
        _set(loop)
        self._current = self._outside if loop is None else ThreadState()
        if loop is None:
            self._forget(current)
        else:
            self._note(current)

    def _note(self, started: greenlet) -> None:
        self.owners.add(started)
        setattr(started, _OWN, self._current)
        self._trace()

    def _forget(self, ended: greenlet) -> None:
        ended.__dict__.pop(_OWN, None)
        self.owners.discard(ended)
        if not self.owners:
            self._untrace()

    def _exchange(self, origin: greenlet, state: ThreadState) -> None:
        self._current.save()
        state.restore()
        self._current = state
        if origin.dead:  # and its loop was never told to end
            self._forget(origin)

    def _inherited(self, target: greenlet) -> ThreadState:
        """Return the state of the greenlet for which another one works, as SQLAlchemy's do."""
        above = target
        while not isinstance(above, Hub) and (above := above.parent) is not None:
            state: ThreadState | None = getattr(above, _OWN, None)
            if state is not None:
                return state
        return self._outside

    # The trace function: other tools, gevent's monitor for one, may have theirs above or below it

    def _trace(self) -> None:
        others = gettrace()
        if getattr(others, "greenlets", None) is not self:
            settrace(self._make_trace(others))

    def _untrace(self) -> None:
        trace = gettrace()
        if getattr(trace, "greenlets", None) is self:
            settrace(trace.others)

    def _make_trace(self, others: Trace | None) -> Trace:
        """Return the function that greenlet calls after each switch, in the target greenlet."""

        def trace(event: str, args: tuple[greenlet, greenlet]) -> None:
            origin, target = args
            state = getattr(target, _OWN, None)
            if state is None:
                # Most belong to the hub: nothing is to be found above them.
                above = target.parent
                state = self._outside if isinstance(above, Hub) else self._inherited(target)
            if state is not self._current:
                self._exchange(origin, state)
            if trace.others is not None:  # type: ignore[attr-defined]
                _call(trace, event, args)

        trace.greenlets, trace.others = self, others  # type: ignore[attr-defined]
        return trace


def _call(trace: Any, event: str, args: tuple[greenlet, greenlet]) -> None:
    try:
        trace.others(event, args)
    except BaseException as error:
        # greenlet would remove this function as well, and raise the error in a greenlet that has
        # nothing to do with it.
        trace.others = None
        hub = get_hub()
        handle = partial(hub.handle_error, trace, type(error), error, error.__traceback__)
        hub.loop.run_callback(handle)


class _OfThread(monkey.get_original("_thread", "_local")):  # type: ignore[misc]
    def __init__(self) -> None:
        self.greenlets = Greenlets()


_of_thread = _OfThread()


def set_running_loop(loop: Any) -> None:
    """Do what ``asyncio._set_running_loop`` does, for the current greenlet."""
    _of_thread.greenlets.set_running_loop(loop)


def keep_loops_apart() -> None:
    """Give each greenlet a running loop of its own. It costs nothing until a loop runs."""
    events._set_running_loop = asyncio._set_running_loop = set_running_loop
    asyncio.SelectorEventLoop.add_signal_handler = add_signal_handler  # type: ignore[assignment]


def end_loops(timeout: float) -> None:
    """End the threads of this event loop that still run a loop of asyncio's; wait for ``timeout``.

    Those are the threads of asgiref and other pools, for which Python would wait when it ends.
    """
    owners = _of_thread.greenlets.owners
    threads = [one for one in owners if isinstance(one, gevent.Greenlet)]
    gevent.killall(threads, block=False)
    with gevent.Timeout(timeout, False):
        # A pool's thread itself goes on: it waits for more work.
        while any(thread in owners for thread in threads):
            gevent.sleep(PAUSE)


_add_signal_handler = asyncio.SelectorEventLoop.add_signal_handler


def add_signal_handler(loop: Any, number: int, *callback: Any) -> None:
    """Refuse signals to all loops but that of the main greenlet, as Python does to threads.

    Greenlets are in the main thread, so a view would otherwise take SIGTERM from the server.

    Raises:
        RuntimeError: this is not the main greenlet.

    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "add_signal_handler only works in the main greenlet: signals are the server's"
        )
    _add_signal_handler(loop, number, *callback)
