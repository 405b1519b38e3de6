"""System checks: ``manage.py check`` reports settings that cannot be meant."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from django_socketio import conf


def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report ill-typed values (``django_socketio.E001``) and unknown names (``…W001``)."""
    return [*_bad_values(), *_unknown_names()]


def _bad_values() -> list[CheckMessage]:
    values = {name: getattr(settings, conf.PREFIX + name, None) for name in conf.SETTINGS}
    return [
        Error(conf.problem(name, value), id="django_socketio.E001")
        for name, value in values.items()
        if conf.is_set(name) and not conf.SETTINGS[name].valid(value)
    ]


def _unknown_names() -> list[CheckMessage]:
    known = [conf.PREFIX + name for name in conf.SETTINGS]
    return [
        Warning(
            f"{name} is no setting of django-socketio.",
            hint=_hint(get_close_matches(name, known, 1)),
            id="django_socketio.W001",
        )
        for name in conf.unknown_settings()
    ]


def _hint(matches: list[str]) -> str | None:
    return f"Did you mean {matches[0]}?" if matches else None
