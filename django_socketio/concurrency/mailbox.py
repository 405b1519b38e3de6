"""The jobs of one socket, which a worker runs one after the other."""

from collections.abc import Callable
from typing import Any, Protocol

from django_socketio.concurrency.failures import failures
from django_socketio.concurrency.timers import clock
from django_socketio.logs import get_logger

logger = get_logger("django_socketio.server")

MAX_JOBS = 16
"""Number of jobs of a mailbox that run before other mailboxes get the worker."""

MAX_SECONDS = 0.001
"""Seconds after which other mailboxes get the worker, even if fewer jobs have run."""

MailboxJob = tuple[Callable[..., None], tuple[Any, ...]]
"""A function, and the arguments to call it with."""


class Pool(Protocol):
    """The part of ``Workers`` that a mailbox uses."""

    @property
    def now(self) -> float:
        """The time at which the pool last began a mailbox."""

    @property
    def end(self) -> float:
        """The time at which this turn of the event loop has no more time for jobs."""

    def schedule(self, mailbox: "Mailbox", /) -> None:
        """Have a worker run the mailbox."""


class Mailbox:
    """Jobs that run one after the other, in the order in which they were put.

    Args:
        workers: the pool that runs them.

    """

    __slots__ = ("_jobs", "_running", "_workers")

    def __init__(self, workers: Pool) -> None:
        self._workers = workers
        self._jobs: list[MailboxJob] = _NO_JOBS
        self._running = False

    @property
    def waiting(self) -> int:
        """The number of jobs that have not been started yet."""
        return len(self._jobs)

    @property
    def is_running(self) -> bool:
        """Whether a job runs, or waits for a worker."""
        return self._running

    def put(self, job: Callable[..., None], *args: Any) -> int:
        """Have ``job(*args)`` run after all jobs before it; return how many jobs are waiting."""
        if self._jobs is _NO_JOBS:
            self._jobs = []
        self._jobs.append((job, args))
        if not self._running:
            self._schedule()
        return len(self._jobs)

    def move(self, pool: Pool, other: Pool) -> None:
        """Have another pool run the jobs that follow, if this one has run them so far."""
        if self._workers is pool:
            self._workers = other

    def _schedule(self) -> None:
        self._running = True
        self._workers.schedule(self)

    def run(self) -> None:
        """Run some jobs, then give the worker to other mailboxes. Any job may wait."""
        jobs, turn, end = self._jobs, MAX_JOBS, 0.0
        try:
            while True:
                job, args = jobs.pop(0)
                try:
                    job(*args)
                except failures():
                    logger.exception("A job failed")
                if not jobs:
                    break
                turn -= 1
                end = end or min(self._workers.now + MAX_SECONDS, self._workers.end)
                if not turn or clock() >= end:
                    break
        finally:
            self._rest()

    def _rest(self) -> None:
        if self._jobs:
            self._schedule()
        else:
            self._running = False
            self._jobs = _NO_JOBS


_NO_JOBS: list[MailboxJob] = []
"""Shared by all idle mailboxes: a list of their own would cost each of them memory."""
