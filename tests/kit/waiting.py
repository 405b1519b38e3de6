"""Waiting for what will be true soon."""

import time

TIMEOUT = 20
PAUSE = 0.005


def wait_until(condition, what="it never came true"):
    """Wait until a condition is true, and return what it returned.

    Fails with ``what`` (or what it returns) if it takes long.
    """
    deadline = time.monotonic() + TIMEOUT
    while not (met := condition()):
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(PAUSE)
    return met
