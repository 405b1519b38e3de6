"""JSON as Socket.IO's clients write and read it.

orjson does the work. The standard library does what orjson cannot: lone surrogates (which
JavaScript strings may hold), integers beyond 64 bits and keys that are not strings.
"""

import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import orjson

Default = Callable[[Any], Any]

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME  # dates are written by `default`, as Django does

_DIGITS_TO_ZERO = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_LONG = 19  # digits that may not fit into 64 bits
_LONG_NUMBER = b"0" * _LONG


def dumps(value: Any, default: Default | None = None) -> str:
    """Return ``value`` as compact JSON text; NaN and infinity are null, as JavaScript writes them.

    ``default`` turns a value that JSON does not know into one that it knows.

    Raises:
        TypeError: a value is none that JSON or ``default`` knows.
        ValueError: values are nested too deeply, or contain themselves.

    """
    try:
        return dumps_fast(value, default)
    except TypeError:
        return dumps_slowly(value, default)


def dumps_fast(value: Any, default: Default | None = None) -> str:
    """Do what ``dumps`` does with orjson, which raises TypeError for what it cannot write."""
    return orjson.dumps(value, default, _OPTIONS).decode()


def dumps_slowly(value: Any, default: Default | None = None) -> str:
    """Do what ``dumps`` does with the standard library."""

    def as_orjson_does(value: Any) -> Any:
        try:
            return orjson.loads(orjson.dumps(value, default, _OPTIONS))
        except TypeError:
            return refuse(value) if default is None else default(value)

    try:
        return _write(_finite(value), default=as_orjson_does)
    except RecursionError:
        raise ValueError("the value is nested too deeply to be sent as JSON") from None


_write = partial(json.dumps, separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    """Return the value with None in the place of numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def refuse(value: Any) -> NoReturn:
    """Be the ``default`` of values for which there is none.

    Raises:
        TypeError: always; it names the value.

    """
    raise TypeError(f"{type(value).__name__} cannot be written as JSON: {value!r}")


def loads(text: str) -> Any:
    """Return the value of JSON text.

    Raises:
        ValueError: the text is not JSON, or nested more deeply than Python's stack allows.

    """
    if len(text) >= _LONG and _has_long_number(text):
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
