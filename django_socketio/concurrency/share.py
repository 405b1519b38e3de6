"""A share of a pool: a bounded number of the pool's workers, for mailboxes that belong together."""

from collections import deque
from functools import partial

from django_socketio.concurrency.executors import Executor
from django_socketio.concurrency.mailbox import Mailbox
from django_socketio.concurrency.workers import Job


class Share:
    """Runs mailboxes in at most ``size`` workers of a pool at the same time.

    A worker that has stepped out of the pool, to wait for a client, still counts: it may come back
    at any time.

    Args:
        executor: the pool.
        size: the number of workers.

    """

    def __init__(self, executor: Executor, size: int) -> None:
        self._executor = executor
        self._size = size
        self._taken = 0
        """Workers that run a mailbox, or are about to."""
        self._ready: deque[Mailbox] = deque()

    @property
    def now(self) -> float:
        """The time at which the pool last began a mailbox."""
        return self._executor.now

    @property
    def end(self) -> float:
        """The time at which this turn of the event loop has no more time for jobs."""
        return self._executor.end

    def schedule(self, mailbox: Mailbox) -> None:
        """Have a worker run the mailbox, after those that were scheduled before it."""
        if self._taken < self._size:
            self._taken += 1
            self._begin(mailbox)
        else:
            self._ready.append(mailbox)

    def _begin(self, mailbox: Mailbox) -> None:
        self._executor.schedule(Job(partial(self._run, mailbox)))

    def _run(self, mailbox: Mailbox) -> None:
        try:
            mailbox.run()
        finally:
            if self._ready:
                self._begin(self._ready.popleft())
            else:
                self._taken -= 1
