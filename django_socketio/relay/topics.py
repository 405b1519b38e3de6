"""Topics: the addresses of messages between processes, and what each kind of topic promises."""

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple


class TopicKind(StrEnum):
    """The kinds of topics; the value is the first part of a topic's key."""

    CHANNEL = "channel"
    """All sockets on a channel; ``name`` is the channel's."""

    SOCKET = "socket"
    """One socket; ``name`` is its public id."""

    EVERYONE = "everyone"
    """All sockets of a namespace; has no ``name``."""

    USER = "user"
    """All sockets of a user; ``name`` is the user's primary key as a text."""

    SESSION = "session"
    """All sockets of a Django session; ``name`` is a keyed hash of its key, which is a secret."""

    GROUP = "group"
    """All sockets of the users in a group; ``name`` is the group's primary key as a text."""

    CONTROL = "control"
    """The server processes themselves, not their sockets."""

    PRESENCE = "presence"
    """Changes of who is on a channel; ``name`` is the channel's."""

    REPLIES = "replies"
    """One process, which waits for answers to its calls; ``name`` is a random one of its own."""

    HEALTH = "self"
    """One connection of one process, which sends messages to itself."""

    __hash__ = str.__hash__  # an Enum's own is Python: each message looks up its topics


class Policy(NamedTuple):
    """The guarantees of a kind of topics.

    Attributes:
        tells_losses: whether subscribers are told that messages of the topic were lost.
        has_past: whether messages can have been published before the first subscription.
        asks_position: whether a process asks for the topic's position when it subscribes. If not,
            the first message tells the position. Until then, a connection that breaks counts as a
            loss, unless the topic is idle.
        has_log: whether the topic keeps its messages for a time, as its ``Retention`` says. A hole
            in a topic without a log cannot be filled, and nothing of it can be read again.

    """

    tells_losses: bool = False
    has_past: bool = True
    asks_position: bool = True
    has_log: bool = True


_POLICIES = {
    TopicKind.CHANNEL: Policy(tells_losses=True),
    TopicKind.SOCKET: Policy(has_past=False),  # the id is new when its socket subscribes
    TopicKind.EVERYONE: Policy(),
    # Each connection of a user subscribes to these: no further round trip for their positions.
    TopicKind.USER: Policy(asks_position=False),
    TopicKind.SESSION: Policy(asks_position=False),
    TopicKind.GROUP: Policy(asks_position=False),
    TopicKind.CONTROL: Policy(),
    TopicKind.PRESENCE: Policy(),
    # Lost answers are not read again: the call ends by its timeout.
    TopicKind.REPLIES: Policy(has_past=False, asks_position=False, has_log=False),
    TopicKind.HEALTH: Policy(),  # with a log, so that the check shows that Redis can write
}


_KINDS = {kind.value: kind for kind in TopicKind}


class Topic(NamedTuple):
    """The address of messages: each process with a subscription to it receives them, in one order.

    ``str(topic)`` is its key: the form that Redis, envelopes and the log of the server show.
    """

    kind: TopicKind
    namespace: str = ""
    name: str = ""

    @property
    def policy(self) -> Policy:
        """The guarantees of the topic's kind."""
        return _POLICIES[self.kind]

    def __str__(self) -> str:
        return key_of_topic(self)


@lru_cache(1024)
def key_of_topic(topic: Topic) -> str:
    """Return the key of a topic."""
    # A namespace holds no comma (Socket.IO v5, "Packet encoding"): no two topics share a key.
    kind, namespace, name = topic
    return f"{kind},{namespace},{name}" if name else f"{kind},{namespace}"


@lru_cache(1024)
def topic_of_key(key: str) -> Topic | None:
    """Return the topic that has a key; None for a kind that only newer versions know."""
    kind, _, rest = key.partition(",")
    namespace, _, name = rest.partition(",")
    known = _KINDS.get(kind)
    return None if known is None else Topic(known, namespace, name)


@lru_cache(1024)
def channel_topic(namespace: str, channel: str) -> Topic:
    """Return the topic of a channel's messages."""
    return Topic(TopicKind.CHANNEL, namespace, channel)


def socket_topic(namespace: str, session_id: str) -> Topic:
    """Return the topic of messages for one socket."""
    return Topic(TopicKind.SOCKET, namespace, session_id)


@lru_cache(1024)
def presence_topic(namespace: str, channel: str) -> Topic:
    """Return the topic of the changes of who is on a channel."""
    return Topic(TopicKind.PRESENCE, namespace, channel)


@lru_cache(1024)
def everyone_topic(namespace: str) -> Topic:
    """Return the topic of messages for all sockets of a namespace."""
    return Topic(TopicKind.EVERYONE, namespace)


class Retention(NamedTuple):
    """The bounds of a topic's log.

    Attributes:
        messages: how many of the newest messages; 0 keeps no log.
        bytes: their size in Redis. The newest message is kept whatever its size.
        seconds: how long the log outlives the topic's last message. A history ends with each
            message's own age.
        is_history: whether messages are kept that no process hears, and are part of the history.
        replay: how many of them a new subscriber gets without asking.

    """

    messages: int = 1000
    bytes: int = 1_000_000
    seconds: float = 60.0
    is_history: bool = False
    replay: int = 0

    def kept_for(self, seconds: float) -> "Retention":
        """Return the retention of a message that is to be kept for some seconds in any case."""
        messages = self.messages or Retention().messages
        size, longer = self.bytes or Retention().bytes, max(self.seconds, seconds)
        return Retention(messages, size, longer, is_history=True)

    def limit(self, wanted: int | None) -> int | None:
        """Return how many messages of a history there are at most, if so many are wanted."""
        if not self.is_history:
            return wanted
        return self.messages if wanted is None else min(wanted, self.messages)


NO_LOG = Retention(0, 0, 0.0)

OF_PRESENCE = Retention(messages=1000, bytes=300_000, seconds=3600.0, is_history=True)
"""Changes of presence are kept whether or not anybody is told of them: each has a position."""


class RetentionRule(NamedTuple):
    """A retention for the topics of a kind whose name a pattern matches, from its start."""

    kind: TopicKind
    pattern: re.Pattern[str]
    retention: Retention


class Retentions(NamedTuple):
    """The retention of every topic of a site: that of the first rule that fits, or the default.

    Attributes:
        default: the retention of topics without a rule.
        rules: the rules, the first one that fits first.
        away: the seconds for which messages are kept that no process hears, on a topic with
            subscribers that may come back; 0 keeps none.

    """

    default: Retention = Retention()
    rules: tuple[RetentionRule, ...] = ()
    away: float = 0.0

    def of(self, topic: Topic) -> Retention:
        """Return the retention of a topic."""
        if not _POLICIES[topic.kind].has_log:
            return NO_LOG
        if topic.kind is TopicKind.PRESENCE:
            return OF_PRESENCE
        for rule in self.rules:
            if rule.kind is topic.kind and rule.pattern.match(topic.name):
                return rule.retention
        return self.default


DEFAULT_RETENTIONS = Retentions()
