"""A pool of greenlets that measures how long each mailbox waits for a free one."""

from collections.abc import Callable
from functools import partial

from django_socketio.concurrency.mailbox import Mailbox
from django_socketio.concurrency.timers import clock
from django_socketio.concurrency.workers import Around, Job, Workers


class TimedWorkers(Workers):
    """Workers that tell the seconds that mailboxes have waited.

    Args:
        size, around, give_back: see ``Workers``.
        waited: called with the seconds of each mailbox, when a worker begins it.

    """

    def __init__(
        self,
        size: int,
        around: Around,
        give_back: Callable[[], bool],
        waited: Callable[[float], object],
    ) -> None:
        super().__init__(size, around, give_back=give_back)
        self._waited = waited

    def schedule(self, mailbox: Mailbox | Job) -> None:
        """Have a worker run the mailbox, in this turn of the event loop if one is free."""
        super().schedule(Job(partial(self._begin, mailbox, clock())))

    def _begin(self, mailbox: Mailbox | Job, since: float) -> None:
        self._waited(clock() - since)
        mailbox.run()
