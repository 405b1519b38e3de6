"""Reading answers of Redis, in a process that may have been busy when they came."""

from typing import Any

from redis.connection import ConnectionInterface
from redis.exceptions import RedisError, TimeoutError


def read_answer(connection: ConnectionInterface) -> Any:
    """Return the next answer on a connection, also if it came while the event loop was blocked.

    Raises:
        ResponseError: the answer is an error. The connection can be read on.
        RedisError: the connection is broken, or no answer came in time.

    """
    try:
        return connection.read_response(disconnect_on_error=False)
    except TimeoutError:
        if not connection.can_read():
            raise
    return connection.read_response(disconnect_on_error=False)


def is_idle(connection: ConnectionInterface) -> bool:
    """Return whether an open connection has not been closed by Redis; nothing is to be read."""
    try:
        return not connection.can_read()
    except (RedisError, OSError):
        return False
