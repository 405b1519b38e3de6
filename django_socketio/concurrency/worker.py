"""Greenlets of a pool, and the values that ``threading.local`` keeps for each of them."""

from collections.abc import Callable
from contextvars import Context
from typing import Any

from greenlet import getcurrent, greenlet

Forget = Callable[[Any], object]

linked: "dict[greenlet, list[Forget]]" = {}
"""Functions that drop the values kept for a greenlet; empty while no value is kept."""


class Pooled(greenlet):
    """A greenlet that serves one client after the other.

    gevent keeps values of ``threading.local``, and ``threading.current_thread``, for a greenlet
    until the greenlet ends. gevent registers for that end by ``rawlink``, as with a
    ``gevent.Greenlet``.

    Attributes:
        pool: the pool that has started the greenlet.
        context: has the context variables that a turn of the greenlet begins with.

    """

    pool: Any = None
    context: Context

    def rawlink(self, forget: Forget) -> None:
        """Have ``forget`` called with this greenlet at the end of a turn (``forget_locals``)."""
        linked.setdefault(self, []).append(forget)


class Worker(Pooled):
    """A greenlet in which handlers run, one mailbox after the other."""


def forget_locals() -> None:
    """Drop all values of ``threading.local`` of this greenlet, as at the end of a thread."""
    this = getcurrent()
    for forget in linked.pop(this, ()):
        forget(this)
