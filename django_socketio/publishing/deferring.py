"""Publishing after a commit, where no exception can reach the caller any more."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

from django.db import connections, transaction

from django_socketio.concurrency.threads import forbid, running
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.publishing.results import Emitted
from django_socketio.publishing.sending import Message, publish_each
from django_socketio.publishing.transactions import alias_of, has_transaction
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


def publish_each_later(messages: Sequence[Message], on_commit: bool | str) -> None:
    """Publish envelopes in order after the commit of a database; log and count the relay's failure.

    The error of one does not concern the others. Without a transaction, all are published now.

    Args:
        on_commit: the alias of the database; True for the one that has a transaction.

    Raises:
        ThreadError: the caller is a function of ``in_thread``.
        TransactionManagementError: the site manages the transaction by itself.

    """
    _publish_later(messages, [object() for _ in messages], on_commit)


@contextmanager
def published_later(on_commit: str) -> Iterator[list[Message]]:
    """Publish the messages that a block collects, also those that it has before an error."""
    messages: list[Message] = []
    try:
        yield messages
    finally:
        publish_each_later(messages, on_commit)


def publish_all_later(messages: Sequence[Message], on_commit: bool | str) -> None:
    """Publish envelopes as ``publish_each_later``, but the first error ends it."""
    _publish_later(messages, [object()] * len(messages), on_commit)


def _publish_later(
    messages: Sequence[Message], batches: Sequence[object], on_commit: bool | str
) -> None:
    if running:  # the transaction of the handler is another thread's
        forbid("on_commit=True (the default of emit_template)")
    connection = connections[alias_of(on_commit)]
    if not has_transaction(connection):
        return _publish_now(messages, batches)
    for message, batch in zip(messages, batches, strict=True):
        later = _Later(*message, connection.run_on_commit, batch)
        transaction.on_commit(later, using=connection.alias, robust=True)


def _publish_now(messages: Sequence[Message], batches: Sequence[object]) -> None:
    """Publish messages as a commit would that has no other functions."""
    functions: list[Any] = []
    for message, batch in zip(messages, batches, strict=True):
        functions.append((set(), _Later(*message, functions, batch)))
    for _, function in functions:
        function()
    functions.clear()  # which they refer to


class _Later:
    """A message that waits for a commit.

    Messages that follow each other in one transaction share a round trip: the first that is called
    takes along those that are to be called next. An error concerns only those that belong together.
    Functions of others keep their place between messages. Django takes the functions from the front
    of the connection's list, one by one, so the list shows which ones are next.

    A rollback to a savepoint replaces the list. Then the function of this message is still in its
    place in the old list, and some of those that follow it there may have been undone: not those
    that were added within no other savepoints than this one, which is about to be sent.

    Attributes:
        batch: the same for messages that belong together: the first error of a batch ends it.

    """

    def __init__(
        self, envelope: Envelope, emitted: Emitted, functions: list[Any], batch: object
    ) -> None:
        self.envelope = envelope
        self.emitted = emitted
        self.batch = batch
        self._functions = functions
        self._place = len(functions)  # where it is about to be added
        self._is_sent = False

    def __call__(self) -> None:
        if self._is_sent:
            return
        messages = [self, *self._rest()]
        try:
            _publish(messages)
        except Exception as error:  # of this message, as far as is known: the others try again
            self.emitted.is_lost = True
            return _note_failure(self.envelope, error)
        for one in messages:
            one._is_sent = True
            one.emitted.is_lost = not one.emitted

    def _rest(self) -> list["_Later"]:
        """Return the messages that Django is about to call without another function between."""
        functions, place = self._functions, self._place
        sure: Iterable[Any] = functions
        if place < len(functions) and functions[place][1] is self:
            savepoints = functions[place][0]
            sure = takewhile(lambda one: one[0] <= savepoints, functions[place + 1 :])
        return [*takewhile(lambda one: isinstance(one, _Later), (one[1] for one in sure))]


def _publish(messages: Sequence[_Later]) -> None:
    """Publish messages in order; log and count those that the relay did not take."""
    pairs = [(one.envelope, one.emitted) for one in messages]
    try:
        failed = publish_each(pairs, [one.batch for one in messages])
    except RelayError as error:
        failed = [(envelope, error) for envelope, _ in pairs if envelope.topics]
    for envelope, reason in failed:
        _note_failure(envelope, reason)


def _note_failure(envelope: Envelope, error: Exception) -> None:
    _Counted.failures += 1
    topics = ", ".join(map(str, envelope.topics[:5]))
    text = "%r for %s was not sent after the commit: %s"
    is_unknown = not isinstance(error, RelayError)
    logger.error(text, envelope.name, topics, error, exc_info=is_unknown and error)
