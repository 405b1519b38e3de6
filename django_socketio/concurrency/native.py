"""Native threads, in processes whose ``threading`` gevent may have patched."""

import sys
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

from django_socketio.concurrency.patched import original

Result = TypeVar("Result")

# A lock of the operating system's: the thread that waits may have no event loop.
allocate_lock = original("_thread", "allocate_lock")
get_ident = original("_thread", "get_ident")
ThreadLocal = original("_thread", "_local")


def get_hub_if_exists() -> Any:
    """Return the hub of this thread, or None; ``gevent.get_hub`` would make one."""
    hubs = sys.modules.get("gevent._hub_local")
    return None if hubs is None else hubs.get_hub_if_exists()


class Outcome:
    """The result of a call, or the exception that it raised."""

    __slots__ = ("_error", "_result")

    def __init__(self) -> None:
        self._result: Any = None
        self._error: BaseException | None = None

    def of(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call a function, and keep its result or the exception that it raises."""
        try:
            self._result = function(*args, **kwargs)
        except BaseException as error:
            self._error = error

    @property
    def error(self) -> BaseException | None:
        """The exception that the function raised, if it did."""
        return self._error

    def get(self) -> Any:
        """Return the function's result, or raise its exception; to be called once."""
        error, self._error = self._error, None
        if error is None:
            return self._result
        try:
            raise error
        finally:
            del error  # the traceback has this frame: they would keep each other


def in_loop(loop: Any, function: Callable[..., Result], *args: Any) -> Result:
    """Call ``function(*args)`` in the event loop of another thread, and wait for its result.

    It has the context variables of this thread, such as the current span of a trace.

    Raises:
        BaseException: the exception that the function raises.

    """
    import gevent

    done = allocate_lock()
    done.acquire()
    outcome = Outcome()

    def run() -> None:
        outcome.of(function, *args)
        done.release()

    loop.run_callback_threadsafe(gevent.spawn, copy_context().run, run)
    done.acquire()
    result: Result = outcome.get()
    return result
