"""Native threads, in processes whose ``threading`` gevent may have patched."""

from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent import _hub_local, monkey

Result = TypeVar("Result")

# A lock of the operating system's: the thread that waits may have no event loop.
allocate_lock = monkey.get_original("_thread", "allocate_lock")
get_ident = monkey.get_original("_thread", "get_ident")
get_hub_if_exists = _hub_local.get_hub_if_exists  # gevent.get_hub would make one
ThreadLocal = monkey.get_original("_thread", "_local")


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

    Raises:
        BaseException: the exception that the function raises.

    """
    done = allocate_lock()
    done.acquire()
    outcome = Outcome()

    def run() -> None:
        outcome.of(function, *args)
        done.release()

    loop.run_callback_threadsafe(gevent.spawn, run)
    done.acquire()
    result: Result = outcome.get()
    return result
