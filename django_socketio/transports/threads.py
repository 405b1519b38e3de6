"""Calls between an event loop and other threads of the operating system."""

from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent import monkey
from gevent.threadpool import ThreadPool

Result = TypeVar("Result")

# A lock of the operating system's: the thread that waits may have no event loop.
allocate_lock = monkey.get_original("_thread", "allocate_lock")
get_ident = monkey.get_original("_thread", "get_ident")


class Outcome:
    """What came of a call: what it returned or what it raised."""

    def __init__(self) -> None:
        self._result: Any = None
        self._error: BaseException | None = None

    def of(self, function: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Call a function."""
        try:
            self._result = function(*args, **options)
        except BaseException as error:
            self._error = error

    def get(self) -> Any:
        """Return or raise what the function did."""
        if self._error is not None:
            raise self._error
        return self._result


def in_loop(loop: Any, function: Callable[..., Result], *args: Any, **options: Any) -> Result:
    """Call ``function(*args, **options)`` in another thread's event loop; return what it returns.

    Raises:
        BaseException: what the function raises.

    """
    done = allocate_lock()
    done.acquire()
    outcome = Outcome()

    def run() -> None:
        outcome.of(function, *args, **options)
        done.release()

    loop.run_callback_threadsafe(gevent.spawn, run)
    done.acquire()
    return outcome.get()


class Threads:
    """The thread of an event loop, and a pool of others for what must not run in it.

    The pool is not the hub's own: that one looks up host names, which must not wait for handlers.

    Args:
        size: how many threads the pool has at most.
        around: runs around what is run in a thread of the pool.

    Attributes:
        ident: the event loop's thread, as ``get_ident`` has it.

    """

    def __init__(self, size: int, around: Callable[[Callable[[], None]], None]) -> None:
        self.ident = get_ident()
        self._hub = gevent.get_hub()
        self._size = size
        self._around = around
        self._pool: ThreadPool | None = None

    def call(self, function: Callable[..., Result], *args: Any, **options: Any) -> Result:
        """Call a function in the event loop, from another thread; return what it returns.

        Raises:
            BaseException: what the function raises.

        """
        return in_loop(self._hub.loop, function, *args, **options)

    def run(self, function: Callable[..., Result], *args: Any) -> Result:
        """Call a function in a thread of the pool, while only this greenlet waits for it.

        Raises:
            BaseException: what the function raises.

        """
        if self._pool is None:
            self._pool = ThreadPool(self._size, self._hub)
        outcome = Outcome()
        self._pool.apply(self._around, (lambda: outcome.of(function, *args),))
        return outcome.get()

    def stop(self) -> None:
        """End the threads, unless a handler that does not come to its end still runs in one."""
        if self._pool is not None and not len(self._pool):
            self._pool.kill()
