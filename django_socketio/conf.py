"""The table of settings.

Modules at the edge of the package read a setting when they use it, and give it to others as an
argument.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_socketio.protocol.http.origin import fault as origin_fault
from django_socketio.relay import history_rules
from django_socketio.relay.redis.url import SCHEMES, RelayURL
from django_socketio.transports.limits import Limits, Rates

PREFIX = "SOCKETIO_"

Valid = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Args:
        default: the value if the project does not set one.
        valid: returns whether a value can be used.
        expected: completes the sentence "SOCKETIO_X must be …, not …".

    """

    default: Any
    valid: Valid
    expected: str
    faults: Callable[[Any], list[str]] = lambda value: []
    """Returns a sentence, without its full stop, for each part of a value that is wrong."""

    explain: Callable[[Any], str | None] = lambda value: None
    """Returns what is wrong with a value that must not be shown; None if the value may be shown."""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and 0 < value < float("inf")


def _is_time(value: Any) -> bool:
    return _is_number(value) and 0 <= value < float("inf")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_port(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65_535


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_format(value: Any) -> bool:
    if value is None or not isinstance(value, str):
        return value is None
    try:
        return isinstance(value % defaultdict(str), str)
    except (TypeError, ValueError):
        return False


def _is_whole(value: Any) -> bool:
    return value == 0 or _is_count(value)


def _is_prefix(value: Any) -> bool:
    return _is_text(value) and not set("{}") & set(value)


@lru_cache(maxsize=16)
def _problem_of_url(url: str) -> str | None:
    """Return why a relay's URL cannot be used. Cached: each publisher of a message asks."""
    try:
        RelayURL.parse(url)
    except ValueError as error:
        return f"cannot be used: {error}"
    return None


def _is_relay_url(value: Any) -> bool:
    return value is None or (isinstance(value, str) and _problem_of_url(value) is None)


def _explain_relay_url(value: Any) -> str | None:
    if isinstance(value, str):
        return _problem_of_url(value)
    return f"must be {_A_RELAY_URL}, not a value of type {type(value).__name__}"


_A_RELAY_URL = f'a URL such as "redis://localhost:6379/0" ({", ".join(SCHEMES)})'


FIELD_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def _fault_of_name(name: Any) -> str | None:
    is_name = isinstance(name, str) and FIELD_NAME.fullmatch(name)
    return None if is_name else f"{name!r} is not the name of a header field"


def _is_path(value: Any) -> bool:
    if value is None or not isinstance(value, str):
        return value is None
    parts = value.split(".")
    return len(parts) > 1 and all(part.isidentifier() for part in parts)


def _fault_of_path(path: Any) -> str | None:
    is_path = path is not None and _is_path(path)
    return None if is_path else f"{path!r} is not a dotted path"


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_optional_flag(value: Any) -> bool:
    return value is None or _is_flag(value)


def _list(default: Any, fault: Callable[[Any], str | None], expected: str) -> Setting:
    """Return a setting that is a list, of which ``fault`` checks each entry; or its default."""

    def faults(value: Any) -> list[str]:
        entries = value if isinstance(value, (list, tuple)) else ()
        return [found for entry in entries if (found := fault(entry))]

    def is_valid(value: Any) -> bool:
        return value is default or (isinstance(value, (list, tuple)) and not faults(value))

    return Setting(default, is_valid, expected, faults)


def _seconds(default: float) -> Setting:
    return Setting(default, _is_positive, "a positive number of seconds")


def _rate() -> Setting:
    return Setting(
        None,
        lambda value: value is None or _is_positive(value),
        "a positive number, or None (no limit)",
    )


def _threshold() -> Setting:
    return Setting(
        None,
        lambda value: value is None or _is_count(value),
        "a whole number of bytes, at least 1, or None (no compression)",
    )


def _count(default: int, unit: str) -> Setting:
    return Setting(default, _is_count, f"a whole number of {unit}, at least 1")


_LIMITS = Limits()

SETTINGS = {
    "HOST": Setting("127.0.0.1", _is_text, "a host name or an IP address"),
    "PORT": Setting(9000, _is_port, "a port number from 0 (a free port) to 65535"),
    "RUNSERVER": Setting(False, _is_flag, "True or False"),
    "MESSAGE_LOG_FORMAT": Setting(
        '%(REMOTE_ADDR)s - - [%(TIME)s] "Socket.IO %(TYPE)s: %(MESSAGE)s"',
        _is_format,
        "a %-format string with keys of META, TIME, TYPE and MESSAGE, or None (no message log)",
    ),
    "ALLOWED_ORIGINS": _list(
        (), origin_fault, 'a list of origins such as "https://example.com", or ["*"] (all origins)'
    ),
    "ALLOWED_HEADERS": _list(
        None,
        _fault_of_name,
        'a list of names of header fields such as "Authorization", or None (the default rules)',
    ),
    "ALLOWED_CHANNELS": Setting(
        None,
        _is_path,
        'the dotted path of a function such as "chat.channels.allowed", or None (no function)',
    ),
    "DEFAULT_DENY": Setting(False, _is_flag, "True or False"),
    "HANDLER_CONTEXT": _list(
        (),
        _fault_of_path,
        'a list of dotted paths of context managers such as ["chat.contexts.tenant"]',
    ),
    "LOGIN_CHECK_INTERVAL": _seconds(60.0),
    "LOGIN_REQUIRED": Setting(
        None, _is_optional_flag, "True, False, or None (True beside LoginRequiredMiddleware)"
    ),
    "RELAY_URL": Setting(
        None,
        _is_relay_url,
        _A_RELAY_URL,
        explain=_explain_relay_url,
    ),
    "RELAY_PREFIX": Setting(
        "socketio", _is_prefix, "a string without braces, which begins all names in Redis"
    ),
    "RELAY_TIMEOUT": _seconds(2.0),
    "RELAY_LOG": Setting(1000, _is_whole, "a whole number of messages (0 keeps no messages)"),
    "RELAY_LOG_BYTES": _count(1_000_000, "bytes"),
    "RELAY_LOG_SECONDS": _seconds(60.0),
    "HISTORY": Setting(
        {},
        history_rules.is_valid,
        'a dict such as {"^room-": {"size": 100, "seconds": 3600, "replay": 20}}, with patterns of '
        'channels and "user=", "session=" or "group=" as keys',
        history_rules.faults,
    ),
    "RECOVERY_SECONDS": Setting(
        30.0, _is_time, "a number of seconds (0 keeps no messages for clients that are away)"
    ),
    "RELAY_SIGNING": Setting(False, _is_flag, "True or False"),
    "RELAY_IN_TESTS": Setting(False, _is_flag, "True or False"),
    "MAX_MESSAGE_SIZE": _count(_LIMITS.max_message_size, "bytes"),
    "PING_INTERVAL": _seconds(_LIMITS.ping_interval),
    "PING_TIMEOUT": _seconds(_LIMITS.ping_timeout),
    "REQUEST_TIMEOUT": _seconds(30.0),
    "SEND_TIMEOUT": _seconds(60.0),
    "CONNECT_TIMEOUT": _seconds(_LIMITS.connect_timeout),
    "MAX_PAYLOAD_PACKETS": _count(_LIMITS.max_payload_packets, "packets"),
    "MAX_ATTACHMENTS": _count(_LIMITS.max_attachments, "attachments"),
    "MAX_CHANNELS": _count(_LIMITS.max_channels, "channels"),
    "MAX_UNSENT_BYTES": _count(_LIMITS.max_unsent_bytes, "bytes"),
    "COMPRESSION_THRESHOLD": _threshold(),
    "MAX_WAITING_EVENTS": _count(_LIMITS.max_waiting_events, "events"),
    "MAX_WAITING_CALLS": _count(_LIMITS.max_waiting_calls, "calls"),
    "WORKERS": _count(_LIMITS.workers, "greenlets"),
    "ADDRESS_CONNECT_RATE": _rate(),
    "ADDRESS_MESSAGE_RATE": _rate(),
    "ADDRESS_BYTE_RATE": _rate(),
    "CLIENT_MESSAGE_RATE": _rate(),
    "CLIENT_BYTE_RATE": _rate(),
    "RATE_BURST": _seconds(Rates().rate_burst),
    "THREADS": _count(10, "threads"),
    "BLOCKED_AFTER": Setting(1.0, _is_time, "a number of seconds (0 disables the watchdog)"),
}


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
