"""redis-py's client for a URL: one Redis, the master that Sentinels name, a node of a cluster."""

from dataclasses import dataclass
from itertools import chain
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

CLUSTER = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
"""Schemes of clusters, and those of their nodes."""

CLUSTER_PORT = 6379


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
        [_host_and_port(host, SENTINEL_PORT) for host in hosts.split(",")],
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


def _host_and_port(address: str, port: int) -> tuple[str, int]:
    host, colon, given = address.rpartition(":")
    if not colon or given.endswith("]"):
        host, given = address, str(port)
    return host.strip("[]"), int(given)


@dataclass(frozen=True, slots=True)
class ClusterURL:
    """``redis+cluster://user:password@host1:6379,host2:6379?…``, or ``rediss+cluster://``.

    User, password and options are the same for all nodes. Some of the nodes will do: they name the
    others.
    """

    scheme: str
    login: str
    hosts: tuple[tuple[str, int], ...]
    query: str

    @classmethod
    def parse(cls, url: str) -> "ClusterURL":
        """Return what a URL says.

        Raises:
            ValueError: it is none of a cluster.

        """
        parts = urlsplit(url)
        login, at, hosts = parts.netloc.rpartition("@")
        database = dict(parse_qsl(parts.query)).get("db") or parts.path.strip("/")
        if database not in ("", "0"):
            raise ValueError(
                f"a Redis Cluster has database 0 only; SOCKETIO_RELAY_URL asks for {database!r}"
            )
        try:
            nodes = tuple(_host_and_port(host, CLUSTER_PORT) for host in hosts.split(","))
        except ValueError:
            nodes = ()
        if not nodes or not all(host for host, _ in nodes):
            raise ValueError(
                f"SOCKETIO_RELAY_URL must be {parts.scheme}://host:port,host:port; its hosts are "
                f"{hosts!r}"
            )
        return cls(CLUSTER[parts.scheme], login + at, nodes, parts.query)

    def of_node(self, host: str, port: int) -> str:
        """Return redis-py's URL for a node."""
        name = f"[{host}]" if ":" in host else host
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.login}{name}:{port}/0{query}"


def is_cluster(url: str) -> bool:
    """Whether a URL is one of a cluster."""
    return urlsplit(url).scheme in CLUSTER


def address(url: str) -> str:
    """Return where a URL points to, without its user and password."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] + parts.path


def descriptors(client: "redis.Redis", *others: Any) -> list[int]:
    """Return the descriptors of a client's open connections, and of others that it has made."""
    pool: Any = client.connection_pool
    pooled = (getattr(pool, name, ()) for name in _POOLED)
    sockets = [getattr(one, "_sock", None) for one in (*chain(*pooled), *others)]
    return [sock.fileno() for sock in sockets if sock is not None and sock.fileno() >= 0]


_POOLED = ("_connections", "_available_connections", "_in_use_connections")
"""Where redis-py's pools keep their connections: each kind of them has one or two of these."""
