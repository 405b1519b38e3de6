"""Notes of what handlers and clients see."""

import queue

from tests.kit.http import TIMEOUT


class Recorder:
    """What handlers saw, in its order; the test waits for it."""

    def __init__(self):
        self._queue = queue.Queue()

    def __call__(self, *values):
        self._queue.put(values[0] if len(values) == 1 else values)

    def next(self):
        try:
            return self._queue.get(timeout=TIMEOUT)
        except queue.Empty:
            raise AssertionError("no handler saw anything more") from None

    def take(self, number):
        return [self.next() for _ in range(number)]

    @property
    def empty(self):
        return self._queue.empty()
