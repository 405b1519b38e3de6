"""Parts of Django that are private."""

from io import BytesIO
from typing import Any

from django.core.handlers.wsgi import LimitedStream, WSGIRequest, get_path_info

__all__ = ["EMPTY_BODY", "drop_body", "get_path_info"]

EMPTY_BODY: Any = LimitedStream(BytesIO(), 0)
"""The stream of a request without a body."""


def drop_body(request: WSGIRequest) -> None:
    """Have a request forget the stream of its body, which refers to the connection."""
    request._stream = EMPTY_BODY
