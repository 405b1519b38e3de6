"""The header fields of an HTTP request, read strictly (RFC 9112, section 5)."""

import re
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from io import BufferedReader
from typing import NamedTuple

# field-line = field-name ":" OWS field-value OWS, with what RFC 9110 (5.5, 5.6.2) lets them hold
_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_VALID = re.compile(rf"(?:{_NAME}:[^\0\r\n]*\r?\n)*")
_FIELD = re.compile(rf"({_NAME}):([^\r\n]*)\r?\n")
_ENDS = (b"\r\n", b"\n")

_WITHOUT_PREFIX = ("content-type", "content-length")
"""Fields that WSGI has other keys for."""


class HeadLimits(NamedTuple):
    """Limits of the head of a request."""

    line: int = 8_190
    """Bytes of the request line; pywsgi reads no more of it."""
    fields: int = 100
    """Header fields."""
    field: int = 65_536
    """Bytes of a header field, the end of its line included."""
    size: int = 65_536
    """Bytes of all header fields: a socket keeps them as long as it lives."""


class HeadRefused(ValueError):
    """The head of a request is refused, with a status other than 400 where one fits."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = HTTPStatus(status)


SHORT = 40
"""Characters of a field's name up to which its key is remembered: all usual names are shorter."""


def _key(name: str) -> str:
    """Return what WSGI calls a field; for usual names, the same string each time."""
    return _usual_key(name) if len(name) <= SHORT else _make_key(name)


def _make_key(name: str) -> str:
    return f"HTTP_{name.replace('-', '_').upper()}"


_usual_key = lru_cache(1_000)(_make_key)


def names(value: str) -> list[str]:
    """Return the names in a field that is a list of them, in lower case (RFC 9110, 5.6.1)."""
    return [name.strip(" \t").lower() for name in value.split(",")]


class Fields:
    """The header fields of a request, with the methods that pywsgi and gunicorn call."""

    status = ""
    """A fault, as pywsgi asks for one. Always empty: faults raise errors."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}
        """By the fields' names, in lower case: they have none."""

    def add(self, name: str, value: str) -> None:
        """Add a field after the others."""
        self._values.setdefault(name.lower(), []).append(value)

    def get_all(self, name: str) -> list[str]:
        """Return the values of all fields with a name."""
        return self._values.get(name.lower(), [])

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the value of the first field with a name."""
        values = self._values.get(name.lower())
        return values[0] if values else default

    getheader = get

    @property
    def keeps_connection(self) -> bool | None:
        """Whether the client asks for the connection to be kept (RFC 9112, section 9.3).

        None: it does not say; HTTP/1.1 keeps the connection then, and HTTP/1.0 does not.
        """
        values = self._values.get("connection")
        if values is None:
            return None
        options = names(",".join(values))
        return False if "close" in options else "keep-alive" in options or None

    def __delitem__(self, name: str) -> None:
        self._values.pop(name.lower(), None)

    def items(self) -> Iterator[tuple[str, str]]:
        """Yield names and values."""
        return ((name, value) for name, values in self._values.items() for value in values)

    def with_underscores(self) -> list[tuple[str, str]]:
        """Return the fields with an underscore in their name, which ``environ`` leaves out."""
        return [(name, value) for name, value in self.items() if "_" in name]

    def environ(self) -> Iterator[tuple[str, str]]:
        """Yield the fields as WSGI names them.

        Those with an underscore in their name are left out: with it they would pass for others.
        """
        for name, value in self.items():
            if "_" not in name and name not in _WITHOUT_PREFIX:
                yield _key(name), value

    @property
    def typeheader(self) -> str | None:
        """The type of the content."""
        return self.get("content-type")


def read_fields(file: BufferedReader, lines: list[bytes], limits: HeadLimits) -> Fields:
    """Read the fields of a request and the empty line after them; note each line in ``lines``.

    Raises:
        HeadRefused: there are too many, or one is too long (RFC 6585, section 5).
        ValueError: they are not what the specification allows, or end too early.

    """
    first = len(lines)
    if not _has_read_all(file, lines):
        _read_lines(file, lines, limits)
    text = b"".join(lines[first:]).removesuffix(b"\n").removesuffix(b"\r").decode("latin-1")
    valid = _VALID.match(text)
    if valid is None or valid.end() != len(text):
        bad = text[valid.end() if valid else 0 :][:60]
        raise ValueError(f"a header field is a name, a colon and a value, not {bad!r}")
    found = _FIELD.findall(text)
    _check_size(text, len(found), limits)
    fields = Fields()
    for name, value in found:
        fields.add(name, value.strip(" \t"))
    return fields


def _has_read_all(file: BufferedReader, lines: list[bytes]) -> bool:
    """Read all fields at once, if they have come and their lines end as most do."""
    ahead = file.peek()
    end = ahead.find(b"\n\r\n")
    if end < 0 or ahead.startswith(_ENDS) or b"\n\n" in ahead[: end + 1]:
        return False
    lines.append(file.read(end + 3))
    return True


def _check_size(text: str, fields: int, limits: HeadLimits) -> None:
    if fields > limits.fields:
        raise _too_many(limits)
    # Most heads are smaller than a field may be.
    if len(text) > limits.field and max(map(len, text.split("\n"))) >= limits.field:
        raise _too_long(limits)


def _too_many(limits: HeadLimits) -> HeadRefused:
    return HeadRefused(431, f"a request with more than {limits.fields} header fields")


def _too_long(limits: HeadLimits) -> HeadRefused:
    return HeadRefused(431, f"a header field of more than {limits.field} bytes")


def _read_lines(file: BufferedReader, lines: list[bytes], limits: HeadLimits) -> None:
    left = limits.size
    for _ in range(limits.fields + 1):
        line = file.readline(min(limits.field, left + 1) + 1)  # the end may follow the last byte
        lines.append(line)
        if line in _ENDS:
            return
        left -= len(line)
        if left < 0:
            raise HeadRefused(431, f"a request with more than {limits.size} bytes of header fields")
        if len(line) > limits.field:
            raise _too_long(limits)
        if not line:
            raise ValueError("a request that ends within its header fields")
    raise _too_many(limits)
