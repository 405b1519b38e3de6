"""What a site's topics are called in Redis."""


class Names:
    """What a site's topics are called in Redis.

    The braces put a topic's keys and its channel into one slot of a cluster.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def channel(self, topic: str) -> str:
        """Return the Redis channel of a topic."""
        return f"{self._prefix}:{{{topic}}}"

    def topic(self, channel: str) -> str:
        """Return the topic of a Redis channel."""
        return channel[len(self._prefix) + 2 : -1]

    def keys(self, topic: str) -> tuple[str, str]:
        """Return the keys of a topic's position and of its log."""
        channel = self.channel(topic)
        return f"{channel}:position", f"{channel}:log"
