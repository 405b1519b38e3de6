"""Envelopes that share round trips, but do not depend on each other."""

from collections.abc import Callable, Hashable, Sequence
from time import monotonic

from django_socketio.exceptions import RelayError
from django_socketio.relay.envelope import Envelope

PATIENCE = 5.0
"""Seconds after the first error in which envelopes are handed on that were not tried: where the
relay is away, each try may take as long as the relay has to answer."""

Result = int | RelayError

PublishAll = Callable[[Sequence[Envelope]], list[Result]]
"""Publishes as ``Relay.publish_all``."""


class NotTried(RelayError):
    """An envelope was not handed on, because one before it was not taken; it has the same text."""


def not_tried(error: RelayError, count: int) -> list[NotTried]:
    """Return what so many envelopes have that an error before them has left."""
    return [NotTried(*error.args)] * count


def publish_apart(
    publish_all: PublishAll,
    envelopes: Sequence[Envelope],
    batches: Sequence[Hashable],
) -> list[Result]:
    """Hand envelopes on in their order; return for each what ``Relay.publish`` would, or its error.

    Args:
        batches: what each envelope belongs to: an error ends its own batch only.

    Raises:
        EventError, TypeError, ValueError, RelayError: as ``publish_all``, when it is called first.

    """
    results = publish_all(envelopes)
    until = monotonic() + PATIENCE
    while (left := _left(results, batches)) and monotonic() < until:
        again = _published(publish_all, [envelopes[index] for index in left])
        for index, result in zip(left, again, strict=True):
            results[index] = result
    return results


def _published(publish_all: PublishAll, envelopes: Sequence[Envelope]) -> list[Result]:
    try:
        return publish_all(envelopes)
    except RelayError as error:  # others were handed on before, and have their results
        return [error] * len(envelopes)


def _left(results: Sequence[Result], batches: Sequence[Hashable]) -> list[int]:
    """Return the indices of what was not tried, and is in no batch that an error has ended."""
    errors = [(i, one) for i, one in enumerate(results) if isinstance(one, RelayError)]
    ended = {batches[index] for index, one in errors if not isinstance(one, NotTried)}
    return [i for i, one in errors if isinstance(one, NotTried) and batches[i] not in ended]
