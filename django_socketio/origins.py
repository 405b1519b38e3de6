"""Which pages may connect: those of the same origin, and those that settings name.

https://developer.mozilla.org/en-US/docs/Web/HTTP/CORS
"""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.http import is_same_domain

from django_socketio import conf

Headers = tuple[tuple[str, str], ...]


class OriginRefused(Exception):
    """A page of another origin wanted to connect; the text is for the log."""


def check(request: HttpRequest) -> Headers:
    """Return the CORS header fields for the answer to a request.

    Raises:
        OriginRefused: the page that sent it must not connect.
        DisallowedHost: its Host is none of ``ALLOWED_HOSTS``.

    """
    origin = request.headers.get("Origin")
    expected = f"{request.scheme}://{request.get_host()}"
    if origin is None or origin == expected:
        return ()
    if not _is_allowed(origin):
        raise OriginRefused(
            f"Origin {origin!r} refused: expected {expected!r}. To allow it, add it to "
            "SOCKETIO_ALLOWED_ORIGINS (or CSRF_TRUSTED_ORIGINS); behind a proxy that ends TLS, see "
            "SECURE_PROXY_SSL_HEADER and USE_X_FORWARDED_HOST"
        )
    return (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Vary", "Origin"),
    )


def preflight(headers: Headers) -> Headers:
    """Return the header fields that answer a preflight request of an allowed origin."""
    return (
        *headers,
        ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
        ("Access-Control-Allow-Headers", "Content-Type"),
        ("Access-Control-Max-Age", "600"),
    )


def _is_allowed(origin: str) -> bool:
    allowed = [*conf.get("ALLOWED_ORIGINS"), *settings.CSRF_TRUSTED_ORIGINS]
    return "*" in allowed or any(_matches(origin, pattern) for pattern in allowed)


def _matches(origin: str, pattern: str) -> bool:
    if "*" not in pattern:
        return origin == pattern.rstrip("/")
    # As in CSRF_TRUSTED_ORIGINS: "https://*.example.com" means all subdomains.
    seen, wanted = urlsplit(origin), urlsplit(pattern)
    return seen.scheme == wanted.scheme and is_same_domain(seen.netloc, wanted.netloc.lstrip("*"))
