"""The header fields of an HTTP request, read strictly (RFC 9112, section 5)."""

import re
from collections.abc import Iterator
from io import BufferedReader

MAX_FIELDS = 100
MAX_LINE = 65_536
"""Bytes of a field, its line's end included."""

# field-line = field-name ":" OWS field-value OWS, with what RFC 9110 (5.5, 5.6.2) lets them hold
_FIELD = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\0\r\n]*?)[ \t]*\r?\n")
_ENDS = (b"\r\n", b"\n")


class Fields:
    """The fields of a request, by the names that pywsgi and gunicorn have for what they ask."""

    status = ""
    """What was wrong with them: nothing, for then there is an error instead."""

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

    def __delitem__(self, name: str) -> None:
        self._values.pop(name.lower(), None)

    def items(self) -> Iterator[tuple[str, str]]:
        """Yield names and values."""
        return ((name, value) for name, values in self._values.items() for value in values)

    @property
    def headers(self) -> Iterator[str]:
        """The fields, each as a line."""
        return (f"{name}: {value}" for name, value in self.items())

    @property
    def typeheader(self) -> str | None:
        """The type of the content."""
        return self.get("content-type")


def read_fields(file: BufferedReader, lines: list[bytes]) -> Fields:
    """Read the fields of a request and the empty line after them; note each line in ``lines``.

    Raises:
        ValueError: they are not what the specification allows, too many, or end too early.

    """
    fields = Fields()
    for _ in range(MAX_FIELDS + 1):
        line = file.readline(MAX_LINE + 1)
        lines.append(line)
        if line in _ENDS:
            return fields
        fields.add(*_field(line))
    raise ValueError(f"a request with more than {MAX_FIELDS} header fields")


def _field(line: bytes) -> tuple[str, str]:
    if len(line) > MAX_LINE:
        raise ValueError(f"a header field of more than {MAX_LINE} bytes")
    match = _FIELD.fullmatch(line.decode("latin-1"))
    if match is None:
        raise ValueError(f"a header field is a name, a colon and a value, not {line[:60]!r}")
    name, value = match.groups()
    return name, value
