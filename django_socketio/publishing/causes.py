"""The socket of the page that has caused a change, as the page's requests name it."""

from contextvars import ContextVar
from typing import Any

from django.core.signals import request_started
from django.http import HttpRequest

HEADER = "X-Socket-ID"
"""The header field in which requests of ``live.js`` name the socket of their page."""

MAX_LENGTH = 100
"""Characters of the id of a socket. It goes with each message, so a longer text is not taken."""

_current: ContextVar[str | None] = ContextVar("socket_of_request", default=None)


def connect() -> None:
    """Receive the signal of requests, before the first of them: its view may publish."""
    request_started.connect(_note, dispatch_uid="django_socketio.publishing.causes")


def current_cause() -> str | None:
    """Return the id of the socket whose page has sent the current HTTP request, if it says so."""
    return _current.get()


def socket_id(cause: Any) -> str | None:
    """Return the id of a socket, given the id, the socket, or a request of its page.

    Raises:
        TypeError: the value is nothing of this.

    """
    cause = getattr(cause, "_request", cause)  # in the request of Django REST framework
    if isinstance(cause, HttpRequest):
        return _fitting(cause.headers.get(HEADER))
    found = getattr(getattr(cause, "session", None), "session_id", cause)
    if found is not None and (not isinstance(found, str) or not found):
        raise TypeError(
            f"emit_template(exclude=…) takes a request, a socket or its session_id, "
            f"not {cause!r:.100}"
        )
    return found


def _note(environ: Any = None, **_: object) -> None:
    """Note the socket that a request names, or that it names none.

    ASGI servers send the signal in a context of its own, from which nothing gets to the view.
    """
    value = None if environ is None else _fitting(environ.get("HTTP_X_SOCKET_ID"))
    if value is not None or _current.get() is not None:
        _current.set(value)


def _fitting(id: str | None) -> str | None:
    return id if id and len(id) <= MAX_LENGTH else None
