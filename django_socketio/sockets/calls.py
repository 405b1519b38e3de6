"""The handlers of a process that wait, in ``socket.call``, for answers of clients."""

from collections.abc import Callable

from django_socketio.concurrency.workers import Workers
from django_socketio.exceptions import CallTimeout


class Calls:
    """Handlers that wait for clients: their workers step out, so that other handlers run.

    Args:
        workers: the pool in which the handlers run.
        limit: how many of them may wait at the same time.

    """

    def __init__(self, workers: Workers, limit: int) -> None:
        self._workers = workers
        self._limit = limit

    def admit(self, event: str) -> None:
        """Let one more handler wait for the answer to an event that it is about to send.

        Raises:
            CallTimeout: as many wait as may.

        """
        if self._workers.stepped_out >= self._limit:
            raise CallTimeout(
                f"{event!r} was not sent: {self._limit} handlers wait for answers of clients, "
                "which is the most that SOCKETIO_MAX_WAITING_CALLS allows"
            )

    def wait(self, wait: Callable[[], object]) -> None:
        """Call ``wait``, which returns once the answer has come, while other handlers run."""
        self._workers.step_out(wait)
