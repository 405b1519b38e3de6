"""The check of patterns: they take long for some channels, or cannot be meant."""

import re
from collections.abc import Iterator, Sequence
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning

from django_socketio import conf
from django_socketio.channels.names import MAX_CHANNEL_LENGTH
from django_socketio.checks.handlers import registrations
from django_socketio.logs import name_of
from django_socketio.relay.history_rules import AUDIENCES
from django_socketio.security.patterns import name_that_takes_long


def check_patterns(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return warnings about the patterns of handlers and of settings.

    ``django_socketio.W003``: a pattern takes exponential time for a channel. ``…W007``: a pattern
    cannot be meant.
    """
    return [*_of_handlers(), *_of_settings()]


def _of_handlers() -> Iterator[CheckMessage]:
    for event, handler in registrations():
        if (pattern := handler.pattern) is not None:
            subject = f"The pattern of {event.name}(channel={pattern.pattern!r})"
            yield from _faults(pattern, subject, name_of(handler.function))


def _of_settings() -> Iterator[CheckMessage]:
    for name in ("CLIENT_EVENTS", "HISTORY", "PRESENCE", "SIGNED_ONLY"):
        for text in _texts_of(name):
            # All channels can be meant, unless clients then send to all of them what they like.
            if text.strip("^") or name == "CLIENT_EVENTS":
                yield from _faults(re.compile(text), f"The pattern {text!r} of SOCKETIO_{name}")


def _texts_of(name: str) -> Sequence[str]:
    """Return the patterns of a setting; none where its value cannot be used."""
    value = conf.raw(name)
    if isinstance(value, bool) or not conf.SETTINGS[name].valid(value):
        return ()
    return [text for text in value if not (name == "HISTORY" and text in AUDIENCES)]


def _faults(
    pattern: re.Pattern[str], subject: str, obj: str | None = None
) -> Iterator[CheckMessage]:
    yield from _slow(pattern, subject, obj)
    yield from _not_meant(pattern, subject, obj)


def _slow(pattern: re.Pattern[str], subject: str, obj: str | None) -> Iterator[CheckMessage]:
    if name := name_that_takes_long(pattern):
        yield Warning(
            f"{subject} takes exponential time for the channel {name!r}, and clients choose the "
            "names of channels.",
            hint="Change the pattern so that no part of it matches a text in several ways.",
            obj=obj,
            id="django_socketio.W003",
        )


def _not_meant(pattern: re.Pattern[str], subject: str, obj: str | None) -> Iterator[CheckMessage]:
    if found := fault_of(pattern):
        fault, hint = found
        yield Warning(f"{subject} {fault}.", hint=hint, obj=obj, id="django_socketio.W007")


PLACEHOLDER = re.compile(r"(?<!\\)\{[A-Za-z_]\w*\}|(?<!\?P)(?<!\\)<(?:\w+:)?[A-Za-z_]\w*>|%[sd]")

Fault = tuple[str, str]
"""The fault of a pattern, and a hint."""


def fault_of(pattern: re.Pattern[str]) -> Fault | None:
    """Return the reason why a pattern cannot be meant, and a hint; None for other patterns."""
    text, parsed = pattern.pattern, _parser.parse(pattern.pattern, pattern.flags)
    if not text.strip("^"):
        hint = "Write the start of the names; a handler for all channels is given no channel=."
        return "matches every channel", hint
    if placeholder := PLACEHOLDER.search(text):
        return (
            f"contains {placeholder[0]!r}, which stands for itself in a regular expression",
            r"Write a part of a regular expression, such as \d+.",
        )
    if literal := _repeated_literal(parsed):
        return (
            f"is a regular expression, in which {literal + '*'!r} means any number of {literal!r}",
            f"Write {literal + '.*'!r} for {literal!r} and any text; the end of a pattern may be "
            "left out.",
        )
    if parsed.getwidth()[0] > MAX_CHANNEL_LENGTH or _contradicts(parsed):
        return "matches no channel", "^ stands for the start of a name and $ for its end."
    return None


ANY_NUMBER = (0, _constants.MAXREPEAT)
STARTS = (_constants.AT_BEGINNING, _constants.AT_BEGINNING_STRING)
ENDS = (_constants.AT_END, _constants.AT_END_STRING)


def _repeated_literal(parsed: Any) -> str | None:
    """Return a single character before a "*": a wildcard of a shell is meant."""
    nodes = [node for node in parsed if node[0] is not _constants.AT]
    for kind, value in nodes:
        if kind is _constants.MAX_REPEAT and value[:2] == ANY_NUMBER:
            (inner, code), *others = value[2]
            if inner is _constants.LITERAL and not others:
                is_last = (kind, value) == nodes[-1]
                return chr(code) if is_last or not chr(code).isalnum() else None
    return None


def _contradicts(parsed: Any) -> bool:
    """Return whether a text is to come before the start of a name, or after its end."""
    kinds = [value if kind is _constants.AT else None for kind, value in parsed]
    widths = [_width(node, parsed.state) for node in parsed]
    return not parsed.state.flags & re.MULTILINE and any(
        (kind in STARTS and any(widths[:place])) or (kind in ENDS and any(widths[place:]))
        for place, kind in enumerate(kinds)
    )


def _width(node: Any, state: Any) -> int:
    return int(_parser.SubPattern(state, [node]).getwidth()[0])
