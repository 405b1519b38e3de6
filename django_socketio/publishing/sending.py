"""Publishing several events, each with its result."""

from collections.abc import Sequence

from django_socketio.channels.publish import publish_all
from django_socketio.exceptions import RelayError
from django_socketio.publishing.results import Emitted
from django_socketio.relay.envelope import Envelope

Message = tuple[Envelope, Emitted]


def publish_each(messages: Sequence[Message]) -> list[tuple[Envelope, RelayError]]:
    """Publish events in order, and note the results; return those that failed, with their errors.

    Raises:
        NoRelay: nothing can leave this process.

    """
    for envelope, emitted in messages:
        if not envelope.topics:
            emitted.accept(0)
    addressed = [message for message in messages if message[0].topics]
    results = publish_all([envelope for envelope, _ in addressed])
    failed = []
    for (envelope, emitted), result in zip(addressed, results, strict=True):
        if isinstance(result, RelayError):
            failed.append((envelope, result))
        else:
            emitted.accept(result)
    return failed
