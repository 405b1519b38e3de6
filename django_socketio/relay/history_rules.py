"""The rules of histories, as ``SOCKETIO_HISTORY`` has them."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from django_socketio.relay import patterns
from django_socketio.relay.topics import Retention, RetentionRule, TopicKind

AUDIENCES = {"user=": TopicKind.USER, "session=": TopicKind.SESSION, "group=": TopicKind.GROUP}
"""The keys that are no patterns of channels: arguments of ``emit``."""

MAX_HISTORY = 10_000
"""Messages of a history, at most."""

MAX_KEEP = 10 * 365 * 86_400.0
"""Seconds for which a message can be kept, at most: ten years."""

A_TIME = f"a number of seconds, more than 0 and at most {MAX_KEEP:.0f} (ten years)"
"""The values that ``is_time`` accepts, for errors."""


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_HISTORY


def _is_size(value: Any) -> bool:
    return _is_whole(value) and value > 0


def is_time(value: Any) -> bool:
    """Return whether a message can be kept for so many seconds."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 < value <= MAX_KEEP


_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "size": (_is_size, f"a whole number from 1 to {MAX_HISTORY}"),
    "seconds": (is_time, "a positive number, at most ten years"),
    "replay": (_is_whole, "a whole number, at most the size"),
}


def is_valid(value: Any) -> bool:
    """Return whether a value can be used as the setting."""
    return isinstance(value, dict) and not faults(value)


def faults(value: Any) -> list[str]:
    """Return a sentence, without its full stop, for each part of the setting that is wrong."""
    rules = value.items() if isinstance(value, dict) else ()
    return [fault for key, rule in rules for fault in _faults_of_rule(key, rule)]


def _faults_of_rule(key: Any, rule: Any) -> Iterator[str]:
    if fault := patterns.fault_of(key):
        yield fault
    if not isinstance(rule, dict) or not {"size", "seconds"} <= rule.keys():
        yield f'{key!r} needs a dict with "size" and "seconds", not {rule!r:.100}'
        return
    for name, value in rule.items():
        if name not in _VALUES:
            yield f"{key!r} has the unknown key {name!r}; known are {', '.join(_VALUES)}"
        elif not _VALUES[name][0](value):
            yield f"{name!r} of {key!r} must be {_VALUES[name][1]}, not {value!r:.100}"
        elif name == "replay" and _is_size(rule["size"]) and value > rule["size"]:
            yield f"'replay' of {key!r} must not be more than 'size', {rule['size']}"


def retention_rules(default: Retention, setting: dict[str, Any]) -> Iterator[RetentionRule]:
    """Yield the rules that the setting stands for.

    Args:
        default: has the bytes that a log may have.

    """
    for key, rule in setting.items():
        retention = default._replace(
            messages=rule["size"],
            seconds=rule["seconds"],
            is_history=True,
            replay=rule.get("replay", 0),
        )
        kind = AUDIENCES.get(key, TopicKind.CHANNEL)
        yield RetentionRule(kind, re.compile("" if key in AUDIENCES else key), retention)
