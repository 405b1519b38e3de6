"""Commands that wait for the same round trip and are made by one call.

Messages on one topic are published together. Their publishers do not know of each other: each gets
the answer about its own message, and what Redis refuses one of them does not concern the others.
"""

from collections.abc import Hashable, Sequence
from typing import Any

from redis.exceptions import RedisError

from django_socketio.relay.redis.answers import NotRun, expanded, is_error
from django_socketio.relay.redis.line import Command
from django_socketio.relay.redis.packing import MessagePacker, Outgoing, load

OVERHEAD = 500
"""About how many bytes a command has beside its message."""


class Publication(Command):
    """A message on its way to Redis.

    Args:
        message: the message, without an idempotency key.
        packer: packs it.

    """

    __slots__ = ("_packer", "merges", "message")

    def __init__(self, message: Outgoing, packer: MessagePacker) -> None:
        super().__init__()
        self.message = message
        topics, keep = message.topics, message.keep
        self.merges: Hashable = (topics[0], keep) if len(topics) == 1 else None
        self._packer = packer

    def __len__(self) -> int:
        """About the bytes of the command."""
        return len(self.message.message) + OVERHEAD * len(self.message.topics)

    def parts(self, call: Sequence["Publication"]) -> tuple[bytes, bytes | None]:
        """Return the packed call that publishes the messages of some publications."""
        if len(call) == 1:
            return self._packer.one(*self.message[:4])
        return self._packer.many([one.message for one in call])

    def settle_call(self, call: Sequence[Command], answer: Any, error: RedisError | None) -> None:
        """Give each publication the answer about its own message."""
        if len(call) == 1 or error is not None:
            super().settle_call(call, answer, error)
            return
        done = [one for one in expanded(answer) if not is_error(one)]
        for command, one in zip(call, done, strict=False):
            command.settle(one)
        for command in call[len(done) :]:
            command.settle(None, NotRun("the call ended before this message"))


class Loading(Command):
    """A script on its way to Redis, which has forgotten it: all callers at once are told so.

    Args:
        script: the text of the script.

    """

    __slots__ = ("merges",)

    def __init__(self, script: str) -> None:
        super().__init__(load(script))
        self.merges: Hashable = script
