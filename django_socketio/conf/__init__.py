"""The settings of a site.

Modules at the edge of the package read a setting when they use it, and give it to others as an
argument.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_socketio.conf.table import SETTINGS
from django_socketio.transports.limits import Limits, Rates

__all__ = [
    "SETTINGS",
    "get",
    "import_callable",
    "is_set",
    "limits",
    "patterns",
    "problem",
    "rates",
    "raw",
    "unknown_settings",
]

PREFIX = "SOCKETIO_"


def raw(name: str) -> Any:
    """Return the value of the setting ``SOCKETIO_<name>`` or its default, without a check."""
    return getattr(settings, PREFIX + name, SETTINGS[name].default)


def get(name: str) -> Any:
    """Return the value of the setting ``SOCKETIO_<name>``, or its default.

    Raises:
        ImproperlyConfigured: the value cannot be used.

    """
    setting = SETTINGS[name]
    value = raw(name)
    if not setting.valid(value):
        error = ImproperlyConfigured(problem(name, value))
        del value  # error reports show the variables of frames; this one may hold a password
        raise error
    return value


def import_callable(name: str, path: str, expected: str) -> Callable[..., Any]:
    """Return the object at a dotted path, which is in the value of ``SOCKETIO_<name>``.

    Raises:
        ImproperlyConfigured: the path leads nowhere, or to an object that cannot be called.

    """
    expectation = f"{PREFIX}{name} must be {expected}, not {path!r}"
    try:
        found = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"{expectation}, which cannot be imported: {error}") from error
    if not callable(found):
        raise ImproperlyConfigured(f"{expectation}, which is {found!r}")
    result: Callable[..., Any] = found
    return result


def patterns(name: str) -> list[re.Pattern[str]]:
    """Return the patterns of a setting that has a list of them; True stands for all channels.

    Raises:
        ImproperlyConfigured: the value cannot be used.

    """
    value = get(name)
    return [re.compile(one) for one in ([""] if value is True else value or ())]


def is_set(name: str) -> bool:
    """Return whether the project sets ``SOCKETIO_<name>``."""
    return hasattr(settings, PREFIX + name)


def limits() -> Limits:
    """Return the limits that the settings define."""
    return Limits(**{name: get(name.upper()) for name in Limits.__slots__})


def rates() -> Rates:
    """Return the rates that the settings define."""
    return Rates(**{name: get(name.upper()) for name in Rates.__slots__})


def problem(name: str, value: Any) -> str:
    """Return a text with the setting, the values that it takes, its value, and each wrong part.

    The value of ``SOCKETIO_RELAY_URL`` is not shown, because it may hold a password.
    """
    setting = SETTINGS[name]
    explanation = setting.explain(value)
    if explanation is not None:
        return f"{PREFIX}{name} {explanation}."
    faults = "".join(f" {fault}." for fault in setting.faults(value))
    return f"{PREFIX}{name} must be {setting.expected}, not {value!r}.{faults}"


def unknown_settings() -> Iterator[str]:
    """Yield the names of settings that begin with ``SOCKETIO_`` and are not in the table."""
    for name in dir(settings):
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in SETTINGS:
            yield name
