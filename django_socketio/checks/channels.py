"""The checks of channels that any client may subscribe to."""

import re
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning

from django_socketio import conf
from django_socketio.checks.handlers import registrations
from django_socketio.events.handlers import Registration
from django_socketio.logs import name_of
from django_socketio.security.open_channels import DECIDING, deciding, is_open
from django_socketio.security.patterns import name_of_channel

PERSONAL = re.compile(
    r"(?i)(?<![a-z])(users?|accounts?|members?|customers?|people|person|profiles?|inbox|private)"
    r"(?![a-z])"
)
"""Words in the names of channels whose messages are for one person."""

HINT = (
    "Push to users by emit(user=…), which needs no channel, or refuse others by may_subscribe, in "
    "a handler of on_subscribe, by SOCKETIO_ALLOWED_CHANNELS or SOCKETIO_DEFAULT_DENY, or have "
    "pages sign their channels (SOCKETIO_SIGNED_ONLY)."
)


def check_personal_channels(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return warnings about patterns of personal channels that anyone may have (``…W011``)."""
    return [
        Warning(
            f"The pattern of {event.name}(channel={handler.pattern.pattern!r}) is for channels of "
            f"single users, and any client may subscribe to {channel!r}.",
            hint=HINT,
            obj=name_of(handler.function),
            id="django_socketio.W011",
        )
        for event, handler in registrations()
        if handler.pattern and event not in DECIDING and PERSONAL.search(handler.pattern.pattern)
        if (channel := _open_channel(handler)) is not None
    ]


def check_open_channels(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return a warning if nothing limits the channels of clients (``…W012``), before deployment."""
    if _are_limited() or not any(registrations()) or any(deciding()):
        return []
    message = (
        "Any client may subscribe to any channel: neither a setting nor a handler refuses one."
    )
    return [Warning(message, hint=HINT, id="django_socketio.W012")]


def _are_limited() -> bool:
    return any(map(conf.raw, ("DEFAULT_DENY", "ALLOWED_CHANNELS", "SIGNED_ONLY")))


def _open_channel(handler: Registration) -> str | None:
    """Return a channel of a handler's pattern, if it is open."""
    channel = name_of_channel(handler.pattern) if handler.pattern else None
    return channel if channel is not None and is_open(handler.namespace, channel) else None
