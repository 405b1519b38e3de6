"""Leases of topics: while a topic has one, its messages are kept though no process hears them."""

import threading
import time
from collections.abc import Callable, Iterable

from redis.exceptions import RedisError

from django_socketio.logs import get_logger
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.relay")

LEASE = 3600.0
"""Seconds for which a lease is good. Messages are kept for much less once no process hears them."""

RENEWAL = 1200.0
"""Seconds after which a process renews its leases."""

AT_ONCE, PAUSE = 50, 0.02
"""Leases that are renewed at once, and seconds until the next ones are."""


class Leases:
    """The topics for which this process has subscribers that may come back.

    A thread of its own (a greenlet where gevent has patched the process) renews the leases, while
    there are any: every 20 minutes, and when Redis may have forgotten them.

    Args:
        take: takes a lease of a topic; raises RedisError.

    """

    def __init__(self, take: Callable[[Topic, float], object]) -> None:
        self._take = take
        self._topics: dict[Topic, float] = {}
        self._wanted = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def add(self, topic: Topic) -> bool:
        """Add a topic; return whether it is new. The caller takes the first lease."""
        if topic in self._topics:
            return False
        self._topics[topic] = time.monotonic() + RENEWAL
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="socketio-leases", daemon=True)
            self._thread.start()
        return True

    def remove(self, topic: Topic) -> None:
        """Forget a topic. Its lease ends by itself, so that subscribers may come back."""
        self._topics.pop(topic, None)

    def renew(self, topics: Iterable[Topic]) -> None:
        """Renew leases that Redis may have forgotten, soon and elsewhere."""
        forgotten = [topic for topic in topics if topic in self._topics]
        for topic in forgotten:
            self._topics[topic] = 0.0
        if forgotten:
            self._wanted.set()

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        self._wanted.set()

    def _run(self) -> None:
        while not self._stopped:
            is_done = self._renew_due()
            self._wanted.wait(min(RENEWAL, 60.0) if is_done else 1.0)
            self._wanted.clear()

    def _renew_due(self) -> bool:
        """Renew what is due; return False if Redis is away."""
        now = time.monotonic()
        due = [topic for topic, at in [*self._topics.items()] if at <= now]
        for number, topic in enumerate(due, 1):
            try:
                if topic in self._topics and not self._stopped:
                    self._take(topic, LEASE)
            except RedisError as error:
                logger.info("Leases of topics could not be renewed: %s", error)
                return False
            if topic in self._topics:
                self._topics[topic] = time.monotonic() + RENEWAL
            if number % AT_ONCE == 0:
                time.sleep(PAUSE)
        return True
