"""The values that settings take."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django_socketio.relay.patterns import fault_of
from django_socketio.relay.redis.connection import url_of
from django_socketio.relay.redis.url import SCHEMES, RelayURL

Valid = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Args:
        default: the value if the project does not set one.
        valid: returns whether a value can be used.
        about: what the setting is for, in docs/settings.rst.
        expected: completes the sentence "SOCKETIO_X must be …, not …".

    """

    default: Any
    valid: Valid
    expected: str
    faults: Callable[[Any], list[str]] = lambda value: []
    """Returns a sentence, without its full stop, for each part of a value that is wrong."""

    explain: Callable[[Any], str | None] = lambda value: None
    """Returns what is wrong with a value that must not be shown; None if the value may be shown."""

    about: str = field(default="", kw_only=True)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_positive(value: Any) -> bool:
    """Return whether a value is a finite number above 0."""
    return _is_number(value) and 0 < value < float("inf")


def is_time(value: Any) -> bool:
    """Return whether a value is a finite number of seconds, or 0."""
    return _is_number(value) and 0 <= value < float("inf")


def is_count(value: Any) -> bool:
    """Return whether a value is a whole number above 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def is_port(value: Any) -> bool:
    """Return whether a value is a port number, or 0."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65_535


def is_text(value: Any) -> bool:
    """Return whether a value is a string that is not empty."""
    return isinstance(value, str) and bool(value)


def is_format(value: Any) -> bool:
    """Return whether a value is a %-format string, or None."""
    if value is None or not isinstance(value, str):
        return value is None
    try:
        return isinstance(value % defaultdict(str), str)
    except (TypeError, ValueError):
        return False


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number, or 0."""
    return value == 0 or is_count(value)


def is_prefix(value: Any) -> bool:
    """Return whether a value can begin the names in Redis."""
    return is_text(value) and not set("{}") & set(value)


@lru_cache(maxsize=16)
def _parse_url(url: str) -> None:
    """Raise ValueError for a relay's URL that cannot be used. Each publisher of a message asks."""
    RelayURL.parse(url)


def _problem_of_url(value: Any) -> str | None:
    try:
        _parse_url(url_of(value))
    except ValueError as error:
        return f"cannot be used: {error}"
    return None


def is_relay_url(value: Any) -> bool:
    """Return whether a value is the address of a relay, or None."""
    return value is None or (isinstance(value, (str, dict)) and _problem_of_url(value) is None)


def explain_relay_url(value: Any) -> str | None:
    """Return what is wrong with the address of a relay, without its password."""
    if isinstance(value, (str, dict)):
        return _problem_of_url(value)
    return f"must be {A_RELAY_URL}, not a value of type {type(value).__name__}"


A_RELAY_URL = (
    f'a URL such as "redis://localhost:6379/0" ({", ".join(SCHEMES)}) or a dictionary such as '
    '{"host": "localhost", "port": 6379, "db": 0, "password": None}'
)


FIELD_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def fault_of_name(name: Any) -> str | None:
    """Return what is wrong with the name of a header field; None if nothing is."""
    is_name = isinstance(name, str) and FIELD_NAME.fullmatch(name)
    return None if is_name else f"{name!r} is not the name of a header field"


def is_path(value: Any) -> bool:
    """Return whether a value is a dotted path, or None."""
    if value is None or not isinstance(value, str):
        return value is None
    parts = value.split(".")
    return len(parts) > 1 and all(part.isidentifier() for part in parts)


def fault_of_path(path: Any) -> str | None:
    """Return what is wrong with a dotted path; None if nothing is."""
    is_valid = path is not None and is_path(path)
    return None if is_valid else f"{path!r} is not a dotted path"


def is_flag(value: Any) -> bool:
    """Return whether a value is True or False."""
    return isinstance(value, bool)


def is_optional_flag(value: Any) -> bool:
    """Return whether a value is True, False or None."""
    return value is None or is_flag(value)


def faults_of_patterns(patterns: Any) -> Iterator[str]:
    """Yield what is wrong with each pattern of a list."""
    found = map(fault_of, patterns if isinstance(patterns, (list, tuple)) else ())
    yield from filter(None, found)


def is_list_of_patterns(value: Any) -> bool:
    """Return whether a value is a list of regular expressions."""
    return isinstance(value, (list, tuple)) and not any(faults_of_patterns(value))


def list_of(default: Any, fault: Callable[[Any], str | None], expected: str, about: str) -> Setting:
    """Return a setting that is a list, of which ``fault`` checks each entry; or its default."""

    def faults(value: Any) -> list[str]:
        entries = value if isinstance(value, (list, tuple)) else ()
        return [found for entry in entries if (found := fault(entry))]

    def is_valid(value: Any) -> bool:
        return value is default or (isinstance(value, (list, tuple)) and not faults(value))

    return Setting(default, is_valid, expected, faults, about=about)


def seconds(default: float, about: str) -> Setting:
    """Return a setting that is a positive number of seconds."""
    return Setting(default, is_positive, "a positive number of seconds", about=about)


def rate(about: str) -> Setting:
    """Return a setting that is a number in a second, or None."""
    return _optional(is_positive, "a positive number, or None (no limit)", about)


def threshold(about: str) -> Setting:
    """Return a setting that is a number of bytes, or None."""
    expected = "a whole number of bytes, at least 1, or None (no compression)"
    return _optional(is_count, expected, about)


def _optional(is_valid: Callable[[Any], bool], expected: str, about: str) -> Setting:
    return Setting(None, lambda value: value is None or is_valid(value), expected, about=about)


def count(default: int, unit: str, about: str) -> Setting:
    """Return a setting that is a whole number of something."""
    return Setting(default, is_count, f"a whole number of {unit}, at least 1", about=about)


def flag(default: bool, about: str) -> Setting:
    """Return a setting that is True or False."""
    return Setting(default, is_flag, "True or False", about=about)
