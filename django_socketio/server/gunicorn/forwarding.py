"""Header fields of proxies in front of gunicorn, as far as gunicorn's settings trust them."""

import os
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from django_socketio.protocol.http.fields import Fields, HeadRefused


class Forwarded(NamedTuple):
    """Additions to the environ of a request, from its proxies and from ``SCRIPT_NAME``."""

    scheme: str | None
    """None: as the connection has it."""
    script_name: str
    path_info: str | None
    """None: the whole path."""
    fields: list[tuple[str, str]]
    """Header fields with an underscore in their name."""


class Forwarding:
    """Reads header fields by gunicorn's settings, with gunicorn's meaning.

    These are ``forwarded_allow_ips``, ``secure_scheme_headers``, ``forwarder_headers`` and
    ``header_map``. ``SCRIPT_NAME`` is read from the environment of the process.
    """

    def __init__(self, cfg: Any) -> None:
        self._script_name = os.environ.get("SCRIPT_NAME", "")
        self._schemes: dict[str, str] = cfg.secure_scheme_headers
        self._forwarder_names = {name.upper() for name in cfg.forwarder_headers}
        self._header_map: str = cfg.header_map
        addresses = [address for address in cfg.forwarded_allow_ips if address != "*"]
        self._any = len(addresses) < len(cfg.forwarded_allow_ips)
        self._networks = [ip_network(address, strict=False) for address in addresses]
        self._trusts_ip = lru_cache(1_000)(self._is_in_networks)

    def read(self, fields: Fields, address: object, target: str) -> Forwarded:
        """Return the additions to the environ of a request.

        Args:
            fields: its header fields.
            address: that of the peer; only those of IP are tuples.
            target: its path, with the query.

        Raises:
            HeadRefused: proxies contradict each other, a header field must not come, or the path
                is not below the script name.

        """
        trusted = self._trusts(address)
        scheme = self._scheme(fields) if trusted else None
        script_name, kept = self._script_name, []
        for name, value in fields.with_underscores():
            if trusted and name.upper() in self._forwarder_names:
                script_name = value if name.upper() == "SCRIPT_NAME" else script_name
                kept.append((name, value))
            elif self._maps(name):
                kept.append((name, value))
        script_name = script_name.rstrip("/")
        path_info = path_below(script_name, target) if script_name else None
        return Forwarded(scheme, script_name, path_info, kept)

    def _trusts(self, address: object) -> bool:
        if self._any or not isinstance(address, tuple):
            return True
        return self._trusts_ip(address[0])

    def _is_in_networks(self, text: str) -> bool:
        address = ip_address(text.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def _scheme(self, fields: Fields) -> str | None:
        schemes = {
            "https" if value == secure else "http"
            for name, secure in self._schemes.items()
            for value in fields.get_all(name)
        }
        if len(schemes) > 1:
            raise HeadRefused(400, f"{', '.join(self._schemes)} contradict each other")
        return schemes.pop() if schemes else None

    def _maps(self, name: str) -> bool:
        if self._header_map == "refuse":
            raise HeadRefused(400, f"a header field with an underscore in its name: {name[:60]!r}")
        return self._header_map == "dangerous"


def path_below(script_name: str, target: str) -> str:
    """Return the rest of a path that begins with ``script_name``, as WSGI wants it.

    Raises:
        HeadRefused: it begins with something else.

    """
    path = target.partition("?")[0]
    if path != script_name and not path.startswith(f"{script_name}/"):
        raise HeadRefused(500, f"the path {path[:100]!r} is not below SCRIPT_NAME {script_name!r}")
    return unquote_to_bytes(path[len(script_name) :]).decode("latin-1")
