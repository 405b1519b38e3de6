"""What the doctor has found: one thing that works, or does not, and what to change."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    """Something that could not be examined, or is worth to know."""

    WARNING = "warning"
    """The site works, but not in all cases, or not as well as it could."""

    ERROR = "error"
    """Something does not work."""


class Finding(NamedTuple):
    """One thing that was examined.

    Attributes:
        step: the part of the way to the site: "relay", "polling", "websocket" and so on.
        level: how bad it is.
        text: what was found.
        remedy: what to change; "" if nothing.

    """

    step: str
    level: Level
    text: str
    remedy: str = ""


def ok(step: str, text: str) -> Finding:
    """Return that something works."""
    return Finding(step, Level.OK, text)


def note(step: str, text: str, remedy: str = "") -> Finding:
    """Return something worth to know."""
    return Finding(step, Level.NOTE, text, remedy)


def warning(step: str, text: str, remedy: str = "") -> Finding:
    """Return something that does not work in all cases."""
    return Finding(step, Level.WARNING, text, remedy)


def error(step: str, text: str, remedy: str = "") -> Finding:
    """Return something that does not work."""
    return Finding(step, Level.ERROR, text, remedy)
