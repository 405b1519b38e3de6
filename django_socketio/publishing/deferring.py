"""Publishing after a commit, where no exception can reach the caller any more."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction

from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.publishing.results import Emitted
from django_socketio.publishing.sending import publish_each
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
    envelope.encoded = wire.encode(envelope, encode_default)
    return envelope


def publish_later(envelope: Envelope, emitted: Emitted, on_commit: bool | str) -> None:
    """Publish an envelope after the commit of a database; log and count the relay's failure.

    Args:
        on_commit: the alias of the database; True for the default one.

    """
    using = DEFAULT_DB_ALIAS if on_commit is True else on_commit
    later = _Later(envelope, emitted, transaction.get_connection(str(using)))
    transaction.on_commit(later, using=str(using), robust=True)


class _Later:
    """A message that waits for a commit.

    Messages that follow each other in one transaction share a round trip: the first that is called
    takes along those that are to be called next. Functions of others keep their place between
    messages. Django takes the functions from the front of the connection's list, one by one, so the
    list shows which ones are next. A rollback to a savepoint replaces the list. Then the function
    of this message is still in the old list, which tells nothing, and the message goes alone.
    """

    def __init__(self, envelope: Envelope, emitted: Emitted, connection: Any) -> None:
        self.envelope = envelope
        self.emitted = emitted
        self._functions = connection.run_on_commit
        self._is_sent = False

    def __call__(self) -> None:
        if self._is_sent:
            return
        messages = [self, *self._rest()]
        _publish(messages)
        for one in messages:  # not before: an error of another kind is one of each message
            one._is_sent = True

    def _rest(self) -> list["_Later"]:
        functions = [function for _, function, _ in self._functions]
        if self in functions:
            return []
        return [*takewhile(lambda one: isinstance(one, _Later), functions)]


def _publish(messages: Sequence[_Later]) -> None:
    """Publish messages in order; log and count those that the relay did not take."""
    pairs = [(one.envelope, one.emitted) for one in messages]
    try:
        failed = publish_each(pairs)
    except RelayError as error:
        failed = [(envelope, error) for envelope, _ in pairs if envelope.topics]
    for envelope, reason in failed:
        _note_failure(envelope, reason)


def _note_failure(envelope: Envelope, error: RelayError) -> None:
    _Counted.failures += 1
    topics = ", ".join(map(str, envelope.topics[:5]))
    logger.error("%r for %s was not sent after the commit: %s", envelope.name, topics, error)
