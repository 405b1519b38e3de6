"""``emit_batch``: many events in few round trips."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django_socketio.publishing.audiences import OMITTED, Groups, Names, Sessions, Users
from django_socketio.publishing.deferring import publish_all_later, snapshot
from django_socketio.publishing.emitting import decided, new_envelope, new_result
from django_socketio.publishing.results import Emitted
from django_socketio.publishing.sending import Message, publish_each


@contextmanager
def emit_batch(*, on_commit: bool | str = OMITTED) -> Iterator["EmitBatch"]:
    """Collect events in a ``with`` block, and send them at its end, in order.

    An exception in the block leaves all of them unsent. ``on_commit`` is as of ``emit``: the events
    wait for the commit, and a failure of the relay is logged.

    Raises:
        RelayError: the relay did not take all events; ``NoRelay`` if this process has none. The
            result of each event that it took is true.

    """
    batch = EmitBatch(decided(on_commit, "emit_batch"))
    yield batch
    batch.send()


class EmitBatch:
    """The events of an ``emit_batch`` block."""

    def __init__(self, on_commit: bool | str = False) -> None:
        self._on_commit = on_commit
        self._messages: list[Message] = []

    def emit(
        self,
        event: str,
        *args: Any,
        channel: Names = OMITTED,
        user: Users = OMITTED,
        session: Sessions = OMITTED,
        group: Groups = OMITTED,
        session_id: Names = OMITTED,
        namespace: str = "/",
        keep: float | None = None,
        idempotency_key: str | None = None,
    ) -> Emitted:
        """Add an event, with the values that its arguments have now.

        The arguments are those of ``emit``. The result becomes true when the relay takes the event.

        Raises:
            ChannelError, EventError: a name is not allowed.
            TypeError, ValueError: an audience or an argument cannot be used.

        """
        given = {"channel": channel, "user": user, "session": session, "group": group}
        given["session_id"] = session_id
        envelope = new_envelope(event, args, given, namespace, keep, idempotency_key)
        emitted = new_result()
        self._messages.append((snapshot(envelope), emitted))
        return emitted

    def __len__(self) -> int:
        """Return how many events wait to be sent."""
        return len(self._messages)

    def send(self) -> None:
        """Send the events that wait: the end of the block does so.

        Raises:
            RelayError: the relay did not take all events; ``NoRelay`` if this process has none.

        """
        messages, self._messages = self._messages, []
        if self._on_commit is not False:
            return publish_all_later(messages, self._on_commit)
        failed = publish_each(messages)
        if failed:
            _, error = failed[0]
            taken = len(messages) - len(failed)
            text = f"{error} ({taken} of {len(messages)} events of the batch were sent)"
            raise type(error)(text) from error
