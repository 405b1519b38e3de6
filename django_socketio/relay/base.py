"""What a relay is: it takes an envelope in one process and hands it to those that want it."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

# A namespace holds no comma (Socket.IO v5, "Packet encoding"), so the topics cannot be confused.


def channel_topic(namespace: str, channel: str) -> str:
    """Return the topic of a channel's messages."""
    return f"channel,{namespace},{channel}"


def channel_of(topic: str) -> str | None:
    """Return the channel that a topic is for; None for the other kinds of topics."""
    kind, _, rest = topic.partition(",")
    return rest.partition(",")[2] if kind == "channel" else None


def socket_topic(namespace: str, session_id: str) -> str:
    """Return the topic of messages for one socket."""
    return f"socket,{namespace},{session_id}"


def everyone_topic(namespace: str) -> str:
    """Return the topic of messages for all sockets of a namespace."""
    return f"everyone,{namespace}"


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event on its way to all sockets that are on any of its topics, once each.

    ``exclude`` is the id of a socket that does not get it: the one that sent it. ``encoded`` is its
    event as JSON text and attachments, where a relay has encoded it in this process.
    """

    topics: tuple[str, ...]
    namespace: str
    event: str
    args: tuple[Any, ...]
    exclude: str | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    encoded: tuple[str, Sequence[bytes]] | None = field(default=None, compare=False, repr=False)


Deliver = Callable[[Envelope], int]
"""Hands an envelope to the sockets of this process; returns how many got it."""


class Relay(ABC):
    """Carries envelopes to every process that subscribed to one of their topics."""

    @abstractmethod
    def publish(self, envelope: Envelope) -> int:
        """Hand the envelope on; return how many sockets or processes received it.

        Raises:
            EventError: the event or the namespace cannot have its name.
            TypeError, ValueError: an argument cannot be written as JSON, or read again.
            RelayError: it could not be handed on. Nobody received it; or, where its topics are on
                several nodes of a cluster, not everybody: the error then says so.

        """

    @abstractmethod
    def subscribe(self, topic: str, deliver: Deliver) -> None:
        """Have ``deliver`` called with the envelopes of a topic, in the order of the topic.

        Comes back once that is so. May be called again for the same topic. A relay that cannot be
        reached is no error: the topic is subscribed to once the relay is back.
        """

    @abstractmethod
    def unsubscribe(self, topic: str) -> None:
        """Receive no more envelopes of a topic. A relay that cannot be reached is no error."""

    def status(self) -> dict[str, Any]:
        """Return whether it is alive, since when it is deaf, and how often it connected again."""
        return {"alive": True, "deaf_since": None, "reconnects": 0}

    def descriptors(self) -> list[int]:
        """Return the descriptors of its connections: a forked process must not keep them."""
        return []

    @abstractmethod
    def close(self) -> None:
        """Let go of all that it holds."""

    @abstractmethod
    def __str__(self) -> str:
        """Name it for people; no passwords."""
