"""What a site's topics are called in Redis."""


class Names:
    """What a site's topics are called in Redis.

    Keys belong to a database, but channels do not: a channel's name ends with the number of the
    database, unless that is 0. The braces put a topic's keys and its channel into one slot of a
    cluster, and end the prefix: no name of a site can be that of a site with another prefix or in
    another database.

    Raises:
        ValueError: the prefix holds braces.

    """

    def __init__(self, prefix: str, database: int = 0) -> None:
        if set("{}") & set(prefix):
            raise ValueError(
                "the prefix of names must hold no braces, which end it and decide the slot in a "
                f"cluster; SOCKETIO_RELAY_PREFIX is {prefix!r}"
            )
        self._before = prefix + ":{"
        self._after = "}" + (str(database) if database else "")

    def channel(self, topic: str) -> str:
        """Return the Redis channel of a topic."""
        return f"{self._before}{topic}{self._after}"

    def topic(self, channel: str) -> str:
        """Return the topic of a Redis channel."""
        return channel[len(self._before) : -len(self._after)]

    def keys(self, topic: str) -> tuple[str, str]:
        """Return the keys of a topic's position and of its log."""
        return f"{self._before}{topic}}}:position", f"{self._before}{topic}}}:log"

    def shared(self, topic: str, id: str) -> str:
        """Return the key of a message that several topics share, in the slot of one of them."""
        return f"{self._before}{topic}}}:message:{id}"

    def id_of_shared(self, key: str) -> str | None:
        """Return the id of a shared message by its key; None if it is no such key of this site."""
        before, mark, id = key.rpartition("}:message:")
        return id if mark and before.startswith(self._before) else None
