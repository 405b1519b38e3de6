"""The worker that code runs in, also in the threads and coroutines of a handler."""

from contextvars import Context, ContextVar

_current: ContextVar[object] = ContextVar("django_socketio_worker", default=None)

current_worker = _current.get
"""Return what tells workers apart; None outside of them, as in a greenlet that a handler starts.

A worker runs one job after the other. Copies of its context belong to the same worker.
"""


def begin_worker() -> None:
    """Have the current context be that of a worker of its own."""
    _current.set(object())


def context_of_worker() -> Context:
    """Return the context of a new worker, which runs each turn in a copy."""
    context = Context()
    context.run(begin_worker)
    return context
