"""Executors of the jobs of mailboxes: a pool of greenlets, or the caller itself."""

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Protocol

from django_socketio.concurrency.current_worker import begin_worker
from django_socketio.concurrency.mailbox import Mailbox, Pool
from django_socketio.concurrency.workers import Job


class Executor(Pool, Protocol):
    """Runs the mailboxes of sockets; ``Workers`` is the executor of server processes."""

    def schedule(self, mailbox: Mailbox | Job, /) -> None:
        """Run a mailbox, or a single job."""

    def step_out(self, wait: Callable[[], object], /) -> None:
        """Call ``wait``, in a job, while other jobs run."""

    def give_way(self) -> None:
        """Have sockets polled and other jobs run, in the midst of a job that takes long."""


class InlineExecutor:
    """Runs each mailbox at once, in the greenlet or thread that puts a job into it.

    It needs no running event loop. A job that puts jobs into other mailboxes ends before they run.
    """

    def __init__(self) -> None:
        # Mailboxes leave no job for a later turn: there is no turn.
        self.now = self.end = math.inf
        self._ready: deque[Mailbox | Job] = deque()
        self._is_running = False

    def schedule(self, mailbox: Mailbox | Job) -> None:
        """Run the mailbox; after the job that runs, if there is one."""
        self._ready.append(mailbox)
        if not self._is_running:
            self._run()

    @contextmanager
    def postponed(self) -> Iterator[None]:
        """Run the mailboxes that are scheduled in a block at its end."""
        if self._is_running:  # which runs them after its job
            yield
            return
        self._is_running = True
        try:
            yield
        finally:
            self._run()

    def step_out(self, wait: Callable[[], object]) -> None:
        """Run the mailboxes that are ready, then call ``wait``; others run inline meanwhile."""
        try:
            self._run()
            self._is_running = False
            wait()
        finally:
            self._is_running = True

    def give_way(self) -> None:
        """Do nothing: there is no turn that a job may take too much of."""

    def _run(self) -> None:
        self._is_running = True
        try:
            while self._ready:
                copy_context().run(_run_in_worker, self._ready.popleft())
        finally:
            self._is_running = False


def _run_in_worker(mailbox: Mailbox | Job) -> None:
    begin_worker()
    mailbox.run()
