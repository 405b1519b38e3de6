"""The URL of a relay: where Redis is, and with which options it is reached."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django_socketio.relay.redis.options import SENTINEL, TLS, is_known, option

REDIS_PORT, SENTINEL_PORT = 6379, 26379

NODES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
"""Schemes of clusters, and those of their nodes."""

SCHEMES = ("redis", "rediss", "unix", *SENTINEL, *NODES)

Host = tuple[str, int]


@dataclass(frozen=True, slots=True)
class RelayURL:
    """The parts of a relay's URL.

    Args:
        hosts: the addresses of Redis, of some Sentinels, or of some nodes of a cluster.
        path: of the Unix socket, for ``unix://``.
        master: the name by which Sentinels know Redis.
        database: the number of the database.
        options: of connections to Redis, by redis-py's names.
        sentinel_options: of connections to Sentinels.

    """

    scheme: str
    hosts: tuple[Host, ...] = ()
    path: str = ""
    master: str = ""
    database: int = 0
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    sentinel_options: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, url: str) -> "RelayURL":
        """Return the parts of a URL.

        Raises:
            ValueError: the URL cannot be used; the text names the part, and no password.

        """
        parts = _split(url)
        options = dict(_options(parts))
        database = options.pop("db", None)
        sentinel = {
            name.removeprefix("sentinel_"): options.pop(name)
            for name in [*options]
            if name.startswith("sentinel_")
        }
        place = _path_of(parts, database)
        return cls(parts.scheme, _hosts(parts), **place, options=options, sentinel_options=sentinel)

    @property
    def has_tls(self) -> bool:
        """True where every connection uses TLS, those to Sentinels as well."""
        return self.scheme in TLS

    @property
    def is_sentinel(self) -> bool:
        """True where Sentinels name the address of Redis."""
        return self.scheme in SENTINEL

    @property
    def is_cluster(self) -> bool:
        """True for the URL of a cluster."""
        return self.scheme in NODES

    def of_node(self, host: str, port: int) -> "RelayURL":
        """Return the URL of a node of the cluster."""
        return replace(self, scheme=NODES[self.scheme], hosts=((host, port),))

    def __str__(self) -> str:
        """Name the place for people: no user, no password."""
        if self.scheme == "unix":
            return f"{self.path}?db={self.database}" if self.database else self.path
        hosts = ",".join(map(_address, self.hosts))
        if self.is_cluster:
            return hosts
        return "/".join([hosts, *filter(None, [self.master]), str(self.database)])


def _address(host: Host) -> str:
    name, port = host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


_END_OF_PLACE = re.compile(r"[/?#]")

_IPV6 = re.compile(r"\[[0-9A-Fa-f:.]+\]")


def _split(url: str) -> SplitResult:
    """Split a URL; refuse text that is no URL, with an error that shows nothing of a password."""
    scheme, colon, rest = url.partition("://")
    if scheme not in SCHEMES or not colon:
        raise ValueError(f"its scheme must be one of {', '.join(SCHEMES)}")
    place = _END_OF_PLACE.split(rest, maxsplit=1)[0]
    login, at, hosts = place.rpartition("@")
    try:
        # Recent Pythons refuse a list of hosts with IPv6 addresses (CVE-2025-0938).
        plain = f"{login}{at}{_IPV6.sub('ipv6', hosts)}{rest[len(place) :]}"
        parts = urlsplit(f"{scheme}://{plain}")
        if "[" in hosts:
            parts = parts._replace(netloc=place)
    except ValueError:
        raise ValueError(
            "its host, or its password, has a character that no URL can have"
        ) from None
    if parts.fragment or (scheme != "unix" and "@" in _beyond_login(parts)):
        raise ValueError("'/', '?' and '#' in a user's name or a password must be percent-encoded")
    return parts


def _beyond_login(parts: SplitResult) -> str:
    """Return the parts that hold no "@", unless a part of a password is taken for one of them."""
    query = parse_qsl(parts.query, keep_blank_values=True)
    unknown = [value for name, value in query if not is_known(name)]
    return "".join([parts.path, *(name for name, _ in query), *unknown])


def _options(parts: SplitResult) -> Iterator[tuple[str, Any]]:
    login = {"username": parts.username, "password": parts.password}
    given = [(name, unquote(value)) for name, value in login.items() if value]
    names = set()
    for name, value in [*given, *parse_qsl(parts.query, keep_blank_values=True)]:
        if name in names:
            raise ValueError(f"it has {name!r} twice")
        names.add(name)
        yield name, option(name, value, parts.scheme)


def _path_of(parts: SplitResult, database: int | None) -> dict[str, Any]:
    """Return what the path names: a Unix socket, or a master, and a database."""
    path = unquote(parts.path)
    if parts.scheme == "unix":
        if not path.strip("/"):
            raise ValueError("it must name the socket, as in unix:///run/redis/redis.sock")
        return {"path": path, "database": database or 0}
    names = path.removeprefix("/").removesuffix("/")
    master = ""
    if parts.scheme in SENTINEL:
        master, _, names = names.partition("/")
        if not master:
            raise ValueError(f"it must be {parts.scheme}://host:port,host:port/master/database")
    return {"master": master, "database": _database(parts.scheme, names, database)}


def _database(scheme: str, given: str, other: int | None) -> int:
    try:
        number = option("db", given, scheme) if given else None
    except ValueError:
        raise ValueError("its path must be the number of a database") from None
    if None not in (number, other) and number != other:
        raise ValueError(f"it names two databases, {number} and {other}")
    database = number or other or 0
    if database and scheme in NODES:
        raise ValueError(f"a Redis Cluster has database 0 only, not {database}")
    return database


def _hosts(parts: SplitResult) -> tuple[Host, ...]:
    given = parts.netloc.rpartition("@")[2]
    if parts.scheme == "unix":
        if given:
            raise ValueError(
                "a socket's path must begin with a slash, as in unix:///run/redis.sock"
            )
        return ()
    if parts.scheme in ("redis", "rediss"):
        if "," in given:
            raise ValueError(
                "it must name one host; redis+sentinel:// and redis+cluster:// take several"
            )
        return (_host(given or "localhost", REDIS_PORT),)
    port = SENTINEL_PORT if parts.scheme in SENTINEL else REDIS_PORT
    return tuple(_host(host, port) for host in given.split(","))


def _host(address: str, port: int) -> Host:
    host, colon, given = address.rpartition(":")
    if not colon or given.endswith("]"):
        host, given = address, str(port)
    bracketed = host.startswith("[") and host.endswith("]")
    name = unquote(host[1:-1] if bracketed else host)
    if not name and colon:
        name = "localhost"
    is_port = given.isascii() and given.isdecimal() and 0 < int(given[:6]) < 65_536
    if not name or not is_port or (":" in name and not bracketed):
        # Without an "@", what is meant as a password is taken for a port, or for a host.
        raise ValueError(
            "its hosts must be host:port, with a port from 1 to 65535; a login ends with '@'"
        )
    return name, int(given)
