"""Publishing after a commit, where no exception can reach the caller any more."""

from collections.abc import Callable

from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.publishing.values import encode_default
from django_socketio.relay import wire
from django_socketio.relay.envelope import Envelope

logger = get_logger("django_socketio.publishing")


class _Counted:
    failures = 0


def failures() -> int:
    """Return how many messages of this process the relay did not take after a commit."""
    return _Counted.failures


def snapshot(envelope: Envelope) -> Envelope:
    """Return an envelope with the values that its arguments have now, as JSON shows them.

    Raises:
        TypeError, ValueError: an argument cannot be written as JSON, or read again.

    """
    return wire.decode(wire.encode(envelope, encode_default))


def publish_later(publish: Callable[[], None], envelope: Envelope) -> None:
    """Publish an envelope after the commit; log and count the relay's failure."""
    try:
        publish()
    except RelayError as error:
        _Counted.failures += 1
        topics = ", ".join(map(str, envelope.topics[:5]))
        logger.error("%r for %s was not sent after the commit: %s", envelope.name, topics, error)
