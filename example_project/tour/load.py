"""How busy the server is: a number a second, for as long as somebody looks."""

import time
from threading import Lock, Thread

from django_socketio import emit

CHANNEL = "load"
INTERVAL = 1.0  # seconds

_running = Lock()


def measure():
    """Begin to tell the processor time of this process, unless that is being done."""
    if _running.acquire(blocking=False):
        Thread(target=_tell, daemon=True).start()


def _tell():
    used, begun = time.process_time(), time.monotonic()
    try:
        while True:
            time.sleep(INTERVAL)
            last, since = used, begun
            used, begun = time.process_time(), time.monotonic()
            percent = round(100 * (used - last) / (begun - since), 1)
            if not emit("load", percent, channel=CHANNEL).received:
                break
    finally:
        _running.release()
