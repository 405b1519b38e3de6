"""The checks of ``SOCKETIO_CLIENT_EVENTS`` beside the handlers and the rates of the site."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning

from django_socketio import conf
from django_socketio.events import on_event
from django_socketio.events.client_events import Rule, is_valid, rules
from django_socketio.events.handlers import Registration
from django_socketio.logs import name_of
from django_socketio.security.patterns import name_of_channel


def valid_rules() -> list[Rule]:
    """Return the rules of the setting; none where its value cannot be used."""
    setting = conf.raw("CLIENT_EVENTS")
    return list(rules(setting)) if is_valid(setting) else []


def check_client_events(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return warnings about client events that a handler takes (``django_socketio.W013``)."""
    return [
        Warning(
            f"SOCKETIO_CLIENT_EVENTS has {name!r} for {rule.pattern.pattern!r}, but the handler "
            f"{name_of(handler.function)} takes this event: it is not relayed.",
            hint="Remove the handler, or the name from the setting.",
            id="django_socketio.W013",
        )
        for rule in valid_rules()
        for name in sorted(rule.names)
        for handler in _handlers_of(rule, name)
    ]


def _handlers_of(rule: Rule, name: str) -> Iterator[Registration]:
    event, channel = on_event.get(name), name_of_channel(rule.pattern)
    for handler in event.handlers if event is not None else ():
        # Where no name of a channel is found, only a handler of all channels is certain.
        channels = () if channel is None else (channel,)
        if handler.pattern is None or handler.concerns(handler.namespace, channels):
            yield handler


def check_rates_of_client_events(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return a warning about client events without a rate (``…W014``), before deployment."""
    if not valid_rules() or conf.raw("CLIENT_MESSAGE_RATE") is not None:
        return []
    return [
        Warning(
            "SOCKETIO_CLIENT_EVENTS lets clients send to all members of a channel, as fast as they "
            "like.",
            hint="Set SOCKETIO_CLIENT_MESSAGE_RATE.",
            id="django_socketio.W014",
        )
    ]
