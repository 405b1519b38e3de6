"""JSON as Socket.IO's clients write and read it.

orjson does the work. The standard library does what orjson cannot: lone surrogates (which
JavaScript strings may hold), integers beyond 64 bits and keys that are not strings.
"""

import json
from collections.abc import Callable
from typing import Any, NoReturn

import orjson

Default = Callable[[Any], Any]

_DIGITS_TO_ZERO = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_LONG_NUMBER = b"0" * 19  # the shortest run of digits that may not fit into 64 bits


def dumps(value: Any, default: Default | None = None) -> str:
    """Return ``value`` as compact JSON text.

    ``default`` turns a value that JSON does not know into one that it knows.

    Raises:
        TypeError: a value is none that JSON or ``default`` knows.
        ValueError: a number is none that JSON knows (NaN, infinity), or values contain themselves.

    """
    try:
        return orjson.dumps(value, default, orjson.OPT_PASSTHROUGH_DATETIME).decode()
    except TypeError:
        return _dumps_slowly(value, default)


def _dumps_slowly(value: Any, default: Default | None) -> str:
    try:
        return json.dumps(value, default=default, separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise ValueError("the value is nested too deeply to be sent as JSON") from None


def loads(text: str) -> Any:
    """Return the value of JSON text.

    Raises:
        ValueError: the text is not JSON, or nested more deeply than Python's stack allows.

    """
    if len(text) >= len(_LONG_NUMBER) and _has_long_number(text):
        return _loads_slowly(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _loads_slowly(text)


def _has_long_number(text: str) -> bool:
    # orjson reads an integer beyond 64 bits as a float, and says nothing.
    return _LONG_NUMBER in text.encode(errors="replace").translate(_DIGITS_TO_ZERO)


def _loads_slowly(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("the JSON text is nested too deeply") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
