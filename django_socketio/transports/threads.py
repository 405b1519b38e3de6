"""Calls from other threads into the event loop."""

from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent import monkey

Result = TypeVar("Result")

# A lock of the operating system's: the thread that waits may have no event loop.
allocate_lock = monkey.get_original("_thread", "allocate_lock")


def in_loop(loop: Any, function: Callable[..., Result], *args: Any) -> Result:
    """Call ``function(*args)`` in another thread's event loop; return what it returns.

    Raises:
        BaseException: what the function raises.

    """
    done = allocate_lock()
    done.acquire()
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((function(*args), None))
        except BaseException as error:
            outcome.append((None, error))
        finally:
            done.release()

    loop.run_callback_threadsafe(gevent.spawn, run)
    done.acquire()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
