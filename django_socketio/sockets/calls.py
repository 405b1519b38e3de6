"""The handlers of a process that wait, in ``socket.call``, for answers of clients."""

from collections.abc import Callable
from functools import partial
from typing import Any

from gevent.event import AsyncResult

from django_socketio.channels.calls import Call
from django_socketio.concurrency.executors import Executor
from django_socketio.exceptions import CallTimeout
from django_socketio.sockets.acks import unpack

Wait = Callable[[], object]
"""Waits for answers of clients."""

CALL_TIMEOUT = 10.0
"""Seconds that ``socket.call`` waits, unless told otherwise."""


class Calls:
    """Handlers that wait for clients. Their workers step out, so that other handlers run.

    Args:
        executor: runs the handlers.
        limit: how many handlers may wait at the same time.

    """

    def __init__(self, executor: Executor, limit: int) -> None:
        self._executor = executor
        self._limit = limit
        # A set instead of a number, because native threads may call as well: += is not atomic.
        self._waiting: set[Wait] = set()

    def check_number(self, event: str) -> None:
        """Check that one more handler may wait.

        Raises:
            CallTimeout: the largest number of handlers waits already.

        """
        if len(self._waiting) >= self._limit:
            raise CallTimeout(
                f"{event!r} was not sent: {self._limit} handlers wait for answers of clients, "
                "which is the most that SOCKETIO_MAX_WAITING_CALLS allows"
            )

    def wait_for_all(self, event: str, call: Call, timeout: float) -> None:
        """Wait until a ``call`` to any sockets is done, while other handlers run."""
        if not call.is_done:
            self._step_out(partial(call.wait, timeout))

    def wait(self, event: str, answer: AsyncResult, timeout: float | None) -> Any:
        """Wait for the answer to an event, while other handlers run; return its argument.

        Raises:
            CallTimeout: no answer came within ``timeout`` seconds, or the client left.

        """
        self._step_out(partial(answer.wait, timeout))
        if not answer.ready():
            raise CallTimeout(f"{event!r} was not answered within {timeout} s")
        return unpack(answer.get())

    def _step_out(self, wait: Wait) -> None:
        self._waiting.add(wait)
        try:
            self._executor.step_out(wait)
        finally:
            self._waiting.discard(wait)
