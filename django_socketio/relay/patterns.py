"""Patterns of channels: regular expressions, which match the start of a name (``match``)."""

import re
from functools import lru_cache
from typing import Any

ERRORS = (re.error, OverflowError, RecursionError)
"""What ``re.compile`` raises for a text that is no regular expression, or a too large one."""


def fault_of(pattern: Any) -> str | None:
    """Return what is wrong with a pattern, a sentence without its full stop; None if nothing is."""
    error = _error_of(pattern) if isinstance(pattern, str) else ""
    return None if error is None else f"{pattern!r:.100} is no regular expression{error}"


@lru_cache(maxsize=256)
def _error_of(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except ERRORS as error:
        return f": {error}"
    return None
