"""How long the machine stood still: tests with a limit of time do not count that."""

import threading
import time

STEP = 0.01
NOTED = 0.1
"""Seconds by which a thread must oversleep."""


class Stalls(threading.Thread):
    """Measures the time in which threads of this process that want to run do not run.

    ``with Stalls() as stalls: …``

    Attributes:
        seconds: all of that time.

    """

    def __init__(self):
        super().__init__(daemon=True)
        self.seconds = 0.0
        self._stopped = threading.Event()

    def run(self):
        while not self._stopped.is_set():
            begun = time.monotonic()
            time.sleep(STEP)
            late = time.monotonic() - begun - STEP
            if late > NOTED:
                self.seconds += late

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self._stopped.set()
        self.join()
