"""The rule for origins: pages of the same origin and of origins in the settings may connect.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

from django_socketio import conf
from django_socketio.conf.values import FIELD_NAME
from django_socketio.protocol.http.origin import NULL, Origin, parse, parse_pattern
from django_socketio.transports.engineio3 import is_script
from django_socketio.transports.http import read_query

Headers = tuple[tuple[str, str], ...]

CREDENTIALS = ("Access-Control-Allow-Credentials", "true")

USUAL_FIELDS = "Authorization, Content-Type"
"""Header fields that any page may send that may connect, unless the settings name others."""

REFUSED = (
    "Origin {} refused: expected {!r}. To allow it, add it to SOCKETIO_ALLOWED_ORIGINS (or "
    "CSRF_TRUSTED_ORIGINS); behind a proxy that ends TLS, see SECURE_PROXY_SSL_HEADER and "
    "USE_X_FORWARDED_HOST"
)
SHARED = f"{REFUSED}. Pages of unknown authors have this origin: see docs/security.rst"
NOT_AN_ORIGIN = "Origin {} refused: not an origin (scheme, host and port); expected {!r}"

WITHOUT_REFERER = "A request of JSONP without a Referer refused: its page is unknown"


class OriginRefused(Exception):
    """A page must not connect; the text is for the log."""


def check(request: HttpRequest) -> Headers:
    """Return the CORS header fields for the answer to a request.

    Raises:
        OriginRefused: the page that sent it must not connect.
        DisallowedHost: its Host is none of ``ALLOWED_HOSTS``.

    """
    text = request.META.get("HTTP_ORIGIN")
    if text is None and _is_script(request):
        text = _page_of(request)
    expected = f"{request.scheme}://{request.get_host()}"
    if text is None or text == expected:
        return ()
    origin = parse(text)
    if origin is not None and origin == parse(expected):
        return ()
    return _cors(text, origin, expected)


def _is_script(request: HttpRequest) -> bool:
    """Return whether a page reads the answer by a script element (JSONP of Engine.IO 3).

    Browsers send no Origin with those, and any page may have them.
    """
    query = request.META.get("QUERY_STRING", "")
    if "j" not in query and "%" not in query:  # as in most: the rest takes longer
        return False
    return conf.get("ALLOW_EIO3") and is_script(read_query(query))


def _page_of(request: HttpRequest) -> str:
    """Return the origin of the page with a script, by its Referer.

    Raises:
        OriginRefused: there is none, or no URL, so that the page is unknown.

    """
    try:
        page = urlsplit(request.META.get("HTTP_REFERER", ""))
    except ValueError:  # brackets without an address
        raise OriginRefused(WITHOUT_REFERER) from None
    if not page.netloc:
        raise OriginRefused(WITHOUT_REFERER)
    return f"{page.scheme}://{page.netloc}"


def _cors(text: str, origin: Origin | None, expected: str) -> Headers:
    """Return the header fields for a page of another origin; raises OriginRefused."""
    allowed = [*conf.get("ALLOWED_ORIGINS"), *settings.CSRF_TRUSTED_ORIGINS]
    answer = (("Access-Control-Allow-Origin", text), ("Vary", "Origin"))
    named = _is_named(text, origin, allowed) or _is_other_server(origin, expected)
    if named and origin is not None and not origin.is_shared:
        return (*answer, CREDENTIALS)
    if named or "*" in allowed:
        # Cookies, and so the user, are for pages that can be told from others.
        return answer
    raise OriginRefused(_reason(text, origin).format(f"{text!r:.200}", expected))


def _reason(text: str, origin: Origin | None) -> str:
    if origin is None:
        return SHARED if text == NULL else NOT_AN_ORIGIN
    return SHARED if origin.is_shared else REFUSED


def _is_named(text: str, origin: Origin | None, allowed: list[str]) -> bool:
    if origin is None:
        return text == NULL and NULL in allowed
    patterns = map(parse_pattern, allowed)
    return any(pattern is not None and pattern.covers(origin) for pattern in patterns)


def _is_other_server(origin: Origin | None, expected: str) -> bool:
    """Return whether a page comes from another port of this host, under DEBUG.

    ``runserver`` may serve the pages, and ``runserver_socketio`` their sockets. Browsers send the
    cookies of a host to all of its ports.
    """
    own = parse(expected)
    if not settings.DEBUG or origin is None or own is None:
        return False
    return (origin.scheme, origin.host) == (own.scheme, own.host)


def is_preflight(request: HttpRequest) -> bool:
    """Return whether a browser asks what a page of another origin may send."""
    fields = {"HTTP_ORIGIN", "HTTP_ACCESS_CONTROL_REQUEST_METHOD"}
    return request.method == "OPTIONS" and fields <= request.META.keys()


def preflight(request: HttpRequest, cors: Headers) -> Headers:
    """Return the header fields that answer a preflight request of an allowed origin.

    Args:
        request: the preflight request.
        cors: what ``check`` has returned for it.

    """
    return (
        *cors,
        ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
        ("Access-Control-Allow-Headers", _allowed_fields(request, cors)),
        ("Access-Control-Max-Age", "600"),
    )


def _allowed_fields(request: HttpRequest, cors: Headers) -> str:
    names = conf.get("ALLOWED_HEADERS")
    if names is not None:
        return ", ".join(names)
    # Servers may trust a field because only their proxy, or their own pages, can send it. A page
    # of an unknown author may run in the browser of a user whom the server trusts for that.
    asked = request.META.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
    readable = all(map(FIELD_NAME.fullmatch, re.split(", ?", asked)))
    return asked if readable and CREDENTIALS in cors else USUAL_FIELDS
