"""The channels on which presence is noted: by the setting, and by the handlers of a site."""

import re
from collections.abc import Sequence
from functools import lru_cache

from django_socketio import events
from django_socketio.events.handlers import Registration

NOT_NOTED = (
    "nobody's presence is noted on the channel {!r:.200}: no pattern of SOCKETIO_PRESENCE, of "
    "on_join or of on_leave matches it"
)

Registrations = tuple[Registration, ...]


def is_noted(patterns: Sequence[re.Pattern[str]], namespace: str, channel: str) -> bool:
    """Return whether people are noted on a channel.

    Args:
        patterns: those of the setting, for all namespaces.
        namespace, channel: the channel.

    """
    return _is_noted(patterns, registrations(), namespace, channel)


def registrations() -> Registrations:
    """Return the registrations of ``on_join`` and ``on_leave``."""
    joined, left = events.on_join.handlers, events.on_leave.handlers
    return joined.registrations + left.registrations


@lru_cache(1024)
def _is_noted(
    patterns: Sequence[re.Pattern[str]], handlers: Registrations, namespace: str, channel: str
) -> bool:
    if any(pattern.match(channel) for pattern in patterns):
        return True
    return any(handler.concerns(namespace, (channel,)) for handler in handlers)
