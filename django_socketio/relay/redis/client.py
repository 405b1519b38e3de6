"""redis-py's clients for a relay's URL: for one Redis, for Sentinels, for a node of a cluster."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import redis
from redis.connection import ConnectionInterface
from redis.sentinel import Sentinel, SentinelConnectionPool

from django_socketio.relay.redis import server_kind
from django_socketio.relay.redis.server_kind import SENTINEL, SINGLE
from django_socketio.relay.redis.url import RelayURL

POOL_SIZE = 10
"""Connections that read, unless the URL says otherwise; those that publish are others."""


class UnixConnection(redis.UnixDomainSocketConnection):
    """A connection to a Unix socket, with the host and the port that redis-py asks for.

    redis-py names them when it reports a timeout, and would raise ``AttributeError`` instead.
    """

    host = "localhost"
    port = 0


CONNECTIONS = {
    "redis": redis.Connection,
    "rediss": redis.SSLConnection,
    "unix": UnixConnection,
}


class SentinelPool(SentinelConnectionPool, redis.BlockingConnectionPool):
    """Connections to the master: threads wait for a free one, where redis-py's pool would fail."""


def connect(url: RelayURL, timeout: float, mode: str = SINGLE) -> "redis.Redis":
    """Return a client; it connects on first use.

    Args:
        timeout: seconds for connecting and for the answer, together.
        mode: of the server (``server_kind``); connections to a server of another mode fail.

    """
    half = timeout / 2
    times = {"socket_connect_timeout": half, "socket_timeout": half, "protocol": 2, "retry": None}
    options = {"max_connections": POOL_SIZE, "timeout": half, "db": url.database}
    options |= url.options | times | {"redis_connect_func": server_kind.expect(mode)}
    pool: redis.BlockingConnectionPool
    if url.is_sentinel:
        sentinel = Sentinel(url.hosts, sentinel_kwargs=times | _sentinel_options(url))
        options["ssl"] = url.has_tls
        pool = SentinelPool(url.master, sentinel, **options)  # type: ignore[no-untyped-call]
    else:
        pool = redis.BlockingConnectionPool(
            connection_class=CONNECTIONS[url.scheme], **_place(url), **options
        )
    return redis.Redis(connection_pool=pool)


def _sentinel_options(url: RelayURL) -> dict[str, Any]:
    """Return the options of connections to Sentinels, which have the certificates of Redis's."""
    tls = {name: value for name, value in url.options.items() if name.startswith("ssl_")}
    check = server_kind.expect(SENTINEL)
    return {"ssl": url.has_tls, **tls, **url.sentinel_options, "redis_connect_func": check}


def _place(url: RelayURL) -> dict[str, Any]:
    if url.scheme == "unix":
        return {"path": url.path}
    ((host, port),) = url.hosts
    return {"host": host, "port": port}


def separate_connection(client: "redis.Redis") -> ConnectionInterface:
    """Return a connection beside the client's pool, which is closed by its user.

    A dead one that receives messages is found by the relay's own ones, not by ``PING``, whose
    answer would come among them. Once closed, it stays closed: redis-py would otherwise connect
    again by itself, without the subscriptions.
    """
    pool = client.connection_pool
    once = _Once(pool.connection_kwargs["redis_connect_func"])
    options = {**pool.connection_kwargs, "health_check_interval": 0, "redis_connect_func": once}
    connection: ConnectionInterface = pool.connection_class(**options)
    return connection


class _Once:
    """Logs a connection in when it connects for the first time, and refuses any other time."""

    def __init__(self, log_in: server_kind.Login) -> None:
        self._log_in = log_in
        self._has_connected = False

    def __call__(self, connection: ConnectionInterface) -> None:
        if self._has_connected:
            raise redis.ConnectionError("the connection to Redis was closed")
        self._has_connected = True
        self._log_in(connection)


def close(client: "redis.Redis") -> None:
    """Close a client's connections: those that threads use once they are given back.

    A thread that reads would find its connection torn down, which redis-py does not expect.
    """
    for connection in _connections(client):
        connection.mark_for_reconnect()  # it is closed when it comes back to the pool
    client.connection_pool.disconnect(inuse_connections=False)


def descriptors(client: "redis.Redis", *others: Any) -> list[int]:
    """Return the descriptors of a client's open connections, and of others that it has made."""
    sockets = [getattr(one, "_sock", None) for one in (*_connections(client), *others)]
    return [sock.fileno() for sock in sockets if sock is not None and sock.fileno() >= 0]


def _connections(client: "redis.Redis") -> Iterator[Any]:
    pool: Any = client.connection_pool
    return chain(*(getattr(pool, name, ()) for name in _POOLED))


_POOLED = ("_connections", "_available_connections", "_in_use_connections")
"""Attributes in which redis-py's pools keep connections: each kind of pool has some of them."""
