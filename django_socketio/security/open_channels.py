"""The channels that any client may have which knows their names."""

import re
from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_socketio import conf
from django_socketio.events import may_subscribe, on_subscribe
from django_socketio.events.handlers import Registration
from django_socketio.logs import get_logger

logger = get_logger("django_socketio.security")

DECIDING = (may_subscribe.event, on_subscribe)
"""Events whose functions may refuse a channel."""

MAX_WARNED = 100
"""Channels that the log names, each of them once."""

_warned: set[str] = set()


def deciding() -> Iterator[Registration]:
    """Yield the functions that may refuse a channel."""
    return (one for event in DECIDING for one in event.handlers)


def is_open(namespace: str, channel: str) -> bool:
    """Return whether no setting and no function keeps a client from a channel."""
    if conf.raw("DEFAULT_DENY") or conf.raw("ALLOWED_CHANNELS"):
        return False
    if any(one.concerns(namespace, (channel,)) for one in deciding()):
        return False
    try:
        return not any(pattern.match(channel) for pattern in conf.patterns("SIGNED_ONLY"))
    except ImproperlyConfigured:
        return False  # the check of settings tells of it


def warn_if_open(namespace: str, channel: str) -> None:
    """Under DEBUG, warn of a channel that is signed for one login and open to all, once."""
    kind = re.sub(r"\d+", "0", channel)
    if not settings.DEBUG or kind in _warned or not is_open(namespace, channel):
        return
    if len(_warned) < MAX_WARNED:
        _warned.add(kind)
        logger.warning(
            "The channel %r is signed for one login, but any client may subscribe to it by its "
            "name. Set SOCKETIO_SIGNED_ONLY, or decide by @may_subscribe.",
            channel,
        )
