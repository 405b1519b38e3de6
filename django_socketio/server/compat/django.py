"""Parts of Django that are private."""

import sys
from io import BytesIO
from typing import Any

from django.core.handlers.wsgi import LimitedStream, WSGIRequest, get_path_info
from django.http import HttpRequest

__all__ = [
    "EMPTY_BODY",
    "drop_body",
    "get_path_info",
    "has_fixed_text",
    "is_of_test_client",
    "is_running_tests",
]

EMPTY_BODY: Any = LimitedStream(BytesIO(), 0)
"""The stream of a request without a body."""


def drop_body(request: WSGIRequest) -> None:
    """Have a request forget the stream of its body, which refers to the connection."""
    request._stream = EMPTY_BODY


def has_fixed_text(pattern: Any) -> bool:
    """Return whether a part of a URL pattern is sure to be the same in all languages."""
    text = getattr(pattern, "_route", getattr(pattern, "_regex", None))
    return isinstance(text, str)


def is_of_test_client(request: HttpRequest) -> bool:
    """Return whether a request comes from Django's test client, and from no HTTP server."""
    return is_running_tests() and hasattr(request, "_dont_enforce_csrf_checks")


def is_running_tests() -> bool:
    """Return whether ``setup_test_environment`` is in force: a test runner has called it.

    ``manage.py test`` and pytest-django call it. Its module is not imported outside of tests.
    """
    utils: Any = sys.modules.get("django.test.utils")
    return utils is not None and hasattr(getattr(utils, "_TestState", None), "saved_data")
