"""The identity of the data in a Redis: what changes when accepted messages may have gone."""

from typing import NamedTuple

import redis
from redis.connection import ConnectionInterface
from redis.exceptions import ResponseError


class Identity(NamedTuple):
    """The identity of the data in a Redis.

    Attributes:
        run: changes with every start.
        history: changes when a replica becomes the primary, also if it was the primary before.
        evicted: counts the keys that were evicted.

    """

    run: str
    history: str
    evicted: str


def identity(connection: ConnectionInterface) -> Identity | None:
    """Return the identity of the data in a Redis; None where Redis may not be asked."""
    connection.send_command("INFO")
    try:
        lines = connection.read_response().decode(errors="replace").splitlines()
    except ResponseError:
        return None
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    found = [values.get(name, "") for name in ("run_id", "master_replid", "evicted_keys")]
    return Identity(*found) if all(found) else None


def data_id(client: "redis.Redis") -> bytes:
    """Return the identity of the data in a Redis, as the position of a topic notes it.

    Raises:
        RedisError: Redis cannot be asked.

    """
    run, history = client.info("server")["run_id"], client.info("replication")["master_replid"]
    return f"{run:.16}{history:.16}".encode()
