"""The pool of greenlets in which handlers run, and the queues that they work off."""

from collections import deque
from collections.abc import Callable, Container
from functools import partial
from typing import Any, NamedTuple

from gevent import get_hub
from greenlet import getcurrent, greenlet

from django_socketio.concurrency.mailbox import Mailbox
from django_socketio.concurrency.timers import clock
from django_socketio.concurrency.turns import turns_of_hub
from django_socketio.concurrency.worker import Worker
from django_socketio.logs import get_logger

logger = get_logger("django_socketio.server")

SHARE = 0.005
"""Seconds of a turn of the event loop in which jobs are begun; then it looks what has come."""

Around = Callable[[Callable[[], None]], None]
"""Runs what it is given, with something before and after it."""


def plainly(run: Callable[[], None]) -> None:
    """Run it, with nothing around it."""
    run()


class Job(NamedTuple):
    """A single job, for a worker that has nothing to do."""

    run: Callable[[], None]


def holds_nothing() -> bool:
    """Be the ``give_back`` of workers that hold nothing."""
    return True


class Workers:
    """A bounded pool of greenlets; those that have nothing to do wait, ready to be switched to.

    A worker that waits for a client steps out of the pool meanwhile, and another takes its place.
    It comes back once there is a place again, before what has not been started.

    Args:
        size: how many mailboxes are worked off at the same time.
        around: runs around each mailbox's jobs, in the same greenlet.
        kept: how many wait when there is nothing to do; None keeps all.
        kind: of what class they are.
        give_back: called in a worker that is about to step out, or to end: has it give back what
            only as many as ``size`` may hold; False if it cannot, and must stay.

    Attributes:
        stepped_out: how many workers have stepped out.

    """

    def __init__(
        self,
        size: int,
        around: Around = plainly,
        kept: int | None = None,
        kind: type[greenlet] = Worker,
        give_back: Callable[[], bool] = holds_nothing,
    ) -> None:
        self._size = size
        self._around = around
        self._kept = size if kept is None else kept
        self._kind = kind
        self._hub = get_hub()
        self._give_back = give_back
        self._count = 0
        self.stepped_out = 0
        self._idle: list[greenlet] = []
        self._returning: deque[greenlet] = deque()
        self._ready: deque[Mailbox | Job] = deque()
        self._turns = turns_of_hub()
        self._starts = False
        """Whether ``_start`` is about to run."""
        self._turn = -1
        """Of the event loop, by its number: the one that ``end`` is for."""
        self.end = 0.0
        """When this turn's time for jobs is over."""
        self.now = 0.0
        """When the last mailbox was begun."""

    @property
    def are_busy(self) -> bool:
        """Whether what is scheduled now would have to wait for one of them."""
        return self._within - len(self._idle) + len(self._ready) >= self._size

    @property
    def _within(self) -> int:
        """How many workers have not stepped out."""
        return self._count - self.stepped_out

    def spawn(self, function: Callable[..., None], *args: Any) -> None:
        """Call it in one of them, as ``gevent.spawn`` does in a new greenlet."""
        self.schedule(Job(partial(function, *args)))

    def schedule(self, mailbox: Mailbox | Job) -> None:
        """Have a worker run the mailbox, in this turn of the event loop if one is free."""
        self._ready.append(mailbox)
        if not self._starts:
            self._starts = True
            self._hub.loop.run_callback(self._start)

    def wake(self, workers: Container[greenlet], job: Callable[[], None]) -> None:
        """Have those of ``workers`` that wait run ``job``."""
        self._hub.loop.run_callback(self._wake, workers, Job(job))

    def disband(self, hub: Any) -> list[greenlet]:
        """Have no worker run again, in a forked process; return those that waited.

        Args:
            hub: where the worker that runs goes when its turn is over.

        """
        self._size = 0
        self._hub = hub
        idle, self._idle = self._idle, []
        return idle

    def _wake(self, workers: Container[greenlet], job: Job) -> None:
        for worker in [worker for worker in self._idle if worker in workers]:
            self._idle.remove(worker)
            worker.switch(job)

    def step_out(self, wait: Callable[[], object]) -> None:
        """Call ``wait`` while another worker may take the place of this one.

        A greenlet that is none of these workers just waits, and so does a worker that cannot give
        back what it holds.
        """
        if not isinstance(getcurrent(), self._kind) or not self._give_back():
            wait()
            return
        self.stepped_out += 1
        self._start_soon()
        try:
            wait()
        finally:
            self._step_in()

    def _step_in(self) -> None:
        if not self._returning and self._within < self._size:
            self.stepped_out -= 1
            return
        self._returning.append(getcurrent())
        self._start_soon()
        error = None
        while getcurrent() in self._returning:
            try:
                self._hub.switch()
            except BaseException as raised:  # a timeout, say: it is raised once there is a place
                error = raised
        if error is not None:
            raise error

    def _start_soon(self) -> None:
        if (self._returning or self._ready) and not self._starts:
            self._starts = True
            self._hub.loop.run_callback(self._start)

    def _start(self) -> None:
        # Runs in the hub: that is where a worker returns to when it waits.
        self._starts = False
        self._note_turn()
        while self._returning or self._ready:
            self.now = clock()
            if self.now >= self.end:  # others have their turn before anything else is begun
                return self._start_next_turn()
            if not self._start_one():
                break  # a busy one goes on with it

    def _start_one(self) -> bool:
        """Let a worker go on, or begin something; False if there is no place."""
        if self._returning and self._make_place():
            self.stepped_out -= 1
            self._returning.popleft().switch()
            return True
        worker = self._free_worker() if self._ready else None
        if worker is not None:
            worker.switch(self._ready.popleft())
        return worker is not None

    def _note_turn(self) -> None:
        turn = self._hub.loop.iteration
        if turn != self._turn:
            self._turn = turn
            self.end = clock() + SHARE

    def _make_place(self) -> bool:
        """Return whether a worker may come back; one that has nothing to do ends for it."""
        if self._within >= self._size and self._idle:
            self._idle.pop().switch(None)
        return self._within < self._size

    def _free_worker(self) -> greenlet | None:
        if self._idle:
            return self._idle.pop()
        if self._within >= self._size:
            return None
        self._count += 1
        worker = self._kind(self._work, parent=self._hub)
        worker.switch()  # without its first mailbox: a greenlet keeps what it was started with
        return worker

    def _work(self) -> None:
        mailbox: Mailbox | Job | None = self._hub.switch()
        while mailbox is not None:
            self._run(mailbox)
            mailbox = None  # while it waits, it keeps nothing of a socket's
            mailbox = self._next()
        self._give_back()
        self._count -= 1
        self._start_soon()

    def _next(self) -> Mailbox | Job | None:
        if self._returning:
            return None  # another has this one's place
        if self._ready:
            self.now = clock()
            if self.now < self.end:
                return self._ready.popleft()
            self._start_next_turn()
        if len(self._idle) >= self._kept:
            return None
        self._idle.append(getcurrent())
        while True:
            try:
                found: Mailbox | Job | None = self._hub.switch()
                return found
            except BaseException:  # a timeout, say, that a handler started and never cancelled
                logger.exception("Something was raised in a worker that had nothing to do")

    def _start_next_turn(self) -> None:
        if not self._starts:
            self._starts = True
            self._turns.add(self._start)

    def _run(self, mailbox: Mailbox | Job) -> None:
        try:
            self._around(mailbox.run)
        except Exception:
            logger.exception("A worker failed")
        except BaseException as error:
            # SystemExit and KeyboardInterrupt are for the main greenlet; the worker goes on.
            self._hub.handle_error(self, type(error), error, error.__traceback__)
