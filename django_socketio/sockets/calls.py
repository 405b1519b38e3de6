"""The handlers of a process that wait, in ``socket.call``, for answers of clients."""

import sys
from functools import partial
from typing import Any

from gevent.event import AsyncResult

from django_socketio.concurrency.executors import Executor
from django_socketio.exceptions import CallTimeout
from django_socketio.sockets.acks import unpack

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

    def check_caller(self) -> None:
        """Check that the caller may wait.

        Raises:
            RuntimeError: the caller is a coroutine, whose event loop would stand still.

        """
        events = sys.modules.get("asyncio.events")  # imported late: gevent has to patch it first
        if events is not None and events._get_running_loop() is not None:
            raise RuntimeError(
                "socket.call waits, and would hold up the coroutine that calls it; write "
                "`await sync_to_async(socket.call)(…)`"
            )

    def check_number(self, event: str) -> None:
        """Check that one more handler may wait.

        Raises:
            CallTimeout: the largest number of handlers waits already.

        """
        if self._executor.stepped_out >= self._limit:
            raise CallTimeout(
                f"{event!r} was not sent: {self._limit} handlers wait for answers of clients, "
                "which is the most that SOCKETIO_MAX_WAITING_CALLS allows"
            )

    def wait(self, event: str, answer: AsyncResult, timeout: float | None) -> Any:
        """Wait for the answer to an event, while other handlers run; return its argument.

        Raises:
            CallTimeout: no answer came within ``timeout`` seconds, or the client left.

        """
        self._executor.step_out(partial(answer.wait, timeout))
        if not answer.ready():
            raise CallTimeout(f"{event!r} was not answered within {timeout} s")
        return unpack(answer.get())
