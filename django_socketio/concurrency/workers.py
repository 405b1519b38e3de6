"""The pool of greenlets in which handlers run."""

import sys
from collections import deque
from collections.abc import Callable, Container
from functools import partial
from typing import Any, NamedTuple

from gevent import get_hub, spawn
from greenlet import getcurrent, greenlet

from django_socketio.concurrency.current_worker import context_of_worker
from django_socketio.concurrency.mailbox import Mailbox
from django_socketio.concurrency.timers import clock
from django_socketio.concurrency.turns import turns_of_hub
from django_socketio.concurrency.worker import Pooled, Worker
from django_socketio.logs import get_logger

logger = get_logger("django_socketio.server")

SHARE = 0.005
"""Seconds of a turn of the event loop in which jobs are begun; then the loop polls the sockets."""

Around = Callable[[Callable[[], None]], None]
"""Calls its argument, and does something before and after the call."""


def plainly(run: Callable[[], None]) -> None:
    """Call ``run``, and do nothing else: the default of ``around``."""
    run()


class Job(NamedTuple):
    """A single function for a worker."""

    run: Callable[[], None]


def holds_nothing() -> bool:
    """Return True: the ``give_back`` of workers that hold no resource."""
    return True


class Workers:
    """A bounded pool of greenlets. Idle workers wait for the next mailbox.

    A worker that waits for a client steps out of the pool, and another worker takes its place. A
    worker that returns gets a place before any mailbox that has not been started.

    Args:
        size: the number of mailboxes that run at the same time.
        around: called with the function that runs a mailbox, in the worker.
        kept: the number of idle workers that wait for mailboxes; None keeps all.
        kind: the class of the workers.
        give_back: called in a worker that is about to step out, or to end. It gives back resources
            of which there are only ``size``, and returns False if it cannot: the worker then stays.

    Attributes:
        stepped_out: the number of workers that have stepped out.

    """

    def __init__(
        self,
        size: int,
        around: Around = plainly,
        kept: int | None = None,
        kind: type[Pooled] = Worker,
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
        """The number of the turn of the event loop that ``end`` belongs to."""
        self.end = 0.0
        """The time at which this turn's time for jobs is over."""
        self.now = 0.0
        """The time at which the last mailbox was begun."""

    @property
    def are_busy(self) -> bool:
        """Whether a mailbox that is scheduled now would have to wait for a worker."""
        return self._within - len(self._idle) + len(self._ready) >= self._size

    @property
    def busy(self) -> int:
        """The number of workers that run a mailbox, without those that have stepped out."""
        return self._within - len(self._idle)

    @property
    def waiting(self) -> int:
        """The number of mailboxes that wait for a worker."""
        return len(self._ready)

    @property
    def _within(self) -> int:
        """The number of workers that have not stepped out."""
        return self._count - self.stepped_out

    def spawn(self, function: Callable[..., None], *args: Any) -> None:
        """Call ``function(*args)`` in a worker, as ``gevent.spawn`` does in a new greenlet."""
        self.schedule(Job(partial(function, *args)))

    def schedule(self, mailbox: Mailbox | Job) -> None:
        """Have a worker run the mailbox, in this turn of the event loop if one is free."""
        self._ready.append(mailbox)
        if not self._starts:
            self._starts = True
            self._hub.loop.run_callback(self._start)

    def wake(self, workers: Container[greenlet], job: Callable[[], None]) -> None:
        """Have ``job`` run in each of these workers that is idle."""
        self._hub.loop.run_callback(self._wake, workers, Job(job))

    def disband(self, hub: Any) -> list[greenlet]:
        """Run no worker any more, in a forked process; return the idle ones.

        Args:
            hub: the greenlet to which the running worker switches at the end of its turn.

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

        A worker of another pool leaves its place there. Other greenlets just wait, and so does a
        worker whose resources cannot be given back.
        """
        worker = getcurrent()
        pool: Workers | None = worker.pool if isinstance(worker, self._kind) else None
        if pool is None or not pool._give_back():
            wait()
            return
        pool.stepped_out += 1
        pool._start_soon()
        try:
            wait()
        finally:
            pool._step_in()

    def give_way(self) -> None:
        """Have sockets polled and other jobs run, if this turn's time for jobs is over."""
        if clock() >= self.end:
            self.step_out(self._turns.wait)

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
        # Runs in the hub, to which a worker switches when it waits.
        self._starts = False
        self._note_turn()
        while self._returning or self._ready:
            self.now = clock()
            if self.now >= self.end:  # others have their turn before anything else is begun
                return self._start_next_turn()
            if not self._start_one():
                break  # a busy one goes on with it

    def _start_one(self) -> bool:
        """Resume a worker, or begin a mailbox; False if there is no place."""
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
        """Return whether a worker may come back; an idle worker ends to make room for it."""
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
        worker.pool, worker.context = self, context_of_worker()
        worker.switch()  # without its first mailbox: a greenlet keeps what it was started with
        return worker

    def _work(self) -> None:
        mailbox: Mailbox | Job | None = self._hub.switch()
        while mailbox is not None:
            self._run(mailbox)
            mailbox = None  # while it waits, it keeps nothing of a socket's
            mailbox = self._next()
        try:
            self._give_back()
        except BaseException:
            _log("A worker could not give back its resources")
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
                _log("An exception was raised in an idle worker")

    def _start_next_turn(self) -> None:
        if not self._starts:
            self._starts = True
            self._turns.add(self._start)

    def _run(self, mailbox: Mailbox | Job) -> None:
        try:
            self._around(mailbox.run)
        except Exception:
            _log("A worker failed")
        except BaseException as error:
            # SystemExit and KeyboardInterrupt are for the main greenlet; the worker goes on.
            self._hub.handle_error(self, type(error), error, error.__traceback__)


def _log(message: str) -> None:
    """Log the exception that is being handled, in another greenlet: logging may wait.

    A worker in ``_idle`` waits for mailboxes only, and a timeout can end one that waits elsewhere.
    """
    spawn(logger.error, message, exc_info=sys.exc_info())
