"""Ending many connections over a time, instead of all at once."""

import math
import random
from collections.abc import Callable

from gevent import sleep

from django_socketio.concurrency.timers import Clock, clock

STEP = 0.05
"""Seconds between two groups of connections that end together."""


def drain(
    ends: list[Callable[[], object]],
    seconds: float,
    is_over: Callable[[], bool],
    clock: Clock = clock,
) -> None:
    """Call functions in random order, at the same intervals, within a number of seconds.

    Args:
        ends: the functions; each ends one connection.
        seconds: the time for all of them.
        is_over: asked before each group; true where the caller ends the rest at once.

    """
    random.shuffle(ends)
    total, begun = len(ends), clock()
    while ends and not is_over():
        left = math.ceil(total * (1 - (clock() - begun) / seconds))
        while len(ends) > max(left - 1, 0):
            ends.pop()()
        sleep(STEP)
