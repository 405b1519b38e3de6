"""Which pages may connect: those of the same origin, and those that settings name.

https://developer.mozilla.org/en-US/docs/Web/HTTP/CORS
"""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.http import is_same_domain

from django_socketio import conf

Headers = tuple[tuple[str, str], ...]


REFUSED = (
    "Origin {} refused: expected {!r}. To allow it, add it to SOCKETIO_ALLOWED_ORIGINS (or "
    "CSRF_TRUSTED_ORIGINS); behind a proxy that ends TLS, see SECURE_PROXY_SSL_HEADER and "
    "USE_X_FORWARDED_HOST"
)


class OriginRefused(Exception):
    """A page of another origin wanted to connect; the text is for the log."""


def check(request: HttpRequest) -> Headers:
    """Return the CORS header fields for the answer to a request.

    Raises:
        OriginRefused: the page that sent it must not connect.
        DisallowedHost: its Host is none of ``ALLOWED_HOSTS``.

    """
    origin = request.META.get("HTTP_ORIGIN")
    expected = f"{request.scheme}://{request.get_host()}"
    if origin is None or origin == _without_default_port(expected):
        return ()
    allowed = [*conf.get("ALLOWED_ORIGINS"), *settings.CSRF_TRUSTED_ORIGINS]
    answer = (("Access-Control-Allow-Origin", origin), ("Vary", "Origin"))
    if any(_matches(origin, pattern) for pattern in allowed):
        return (*answer, ("Access-Control-Allow-Credentials", "true"))
    if "*" not in allowed:
        raise OriginRefused(REFUSED.format(f"{origin!r:.200}", expected))
    # Cookies, and so the user, are for pages of origins that were named.
    return answer


def preflight(headers: Headers) -> Headers:
    """Return the header fields that answer a preflight request of an allowed origin."""
    return (
        *headers,
        ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
        ("Access-Control-Allow-Headers", "Content-Type"),
        ("Access-Control-Max-Age", "600"),
    )


def _without_default_port(origin: str) -> str:
    """Return an origin as browsers write it, whatever a proxy made of the Host."""
    scheme, _, host = origin.lower().partition("://")
    port = {"http": ":80", "https": ":443"}.get(scheme, "")
    return f"{scheme}://{host.removesuffix(port)}"


def _matches(origin: str, pattern: str) -> bool:
    if "*" not in pattern:
        return origin == pattern.rstrip("/")
    # As in CSRF_TRUSTED_ORIGINS: "https://*.example.com" means all subdomains.
    try:
        seen, wanted = urlsplit(origin), urlsplit(pattern)
    except ValueError:
        return False
    return seen.scheme == wanted.scheme and is_same_domain(seen.netloc, wanted.netloc.lstrip("*"))
