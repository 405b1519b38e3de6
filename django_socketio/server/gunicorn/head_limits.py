"""Limits of the heads of requests, from gunicorn's settings."""

from typing import Any

from django_socketio.protocol.http.fields import HeadLimits
from django_socketio.server.handoff.descriptors import MAX_SIZE

MAX_LINE = 8_190
"""Bytes of a request line; gunicorn takes no more either."""

MAX_FIELDS = 32_768
"""Header fields where ``limit_request_fields`` is 0."""

DEFAULT_FIELDS, DEFAULT_FIELD = 100, 8_190
"""gunicorn's defaults; the latter holds also where ``limit_request_field_size`` is 0."""

MOST = MAX_SIZE - 65_536
"""Bytes of header fields that can be handed to the worker of their session, with what follows."""

TOO_LARGE = (
    "limit_request_fields = {} and limit_request_field_size = {} allow header fields of {} bytes; "
    "{} bytes at most are read, larger requests are answered 431."
)


def head_limits(cfg: Any) -> HeadLimits:
    """Return the limits that ``limit_request_line`` and its like set; 0 means gunicorn's own."""
    line = min(cfg.limit_request_line or MAX_LINE, MAX_LINE)
    fields, field = _fields(cfg)
    return HeadLimits(line, fields, field, min(_size(fields, field), MOST))


def too_large(cfg: Any) -> str | None:
    """Return a sentence if the settings allow larger heads than can be read; None otherwise."""
    fields, field = _fields(cfg)
    size = _size(fields, field)
    if size <= MOST:
        return None
    return TOO_LARGE.format(cfg.limit_request_fields, cfg.limit_request_field_size, size, MOST)


def _fields(cfg: Any) -> tuple[int, int]:
    fields = min(cfg.limit_request_fields or MAX_FIELDS, MAX_FIELDS)
    return fields, cfg.limit_request_field_size or DEFAULT_FIELD


def _size(fields: int, field: int) -> int:
    """Return how many bytes all header fields may have together.

    As many as gunicorn would take where a limit was raised above gunicorn's default; otherwise
    less, for a socket keeps them as long as it lives.
    """
    usual = HeadLimits().size
    if fields <= DEFAULT_FIELDS and field <= DEFAULT_FIELD:
        return usual
    return max(usual, fields * field)
