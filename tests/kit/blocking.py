"""Holding the event loop for as long as the watchdog needs."""

import logging
import time

from gevent import monkey

sleep = monkey.get_original("time", "sleep")


def block_until_told():
    """Hold the event loop until the log says so, or for ten seconds."""
    logger, told = logging.getLogger("django_socketio.server"), []

    def note(record):
        if "event loop has been held" in record.msg:
            told.append(record)
        return True

    logger.addFilter(note)
    end = time.monotonic() + 10
    while not told and time.monotonic() < end:
        sleep(0.01)
    logger.removeFilter(note)
