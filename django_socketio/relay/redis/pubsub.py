"""The commands of Redis's pub/sub, and the wait for its confirmations."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PubSubCommands:
    """The commands of a kind of pub/sub, and the first words of Redis's messages about it."""

    subscribe: str = "SUBSCRIBE"
    unsubscribe: str = "UNSUBSCRIBE"
    confirmed: bytes = b"subscribe"
    ended: bytes = b"unsubscribe"
    message: bytes = b"message"


PUBSUB = PubSubCommands()


def are_set(events: Iterable[threading.Event], timeout: float) -> bool:
    """Wait for events; give up, and return False, if the next one takes longer than a timeout."""
    return all(event.wait(timeout) for event in events)
