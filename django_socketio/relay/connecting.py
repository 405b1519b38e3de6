"""redis-py's client for a URL: one Redis, or the master that Sentinels name."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from redis.sentinel import Sentinel, SentinelConnectionPool

POOL_SIZE = 10
"""Connections for publishing in a process."""

SENTINEL_POOL_SIZE = 100
"""The same by Sentinel: redis-py's pool for it has nobody wait for a connection, but fail."""

SENTINEL = "redis+sentinel"
SENTINEL_PORT = 26379


def connect(url: str, timeout: float) -> "redis.Redis":
    """Return a client; it connects on first use.

    ``url`` is one of redis-py's (``redis://``, ``rediss://``, ``unix://``), or names Sentinels:
    ``redis+sentinel://user:password@host1:26379,host2:26379/master/0?sentinel_password=…``.

    Args:
        timeout: seconds for connecting and for the answer, together.

    Raises:
        ValueError: the URL is none of these.

    """
    half = timeout / 2
    times = {"socket_connect_timeout": half, "socket_timeout": half, "protocol": 2, "retry": None}
    if urlsplit(url).scheme == SENTINEL:
        return _connect_by_sentinel(url, times)
    pool = redis.BlockingConnectionPool.from_url(
        url, max_connections=POOL_SIZE, timeout=half, **times
    )
    return redis.Redis(connection_pool=pool)


def _connect_by_sentinel(url: str, times: dict[str, Any]) -> "redis.Redis":
    parts = urlsplit(url)
    master, _, database = parts.path.strip("/").partition("/")
    hosts = parts.netloc.rpartition("@")[2]
    if not master or not hosts:
        raise ValueError(f"expected {SENTINEL}://host:port,host:port/master/database")
    options = dict(parse_qsl(parts.query))
    login = {"username": parts.username, "password": parts.password}
    sentinel = Sentinel(
        [_host_and_port(host) for host in hosts.split(",")],
        sentinel_kwargs={**times, "password": options.get("sentinel_password")},
    )
    pool = SentinelConnectionPool(
        master,
        sentinel,
        db=int(database or 0),
        max_connections=SENTINEL_POOL_SIZE,
        **{name: unquote(value) for name, value in login.items() if value},
        **times,
    )
    return redis.Redis(connection_pool=pool)


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return (host, int(port)) if host else (port, SENTINEL_PORT)


def address(url: str) -> str:
    """Return where a URL points to, without its user and password."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] + parts.path
