"""JSON by the standard library, for what orjson cannot read or write."""

import json
import math
from collections.abc import Callable
from dataclasses import fields
from enum import Enum
from functools import partial
from typing import Any, NoReturn

import orjson

Default = Callable[[Any], Any]

OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME  # dates are written by `default`, as Django does

MAX_DEPTH = 1024
"""Levels that orjson reads. From Python 3.12 on, the standard library reads as many as come."""

_write = partial(json.dumps, separators=(",", ":"), allow_nan=False)


def dumps(value: Any, default: Default | None = None) -> str:
    """Return a value as the text that orjson would write, if it could.

    Raises:
        TypeError: a value is none that JSON or ``default`` knows.
        ValueError: values are nested too deeply, or contain themselves.

    """

    def as_orjson_does(value: Any) -> Any:
        return _finite(_opened(value, default or refuse))

    try:
        return _write(_finite(value), default=as_orjson_does)
    except RecursionError:
        raise ValueError("the value is nested too deeply to be sent as JSON") from None


def _opened(value: Any, default: Default) -> Any:
    """Return what orjson would write for a value that the standard library does not know.

    The parts of the value stay as they are: orjson may be unable to write one of them.
    """
    if isinstance(value, Enum):
        return value.value
    if "__dataclass_fields__" in vars(type(value)):
        return _fields_of(value)
    try:
        return orjson.loads(orjson.dumps(value, option=OPTIONS))
    except TypeError:
        return default(value)


def _fields_of(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that orjson would write."""
    has_slots = "__slots__" in vars(type(value))
    names = [field.name for field in fields(value)] if has_slots else vars(value)
    return {name: getattr(value, name) for name in names if not name.startswith("_")}


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
        ValueError: the text is not JSON, or nested too deeply for orjson or for Python's stack.

    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_too_deep(value):
        raise ValueError(_TOO_DEEP)
    return value


_TOO_DEEP = "the JSON text is nested too deeply"


def _is_too_deep(value: Any) -> bool:
    """Return whether a value has more than ``MAX_DEPTH`` levels of lists and dictionaries."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            item
            for parent in level
            if isinstance(parent, (list, dict))
            for item in (parent.values() if isinstance(parent, dict) else parent)
        ]
    return bool(level)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
