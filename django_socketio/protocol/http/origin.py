"""Web origins: as clients send them in the field ``Origin``, and as settings name them.

https://www.rfc-editor.org/rfc/rfc6454 (section 4, "Origin of a URI")
"""

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NamedTuple

NULL = "null"
"""The origin of every page that has none of its own (section 6.2): sandboxed frames, data URLs."""

_HTTP = {"ws": "http", "wss": "https"}
_DEFAULT_PORTS = {"http": "80", "https": "443"}

# Browsers send no path. Programs that send their whole URL are no browsers.
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]*)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>[/?#].*)?",
    re.IGNORECASE | re.ASCII,
)


class Origin(NamedTuple):
    """Scheme, host and port, written in one way only.

    ``port`` is empty where the scheme's default port is meant. In a pattern, ``host`` may begin
    with "*.": that names a domain and all its subdomains.
    """

    scheme: str
    host: str
    port: str

    @property
    def is_shared(self) -> bool:
        """Whether pages of different authors have this origin: all files have that of "file://"."""
        return self.scheme == "file"

    @property
    def top_level_domain(self) -> str | None:
        """The top-level domain whose sites this pattern covers; None where it covers fewer."""
        domain = self.host.removeprefix("*.").rstrip(".")
        covers_all = self.host.startswith("*.") and "." not in domain and domain != "localhost"
        return domain if covers_all else None

    def covers(self, other: "Origin") -> bool:
        """Return whether this pattern names another origin."""
        if not self.host.startswith("*."):
            return self == other
        domain = self.host[2:]
        return (self.scheme, self.port) == (other.scheme, other.port) and (
            other.host == domain or other.host.endswith(f".{domain}")
        )


def parse(text: str) -> Origin | None:
    """Return the origin of a URL, None where the text is no URL of an origin.

    Equal origins may be written differently: "WS://Example.com:80/" is "http://example.com". A
    final dot of the host makes another origin, as in browsers. Only HTTP's hosts are free of case.
    """
    match = _URL.fullmatch(text)
    if match is None:
        return None
    scheme = match["scheme"].lower()
    scheme = _HTTP.get(scheme, scheme)
    port = str(int(match["port"])) if match["port"] else ""
    host = _host(scheme, match["host"])
    if host is None or int(port or 0) > 65_535:
        return None
    return Origin(scheme, host, "" if port == _DEFAULT_PORTS.get(scheme) else port)


def _host(scheme: str, host: str) -> str | None:
    if host.startswith("["):
        try:
            return f"[{IPv6Address(host[1:-1])}]"
        except ValueError:
            return None
    if scheme not in _DEFAULT_PORTS:
        return host
    return host.lower() or None


@lru_cache  # settings hold few
def parse_pattern(text: str) -> Origin | None:
    """Return the origin that a setting names, or its pattern: "https://*.example.com"."""
    scheme, _, host = text.partition("://*.")
    origin = parse(f"{scheme}://{host}" if host else text)
    return origin and origin._replace(host=f"*.{origin.host}") if host else origin


def fault(entry: object) -> str | None:
    """Return what is wrong with an entry of a list of origins, None if nothing is."""
    return _fault(entry) if isinstance(entry, str) else f"{entry!r} is not a string"


@lru_cache
def _fault(entry: str) -> str | None:
    if entry in ("*", NULL):
        return None
    faults = (text.format(entry) for has_fault, text in _FAULTS if has_fault(entry))
    return next((f"{entry!r} {text}" for text in faults), None)


def _has_empty_label(entry: str) -> bool:
    origin = parse_pattern(entry)
    if origin is None or origin.scheme not in _DEFAULT_PORTS:
        return False
    return "" in origin.host.removesuffix(".").split(".")


_FAULTS: tuple[tuple[Callable[[str], object], str], ...] = (
    (
        lambda entry: not entry.isascii(),
        'is not ASCII: write the host in punycode ("xn--…"), as browsers send it',
    ),
    (
        lambda entry: entry.lower() == NULL,
        f"must be written '{NULL}', as browsers send it",
    ),
    (
        re.compile("about:|data:", re.IGNORECASE).match,
        f"names no origin: pages of 'about:' and 'data:' URLs send '{NULL}'",
    ),
    (lambda entry: "://" not in entry, "has no scheme: write 'https://{}'"),
    (
        lambda entry: "*" in entry.replace("://*.", "://", 1),
        "uses '*' in another way than 'https://*.example.com'",
    ),
    (
        lambda entry: parse_pattern(entry) is None,
        "is not an origin: scheme, host and port",
    ),
    (_has_empty_label, "has a host with an empty label: a dot too many"),
    (
        lambda entry: re.search(r"[/?#].", entry.partition("://")[2]),
        "has a path; an origin is scheme, host and port",
    ),
)
