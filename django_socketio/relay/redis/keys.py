"""The names of a site's keys and channels in Redis."""

from collections.abc import Iterable

from django_socketio.relay.topics import Topic, key_of_topic, topic_of_key


class Keyspace:
    """Makes the names of a site's keys and channels in Redis.

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
                "SOCKETIO_RELAY_PREFIX must hold no braces, which end the prefix in Redis and "
                f"decide the slot in a cluster, not {prefix!r}"
            )
        self._before = prefix + ":{"
        self._after = "}" + (str(database) if database else "")

    @property
    def listeners(self) -> str:
        """The key of the processes that listen."""
        return f"{self._before}listeners}}"  # no topic's: those have a comma

    @property
    def processes(self) -> str:
        """The key of the leases of processes that hold people in rosters."""
        return f"{self._before}processes}}"

    def topics_of(self, process: str) -> str:
        """Return the key of the topics on which a process holds people."""
        return f"{self.processes}:topics:{process}"

    def names(self, topic: Topic) -> tuple[str, str, str]:
        """Return the channel of a topic, and the keys of its position and of its log."""
        tag = self.tag(topic)
        return tag + self._after, tag + "}:position", tag + "}:log"

    def tag(self, topic: Topic) -> str:
        """Return what the names of all keys of a topic begin with, up to the closing brace."""
        return self._before + key_of_topic(topic)

    def channel(self, topic: Topic) -> str:
        """Return the Redis channel of a topic."""
        return f"{self._before}{topic}{self._after}"

    def topic(self, channel: str) -> Topic | None:
        """Return the topic of a Redis channel; None if it is of no kind that is known."""
        return topic_of_key(channel[len(self._before) : -len(self._after)])

    def keys(self, topic: Topic) -> tuple[str, str]:
        """Return the keys of a topic's position and of its log."""
        _, position, log = self.names(topic)
        return position, log

    def shared(self, topic: Topic, id: str) -> str:
        """Return the key of a message that several topics share, in the slot of one of them."""
        return f"{self._before}{topic}}}:message:{id}"

    def record(self, topics: Iterable[Topic], once: str) -> str:
        """Return the key of the record of an idempotency key, in the slot of one of the topics."""
        return f"{self.tag(min(topics))}}}:once:{once}"

    def id_of_shared(self, key: str) -> str | None:
        """Return the id of a shared message by its key; None if it is no such key of this site."""
        before, mark, id = key.rpartition("}:message:")
        return id if mark and before.startswith(self._before) else None
