"""The presence of a soak test: what handlers were told of people, and who is left at the end."""

import re
import time
from collections import Counter
from contextlib import suppress

PATIENCE = 60
"""Seconds in which all must have left, also those of workers that were replaced."""

WRONG = ("leaves told twice", "people left behind")
"""The rows that must be 0."""


def all_have_left(channels):
    """Wait until nobody is on the channels any more; return how many are, at last."""
    from django_socketio import RelayError, presence_count

    deadline, left = time.monotonic() + PATIENCE, None
    while left != 0 and time.monotonic() < deadline:
        with suppress(RelayError):  # Redis has just been away
            left = sum(map(presence_count, channels))
        time.sleep(0.2)
    return left


def told(output):
    """Return how often servers that have printed this were told of each person, by what it did."""
    found = re.findall(r"^(joined|left) (\w+ socket:[\w-]+)$", output, re.MULTILINE)
    return {what: Counter(who for which, who in found if which == what) for what in DID}


DID = ("joined", "left")


def audit(outputs, left_behind):
    """Return the rows of the table.

    Handlers run at most once: a process that ends may lose a call. A person whose joining was lost
    so may still be told to have left, once.
    """
    joined, left = (sum((told(one)[what] for one in outputs), Counter()) for what in DID)
    twice = sum(max(0, times - max(1, joined[who])) for who, times in left.items())
    return {
        "people that joined": joined.total(),
        "people that left": left.total(),
        "leaves told twice": twice,
        "people left behind": left_behind,
    }
