"""JSON as Socket.IO's clients write and read it.

orjson does the work. The standard library does what orjson cannot: lone surrogates (which
JavaScript strings may hold), integers beyond 64 bits and keys that are not strings.
"""

from typing import Any

import orjson

from django_socketio.protocol import stdjson
from django_socketio.protocol.stdjson import OPTIONS, Default

__all__ = ["Default", "dumps", "dumps_fast", "loads"]

_LONG = 19  # digits that may not fit into 64 bits
_DIGIT, _BEFORE, _OTHER = b"0 ."
_SHAPES = bytes(
    _DIGIT if byte in b"0123456789" else _BEFORE if byte in b" \t\r\n[,:-" else _OTHER
    for byte in range(256)
)
"""What is left of each byte: whether it is a digit, or may stand before a number."""
_LONG_NUMBER = b"0" * _LONG
_LONG_NUMBER_WITHIN = b" " + _LONG_NUMBER


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
        return stdjson.dumps(value, default)


def dumps_fast(value: Any, default: Default | None = None) -> str:
    """Do what ``dumps`` does with orjson, which raises TypeError for what it cannot write."""
    return orjson.dumps(value, default, OPTIONS).decode()


def loads(text: str) -> Any:
    """Return the value of JSON text.

    Raises:
        ValueError: the text is not JSON, or nested more deeply than Python's stack allows.

    """
    if len(text) >= _LONG and _has_long_number(text):
        return stdjson.loads(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return stdjson.loads(text)


def _has_long_number(text: str) -> bool:
    # orjson reads an integer beyond 64 bits as a float, and says nothing. Texts may hold as many
    # digits: ids, and times in nanoseconds.
    shapes = text.encode(errors="replace").translate(_SHAPES)
    return _LONG_NUMBER_WITHIN in shapes or shapes.startswith(_LONG_NUMBER)
