"""Going on with other topics where the relay fails for one: a node of a cluster may be down."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django_socketio.concurrency.log_limits import LOGGED_EVERY, Every
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.relay")

MOST_FAILURES = 3
"""Topics for which the relay may fail before the caller goes on with other things: each failure may
take seconds."""


class Attempts:
    """Attempts to ask the relay about one topic after the other.

    Attributes:
        failed: the topics for which the relay has failed.

    """

    def __init__(self) -> None:
        self.failed: set[Topic] = set()
        self._error: RelayError | None = None

    def may_ask(self, topic: Topic) -> bool:
        """Return whether to ask about a topic: not again after a failure, or after too many."""
        return topic not in self.failed and len(self.failed) < MOST_FAILURES

    @contextmanager
    def about(self, topic: Topic) -> Iterator[None]:
        """Note a failure of the relay for a topic instead of raising it."""
        try:
            yield
        except RelayError as error:
            self.failed.add(topic)
            self._error = error

    def end(self) -> None:
        """Raise the last error.

        Raises:
            RelayError: the relay has failed for a topic.

        """
        if self._error is not None:
            raise self._error


class FailureLog:
    """Logs that the relay could not be told who is present: not each time.

    Args:
        clock: returns a monotonic time.

    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._every = Every(LOGGED_EVERY, clock)

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Log a failure of the relay instead of raising it."""
        try:
            yield
        except RelayError as error:
            if self._every.is_due():
                logger.warning("Who is present could not be noted; trying again: %s", error)
