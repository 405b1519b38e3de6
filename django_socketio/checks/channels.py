"""The checks of channels that any client may subscribe to."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning

from django_socketio import conf
from django_socketio.checks.handlers import registrations
from django_socketio.events import on_subscribe
from django_socketio.events.handlers import Registration
from django_socketio.logs import name_of
from django_socketio.security.patterns import name_of_channel

PERSONAL = re.compile(
    r"(?i)(?<![a-z])(users?|accounts?|members?|customers?|people|person|profiles?|inbox|private)"
    r"(?![a-z])"
)
"""Words in the names of channels whose messages are for one person."""

HINT = (
    "Push to users by emit(user=…), which needs no channel, or refuse others in a handler of "
    "on_subscribe, by SOCKETIO_ALLOWED_CHANNELS or by SOCKETIO_DEFAULT_DENY."
)


def check_personal_channels(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return warnings about patterns of personal channels that anyone may have (``…W011``)."""
    if _are_limited():
        return []
    return [
        Warning(
            f"The pattern of {event.name}(channel={handler.pattern.pattern!r}) is for channels of "
            f"single users, and any client may subscribe to {channel!r}.",
            hint=HINT,
            obj=name_of(handler.function),
            id="django_socketio.W011",
        )
        for event, handler in registrations()
        if handler.pattern
        and event is not on_subscribe
        and PERSONAL.search(handler.pattern.pattern)
        for channel in _open_channels(handler)
    ]


def check_open_channels(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return a warning if nothing limits the channels of clients (``…W012``), before deployment."""
    if _are_limited() or not any(registrations()) or on_subscribe.handlers.registrations:
        return []
    message = (
        "Any client may subscribe to any channel: neither a setting nor a handler refuses one."
    )
    return [Warning(message, hint=HINT, id="django_socketio.W012")]


def _are_limited() -> bool:
    return bool(conf.raw("DEFAULT_DENY") or conf.raw("ALLOWED_CHANNELS"))


def _open_channels(handler: Registration) -> Iterator[str]:
    """Yield a channel of a handler's pattern, if no handler of ``on_subscribe`` concerns it."""
    channel = name_of_channel(handler.pattern) if handler.pattern else None
    if channel is not None and not any(
        one.concerns(handler.namespace, (channel,)) for one in on_subscribe.handlers
    ):
        yield channel
