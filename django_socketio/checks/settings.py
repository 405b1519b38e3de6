"""Checks of the settings: their values, their names, and what is unsafe."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from django_socketio import conf
from django_socketio.protocol.http.origin import NULL, parse_pattern
from django_socketio.security import permissions
from django_socketio.server import handler_contexts, relays, tracing


def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return errors and warnings about the settings.

    ``django_socketio.E001``: a value cannot be used. ``…E002``: a dotted path leads nowhere.
    ``…E003``: a package that a setting needs is not installed. ``…W001``: a name is unknown.
    ``…W002``: pages of unknown authors can connect.
    """
    return [
        *_bad_values(),
        *_bad_paths(),
        *_missing_packages(),
        *_unknown_names(),
        *_open_doors(),
    ]


def _missing_packages() -> list[CheckMessage]:
    missing = []
    if conf.raw("RELAY_URL") is not None and not relays.has_redis():
        missing.append(relays.NO_REDIS)
    if conf.raw("TRACING") and not tracing.is_possible():
        missing.append(tracing.NO_OPENTELEMETRY)
    return [Error(text, id="django_socketio.E003") for text in missing]


_PATHS: dict[str, Callable[[], object]] = {
    "ALLOWED_CHANNELS": permissions.callback,
    "HANDLER_CONTEXT": handler_contexts.from_settings,
}
"""The settings whose values are dotted paths, with functions that import them."""


def _bad_paths() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for name, read in _PATHS.items():
        try:
            if conf.SETTINGS[name].valid(conf.raw(name)):
                read()
        except ImproperlyConfigured as error:
            found.append(Error(str(error), id="django_socketio.E002"))
    return found


_OPEN_DOORS = {
    "*": "any page that a user visits",
    NULL: "any page that a user visits, in a sandboxed frame of its own,",
    "file": "any HTML file that a user opens",
}


def _open_doors() -> list[CheckMessage]:
    allowed = conf.raw("ALLOWED_ORIGINS")
    if not conf.SETTINGS["ALLOWED_ORIGINS"].valid(allowed):
        return []
    return [
        Warning(
            f'SOCKETIO_ALLOWED_ORIGINS contains "{entry}": {pages} can open a WebSocket to this '
            "site with the user's cookies.",
            hint="List the origins by name, unless all messages of sockets are public.",
            id="django_socketio.W002",
        )
        for entry in allowed
        if (pages := _strangers(entry))
    ]


def _strangers(entry: str) -> str | None:
    """Return the pages of unknown authors that an entry admits, if it admits any."""
    origin = parse_pattern(entry)
    if origin is not None and (domain := origin.top_level_domain):
        return f"any page of a site below .{domain}"
    return _OPEN_DOORS.get(entry.partition("://")[0].lower())


def _bad_values() -> list[CheckMessage]:
    values = {name: conf.raw(name) for name in conf.SETTINGS}
    return [
        Error(conf.problem(name, value), id="django_socketio.E001")
        for name, value in values.items()
        if conf.is_set(name) and not conf.SETTINGS[name].valid(value)
    ]


def _unknown_names() -> list[CheckMessage]:
    known = [conf.PREFIX + name for name in conf.SETTINGS]
    return [
        Warning(
            f"django-socketio has no setting {name}.",
            hint=_hint(get_close_matches(name, known, 1)),
            id="django_socketio.W001",
        )
        for name in conf.unknown_settings()
    ]


def _hint(matches: list[str]) -> str | None:
    return f"Did you mean {matches[0]}?" if matches else None
