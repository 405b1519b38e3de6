"""Giving way in the midst of long work, in a greenlet or in a thread."""

import time

from django_socketio.concurrency.patched import is_patched


def give_way() -> None:
    """Let others run in the midst of long work: greenlets, or the threads that wait for the GIL."""
    if is_patched("threading"):
        from django_socketio.concurrency.turns import turns_of_hub

        turns_of_hub().wait()
    else:
        time.sleep(0)
