"""Leases of topics: while a topic has one, its messages are kept though no process hears them."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from redis.exceptions import RedisError

from django_socketio.concurrency.log_limits import LOGGED_EVERY, Every
from django_socketio.logs import get_logger
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.redis.jitter import jitter
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.relay")

LEASE = 3600.0
"""Seconds for which a lease is good. Messages are kept for much less once no process hears them."""

RENEWAL = 1200.0
"""Seconds after which a process renews its leases."""

AT_ONCE, PAUSE = 50, 0.02
"""Leases that are renewed in one round trip, and seconds until the next ones are."""


class Leases:
    """The topics for which this process has subscribers that may come back.

    A thread of its own (a greenlet where gevent has patched the process) renews the leases, while
    there are any: every 20 minutes, when Redis may have forgotten or ended them, and at another
    node.

    Args:
        take: takes leases of topics, for some seconds; raises RedisError.
        by_server: returns topics in groups, each of which one server has.

    """

    def __init__(
        self,
        take: Callable[[Sequence[Topic], float], object],
        by_server: Callable[[Sequence[Topic]], Iterable[Sequence[Topic]]],
    ) -> None:
        self._take = take
        self._by_server = by_server
        self._topics: dict[Topic, float] = {}
        self._unproven: dict[Topic, StreamPosition] = {}
        """Positions of this process in epochs that may have ended: their topics had no lease."""
        self._wanted = threading.Event()
        self._stopped = False
        self._failures = Every(LOGGED_EVERY)
        self._thread: threading.Thread | None = None

    def begin(self, topic: Topic, at: StreamPosition | None) -> bool:
        """Add a topic; return whether the caller is to take a lease, and so learn the position.

        Args:
            at: the position up to which this process has received the topic.

        """
        if topic in self._topics and at is not None:
            return self._unproven.get(topic) == at
        if at is not None:
            self._unproven[topic] = at
        self._add(topic)
        return True

    def _add(self, topic: Topic) -> None:
        self._topics.setdefault(topic, time.monotonic() + RENEWAL)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="socketio-leases", daemon=True)
            self._thread.start()

    def begun(self, topic: Topic, at: StreamPosition | None, now: StreamPosition | None) -> None:
        """Note the position of a topic with its lease, where this process was at another one."""
        if at is not None and now is not None and at.epoch == now.epoch:
            self._unproven.pop(topic, None)

    def has(self, topic: Topic) -> bool:
        """Return whether this process holds a lease of a topic, as far as Redis remembers it."""
        return topic in self._topics

    def remove(self, topic: Topic) -> None:
        """Forget a topic. Its lease ends by itself, so that subscribers may come back."""
        self._topics.pop(topic, None)
        self._unproven.pop(topic, None)

    def renew(self, topics: Iterable[Topic]) -> None:
        """Renew leases before their time, soon and elsewhere."""
        due = [topic for topic in topics if topic in self._topics]
        for topic in due:
            self._topics[topic] = time.monotonic()
        if due:
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
        """Renew what is due; return False if any of it could not be renewed."""
        now = time.monotonic()
        due = [topic for topic, at in [*self._topics.items()] if at <= now]
        jitter.shuffle(due)  # a topic that fails keeps other ones waiting each time
        return all([self._renew_group(group) for group in self._by_server(due)])

    def _renew_group(self, topics: Sequence[Topic]) -> bool:
        """Renew leases of one server, with pauses, up to the first failure."""
        for first in range(0, len(topics), AT_ONCE):
            if self._stopped or not self._renew_some(topics[first : first + AT_ONCE]):
                return False
            time.sleep(PAUSE)
        return True

    def _renew_some(self, topics: Sequence[Topic]) -> bool:
        due = {topic: self._topics[topic] for topic in topics if topic in self._topics}
        try:
            self._take([*due], LEASE)
        except RedisError as error:
            if self._failures.is_due():
                logger.info("Leases of topics could not be renewed: %s", error)
            return False
        for topic, at in due.items():
            if self._topics.get(topic) == at:  # else it is to be renewed once more
                self._topics[topic] = time.monotonic() + RENEWAL
        return True
