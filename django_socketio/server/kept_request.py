"""Requests of handshakes, as handlers keep them: without the connection and the body."""

from django.core.handlers.wsgi import WSGIRequest
from django.urls import ResolverMatch

from django_socketio.server.compat.django import EMPTY_BODY, drop_body
from django_socketio.server.hijack import KEY

_OF_THE_CONNECTION = frozenset(
    {
        "HTTP_CONNECTION",
        "HTTP_SEC_WEBSOCKET_EXTENSIONS",
        "HTTP_SEC_WEBSOCKET_KEY",
        "HTTP_UPGRADE",
        "gunicorn.sock",
        "gunicorn.socket",
        "wsgi.errors",
        "wsgi.file_wrapper",
        "wsgi.input_terminated",
        KEY,
    }
)
"""Keys of an environ for the connection and the server, rather than for the request."""


def trim(request: WSGIRequest) -> None:
    """Remove the connection and the body from a request, which is kept as long as its socket.

    Equal values are shared by the requests of all sockets.
    """
    known = _strings.get  # a call of ``share`` for each value would take twice as long
    meta = {
        key: known(value) or share(value) if type(value) is str else value
        for key, value in request.META.items()
        if key not in _OF_THE_CONNECTION
    }
    meta["wsgi.input"] = EMPTY_BODY
    request.META = request.environ = meta
    drop_body(request)
    request.__dict__.pop("headers", None)  # Django makes them again when a handler reads them
    request.resolver_match = _shared(request.resolver_match)


SHARED_LENGTH, SHARED_STRINGS = 1_000, 2_000
"""Characters of a string that is shared, and how many strings are."""

_strings: dict[str, str] = {}


def share(text: str) -> str:
    """Return an equal string that other requests have too, if there is one.

    Not ``sys.intern``: Python 3.12 never frees what was interned.
    """
    if len(text) > SHARED_LENGTH:
        return text
    if len(_strings) >= SHARED_STRINGS:
        _strings.clear()
    return _strings.setdefault(text, text)


def _shared(match: ResolverMatch | None) -> ResolverMatch | None:
    """Return an equal match that all requests share."""
    if match is None or match.args or match.kwargs:
        return match
    return _MATCHES.setdefault((match.route, match.view_name), match)


_MATCHES: dict[tuple[str, str], ResolverMatch] = {}
