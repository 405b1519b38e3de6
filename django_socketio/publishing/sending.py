"""Publishing several events, each with its result."""

from collections.abc import Hashable, Sequence
from itertools import repeat

from django_socketio.channels.publish import publish_all
from django_socketio.exceptions import RelayError
from django_socketio.publishing.results import Emitted
from django_socketio.relay.envelope import Envelope
from django_socketio.relay.untried import publish_apart

Message = tuple[Envelope, Emitted]


def publish_each(
    messages: Sequence[Message], batches: Sequence[Hashable] | None = None
) -> list[tuple[Envelope, RelayError]]:
    """Publish events in order, and note the results; return those that failed, with their errors.

    Args:
        batches: what each event belongs to: an error ends its own batch only. None: all events are
            one batch.

    Raises:
        NoRelay: nothing can leave this process.

    """
    for envelope, emitted in messages:
        if not envelope.topics:
            emitted.accept(0)
    pairs = zip(messages, batches or repeat(None), strict=False)
    addressed = [(message, batch) for message, batch in pairs if message[0].topics]
    envelopes = [envelope for (envelope, _), _ in addressed]
    results = publish_apart(publish_all, envelopes, [batch for _, batch in addressed])
    failed = []
    for ((envelope, emitted), _), result in zip(addressed, results, strict=True):
        if isinstance(result, RelayError):
            failed.append((envelope, result))
        else:
            emitted.accept(result)
    return failed
