"""Greenlets of a pool, and what Python keeps for each of them."""

from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

Forget = Callable[[Any], object]

linked: "dict[greenlet, list[Forget]]" = {}
"""What forgets the values that are kept for a greenlet; empty while nothing is kept for any."""


class Pooled(greenlet):
    """A greenlet that serves one client after the other.

    gevent keeps values of ``threading.local``, and ``threading.current_thread``, for a greenlet
    until it ends. It asks by ``rawlink``, as with a ``gevent.Greenlet``, to be told of that end.
    """

    def rawlink(self, forget: Forget) -> None:
        """Have ``forget`` called with this greenlet when what is kept for it is of no more use."""
        linked.setdefault(self, []).append(forget)


class Worker(Pooled):
    """A greenlet in which handlers run, one mailbox after the other."""


def forget_locals() -> None:
    """Forget what ``threading.local`` keeps for this greenlet, as at the end of a thread."""
    this = getcurrent()
    for forget in linked.pop(this, ()):
        forget(this)
