"""The kind of server at the other end of a connection, compared with the scheme of the URL."""

from collections.abc import Callable

import redis
from redis.connection import ConnectionInterface
from redis.exceptions import RedisError, ResponseError

SINGLE, CLUSTER, SENTINEL = "standalone", "cluster", "sentinel"
"""Modes of servers, as ``HELLO`` names them."""

NAMES = {SINGLE: "a single Redis", CLUSTER: "a node of a Redis Cluster", SENTINEL: "a Sentinel"}

SCHEMES = {SINGLE: "redis://", CLUSTER: "redis+cluster://", SENTINEL: "redis+sentinel://"}
"""Schemes of URLs for each kind of server; with TLS they begin with ``rediss``."""

Login = Callable[[ConnectionInterface], None]
"""Logs a new connection in, before redis-py uses it."""


class WrongServer(RedisError):
    """The server cannot be used: it is of another kind than the URL says, or a replica.

    No ``ConnectionError``: after one, redis-py asks the next Sentinel and drops the text.
    """


def expect(mode: str) -> Login:
    """Return a function that logs a connection in, and refuses a server of another mode.

    ``HELLO`` is a right of ``+@connection``. A server, a proxy or a user without it is trusted.
    """

    def log_in(connection: ConnectionInterface) -> None:
        connection.on_connect()
        if found := _hello(connection):
            _check(found, mode, connection)

    return log_in


def _hello(connection: ConnectionInterface) -> dict[bytes, object]:
    connection.send_command("HELLO")
    try:
        fields = connection.read_response()
    except ResponseError:
        return {}
    return dict(zip(fields[::2], fields[1::2], strict=True))


def _check(found: dict[bytes, object], mode: str, connection: ConnectionInterface) -> None:
    actual = _text(found.get(b"mode"))
    if actual in NAMES and actual != mode:
        secure = isinstance(connection, redis.SSLConnection)
        right, wrong = (_scheme(one, secure) for one in (actual, mode))
        raise WrongServer(
            f"{_address(connection)} is {NAMES[actual]}: write {right}, not {wrong}, in "
            "SOCKETIO_RELAY_URL"
        )
    if mode == SINGLE and _text(found.get(b"role")) == "replica":
        raise WrongServer(
            f"{_address(connection)} is a replica, which takes no messages: the relay needs its "
            "primary"
        )


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _scheme(mode: str, secure: bool) -> str:
    return SCHEMES[mode].replace("redis", "rediss", 1) if secure else SCHEMES[mode]


def _address(connection: ConnectionInterface) -> str:
    if isinstance(connection, redis.UnixDomainSocketConnection):
        return str(connection.path)
    return ":".join(str(getattr(connection, name, "?")) for name in ("host", "port"))
