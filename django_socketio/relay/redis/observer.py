"""The observer of a subscriber: what is told of its connection and its channels."""

from collections.abc import Iterable
from typing import Protocol

from django_socketio.relay.redis.silence import Silence


class CatchingUp(Protocol):
    """The catching up of a connection with what its channels were given before."""

    @property
    def is_done(self) -> bool:
        """Whether no channel is left."""

    def expect(self, channels: Iterable[str]) -> None:
        """Hold what comes for channels from now on, until a step has caught up with them."""

    def step(self) -> bool:
        """Catch up with some channels; return whether ``conclude`` is to be called.

        Raises:
            RedisError: Redis cannot be asked.

        """

    def conclude(self) -> None:
        """Catch up with the rest, after all has been received that was published until now.

        Raises:
            RedisError: Redis cannot be asked.

        """

    @property
    def is_waiting(self) -> bool:
        """Whether what was caught up with may wait for messages that were not received yet."""

    def end(self) -> None:
        """Have nothing wait for this connection: it has caught up and received all, or broke."""


class SubscriptionObserver(Protocol):
    """Is told what happens to subscriptions, in the thread of the subscriber."""

    def message_received(self, channel: str, data: bytes) -> None:
        """Take a message of a channel."""

    def missed(self, channels: list[str], silence: Silence) -> None:
        """Note that messages of channels may not have come; they are caught up with later."""

    def catch_up(self) -> CatchingUp:
        """Return the catching up of a new connection."""
