"""A relay's connection as a dictionary, by redis-py's names: another form of its URL."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import quote, urlencode

PLACE = ("host", "port", "unix_socket_path", "ssl")
"""Keys that are parts of a URL; all others are options of it."""


def url_of(given: str | Mapping[str, Any]) -> str:
    """Return the URL of a relay, which is given as a URL or as a dictionary.

    Raises:
        ValueError: a key or a value of the dictionary cannot be used; the text shows no password.

    """
    if isinstance(given, str):
        return given
    options = dict(_options(given))
    socket = given.get("unix_socket_path")
    if socket:
        _refuse(given, ("host", "port", "ssl"), "does not fit beside 'unix_socket_path'")
        place = f"unix://{quote(str(socket))}"
    else:
        scheme = "rediss" if _flag(given, "ssl") else "redis"
        place = f"{scheme}://{_host(given.get('host'))}:{_port(given)}"
    return f"{place}?{urlencode(options)}" if options else place


def _options(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if not isinstance(name, str):
            raise ValueError(f"its keys must be texts such as 'host', not {name!r:.100}")
        if name in PLACE or value is None:
            continue
        if not isinstance(value, (str, int)):
            kind = type(value).__name__
            raise ValueError(f"its {name!r} must be a text, a number, True or False, not a {kind}")
        yield name, str(value).lower() if isinstance(value, bool) else str(value)


def _refuse(given: Mapping[str, Any], names: tuple[str, ...], why: str) -> None:
    for name in names:
        if given.get(name):
            raise ValueError(f"its {name!r} {why}")


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"its {name!r} must be True or False, not {value!r:.100}")
    return value


def _host(host: Any) -> str:
    if host is None:
        return "localhost"
    if not isinstance(host, str) or not host:
        raise ValueError(
            f"its 'host' must be a name or an address, not {host!r:.100}; Sentinels and clusters "
            "are named by a URL"
        )
    return _address(host) if ":" in host else quote(host, safe="")


def _address(host: str) -> str:
    """Return an address of IPv6 as a URL has it."""
    try:
        return f"[{IPv6Address(host.removeprefix('[').removesuffix(']'))}]"
    except ValueError:
        raise ValueError(
            f"its 'host' must be a name or an address, not {host!r:.100}; 'port' is its own key"
        ) from None


def _port(given: Mapping[str, Any]) -> int:
    port = given.get("port")
    if port is None:
        return 6379
    number = int(port) if isinstance(port, str) and port.isascii() and port.isdecimal() else port
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 65_536:
        raise ValueError(f"its 'port' must be a number from 1 to 65535, not {port!r:.100}")
    return number
