"""``in_thread``: a greenlet has a function run in a native thread, and waits for its result.

The locks, timers and sockets of gevent belong to one event loop, and a native thread has no running
event loop. So only functions that compute, or that wait in a library written in C, can run there.
The handler itself stays in its greenlet.
"""

import contextvars
import inspect
import logging
from collections.abc import Callable
from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, TypeVar

from django_socketio.concurrency import hub_log
from django_socketio.concurrency.log_limits import Once
from django_socketio.concurrency.native import Outcome, ThreadLocal, get_hub_if_exists, get_ident
from django_socketio.concurrency.patched import is_patched
from django_socketio.exceptions import ThreadError
from django_socketio.logs import get_logger, name_of

logger = get_logger("django_socketio.server")

Result = TypeVar("Result")

IDLE_TIME = 10.0
"""Seconds after which a thread that has nothing to do ends."""

LAZY_FUNCTIONS = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)
LAZY_RESULTS = (AsyncGeneratorType, CoroutineType, GeneratorType)
"""Types of results whose code has not run yet: it would run in the greenlet that consumes them."""

EAGER = "in_thread runs functions that return their result, but %s %s"

WAITED = (
    "%s waited with gevent in a native thread (time.sleep, a socket, a queue, a lock): in_thread "
    "is for functions that compute, or wait in a library written in C; wait in the greenlet that "
    "calls it"
)


class Call:
    """A function that runs, or will run, in a native thread of ours.

    Attributes:
        name: the name of the function in messages.
        loop: the event loop of the greenlet that waits for the function.
        waited: whether the function has waited with gevent, for the first time in its thread.

    """

    __slots__ = ("_context", "_function", "_given_up", "_outcome", "loop", "name", "waited")

    def __init__(self, loop: Any, name: str, function: Callable[[], Any]) -> None:
        self.loop = loop
        self.name = name
        self.waited = False
        self._context = contextvars.copy_context()
        self._function = function
        self._outcome = Outcome()
        self._given_up = False

    def run(self) -> None:
        """Call the function, in the thread."""
        if self._given_up:
            return
        ident, hub = get_ident(), get_hub_if_exists()
        running[ident] = self
        try:
            self._outcome.of(self._context.run, self._function)
        finally:
            del running[ident]
            self.waited = get_hub_if_exists() is not hub

    def give_up(self) -> None:
        """Run the function no more, or drop its result if it runs already."""
        self._given_up = True

    def tell(self, done: Any) -> None:
        """Log the exception of a function for which no greenlet waits any more."""
        if self._outcome.error is not None:
            hub_log.warning(
                "%s raised %r in a native thread; the greenlet that called in_thread had stopped "
                "waiting for it",
                self.name,
                self._outcome.error,
                to=logger,
            )

    def result(self) -> Any:
        """Return the function's result, or raise its exception."""
        return self._outcome.get()


running: dict[int, Call] = {}
"""The calls that run in native threads of ``in_thread``, by the ident of the thread."""


def forbid(what: str) -> None:
    """Forbid a use by functions of ``in_thread``. Call this only if any function is ``running``.

    Raises:
        ThreadError: such a function called this; ``what`` cannot be used in a native thread.

    """
    call = running.get(get_ident())
    if call is not None:
        raise ThreadError(
            f"{what} was used by {call.name}, which runs in a native thread (in_thread): have the "
            "function return a value, and do this in the greenlet that called in_thread"
        )


def guard_logging() -> None:
    """Have functions of ``in_thread`` that log get ThreadError, where gevent has patched locks.

    A logging handler's lock that a native thread has released may never wake the greenlets that
    wait for it: from then on, no greenlet that logs would go on.
    """
    make_record = logging.getLogRecordFactory()

    def guarded(*args: Any, **kwargs: Any) -> logging.LogRecord:
        if running:
            forbid("logging")
        return make_record(*args, **kwargs)

    if is_patched("threading"):
        logging.setLogRecordFactory(guarded)


class Threads:
    """A bounded pool of native threads, for the greenlets of one event loop.

    The pool is not the hub's own, which looks up host names: these must not wait for functions that
    compute. Greenlets that find no thread free wait for one, in their order.

    Args:
        hub: the hub of the event loop.
        size: the highest number of threads.

    """

    def __init__(self, hub: Any, size: int) -> None:
        from gevent.threadpool import ThreadPool

        self.hub = hub
        self._pool = ThreadPool(size, hub, idle_task_timeout=IDLE_TIME)

    def run(self, name: str, function: Callable[[], Any]) -> Any:
        """Call a function in a thread, while only this greenlet waits for it.

        Raises:
            BaseException: the exception that the function raises.

        """
        call = Call(self.hub.loop, name, function)
        done = self._pool.spawn(call.run)
        try:
            done.get()
        except BaseException:
            call.give_up()
            done.rawlink(call.tell)
            raise
        if call.waited:
            _warn(name)
        return call.result()


WARNINGS = 100
"""The highest number of functions of which the log tells that they waited with gevent."""

_warnings = Once(WARNINGS)


def _warn(name: str) -> None:
    """Log that a function has waited with gevent, once for each function."""
    if _warnings.is_new(name):
        hub_log.warning(WAITED, name, to=logger)


class _Local(ThreadLocal):
    """The pool of a thread that has an event loop."""

    threads: Threads | None = None


_local = _Local()


class _Settings:
    guards = False
    """Whether functions that log are refused; not before one has been given to ``in_thread``."""

    size: Callable[[], int] = staticmethod(lambda: 10)


def limit_with(size: Callable[[], int]) -> None:
    """Have pools made with the highest number of threads that ``size`` returns then."""
    _Settings.size = staticmethod(size)


def in_thread(function: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Result:
    """Call ``function(*args, **kwargs)`` in a native thread; return its result.

    Other greenlets run meanwhile. The function must only compute, or wait in a library written in
    C: it must not use sockets, logging, locks, the database or gevent. At most
    ``SOCKETIO_THREADS`` functions run at a time. In a thread without an event loop, and inside
    another function of ``in_thread``, the function is called directly.

    Raises:
        TypeError: ``function`` is a coroutine or generator function, or cannot be called.
        ThreadError: the function used something that cannot be used in a native thread.
        BaseException: the exception that the function raises.

    """
    name = _name_of(function)
    _check(function, name)
    hub = get_hub_if_exists()
    if hub is None or get_ident() in running:
        result = function(*args, **kwargs)
    else:
        result = _threads(hub).run(name, partial(function, *args, **kwargs))
    return _finished(result, name)


def _threads(hub: Any) -> Threads:
    threads = _local.threads
    if threads is None or threads.hub is not hub:
        if not _Settings.guards:
            _Settings.guards = True
            guard_logging()
        threads = _local.threads = Threads(hub, _Settings.size())
    return threads


def _name_of(function: Any) -> str:
    """Return a function's name, without the arguments that a ``partial`` holds."""
    while isinstance(function, partial):
        function = function.func
    return name_of(function) if hasattr(function, "__module__") else repr(function)


def _check(function: Any, name: str) -> None:
    if not callable(function):
        raise TypeError(f"in_thread takes a function and its arguments, not {function!r}")
    for is_lazy in LAZY_FUNCTIONS:
        if is_lazy(function) or is_lazy(type(function).__call__):
            raise TypeError(EAGER % (name, "is a coroutine or generator function"))


def _finished(result: Result, name: str) -> Result:
    if isinstance(result, LAZY_RESULTS):
        if not isinstance(result, AsyncGeneratorType):
            result.close()
        raise TypeError(EAGER % (name, f"returned {type(result).__name__}"))
    return result
