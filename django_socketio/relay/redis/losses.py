"""Losses in the log of the server: one line for a fault, however many topics it concerns."""

import threading

from django_socketio.logs import get_logger
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.relay")

GATHERED = 1.0
"""Seconds without a further loss after which the log tells those that were noted."""

LONGEST = 30
"""Number of such times after which the log tells of losses that go on."""

EXAMPLES = 5
"""Topics that a line names."""


class Losses:
    """Gathers the topics of which messages were lost, and writes one line about them."""

    def __init__(self) -> None:
        self._topics: dict[Topic, None] = {}
        self._noting = threading.Lock()

    def note(self, topic: Topic) -> None:
        """Have the log tell of a topic, with those of which messages are lost at the same time."""
        with self._noting:
            is_first = not self._topics
            self._topics[topic] = None
        if is_first:
            self._look_later(1, 1)

    def _look_later(self, count: int, looks: int) -> None:
        timer = threading.Timer(GATHERED, self._look, (count, looks))
        timer.daemon = True
        timer.start()

    def _look(self, count: int, looks: int) -> None:
        now = len(self._topics)
        if now == count or looks == LONGEST:
            self.write()
        elif now:
            self._look_later(now, looks + 1)

    def write(self) -> None:
        """Write what was noted, if there is anything."""
        with self._noting:
            topics, self._topics = self._topics, {}
        if not topics:
            return
        examples = ", ".join(map(str, list(topics)[:EXAMPLES]))
        logger.error(
            "Messages of %s were lost, or may be: the relay's log lacks them (%s%s)",
            "1 topic" if len(topics) == 1 else f"{len(topics):,} topics",
            examples,
            ", …" if len(topics) > EXAMPLES else "",
        )
