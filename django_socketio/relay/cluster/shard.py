"""A connection on which a process hears from one node of a Redis Cluster."""

import threading
from collections import Counter
from typing import Protocol

import redis
from redis.connection import ConnectionInterface
from redis.exceptions import MovedError

from django_socketio.relay.cluster.topology import Node, slot_of
from django_socketio.relay.redis.health import Pulse
from django_socketio.relay.redis.subscriber import Listener, Reader, Words

SHARDED = Words("SSUBSCRIBE", "SUNSUBSCRIBE", b"ssubscribe", b"sunsubscribe", b"smessage")


class ShardListener(Listener, Protocol):
    """What a reader of a node tells, in its own thread."""

    def dropped(self, node: Node, channel: str) -> None:
        """The node does not serve the slot of a channel any more."""

    def lost(self, node: Node) -> None:
        """The connection to the node is broken."""


class ShardReader(Reader):
    """Reads the channels whose slots a node serves, and tells of those that it serves no more."""

    words = SHARDED

    def __init__(
        self,
        node: Node,
        client: "redis.Redis",
        listener: ShardListener,
        pulse: Pulse,
        timeout: float,
    ) -> None:
        super().__init__(client, listener, pulse, timeout)
        self.name = f"The relay at {node}"
        self._node = node
        self._told = listener
        self._returning: set[str] = set()
        self._leaving: Counter[str] = Counter()

    @property
    def pulse_channel(self) -> str:
        """The channel on which this process hears itself."""
        return self._pulse.channel

    def tune(self, pulse: Pulse) -> None:
        """Take another pulse: the slot of the last one's channel is elsewhere."""
        pulse.rest()
        self._pulse = pulse
        self._send(self.words.subscribe, pulse.channel)

    def add(self, channel: str, confirmed: threading.Event, returning: bool) -> None:
        """Subscribe to a channel; does not wait.

        Args:
            confirmed: set once the node has confirmed it.
            returning: whether it was heard elsewhere before, so that something may be missing.

        """
        if returning:
            self._returning.add(channel)
        self._channels[channel] = confirmed
        self._send(self.words.subscribe, channel)

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe; what is on its way may still come."""
        self._returning.discard(channel)
        self._leaving[channel] += 1
        super().unsubscribe(channel)

    def _write(self, connection: ConnectionInterface, command: str, *channels: str) -> None:
        # Channels of several slots cannot be in one command.
        packed = connection.pack_commands([(command, channel) for channel in channels])
        connection.send_packed_command(packed)

    def _connect(self) -> None:
        self._leaving.clear()
        super()._connect()

    def _take(self, connection: ConnectionInterface) -> set[str]:
        try:
            return super()._take(connection)
        except MovedError as error:
            return self._drop_slot(error.slot_id)

    def _drop_slot(self, slot: int) -> set[str]:
        moved = {
            channel
            for channel in (self._pulse.channel, *self._channels, *self._leaving)
            if slot_of(channel) == slot
        }
        for channel in moved:
            del self._leaving[channel]
            self._drop(channel)
        return moved

    def _confirm(self, channel: str) -> None:
        super()._confirm(channel)
        if channel in self._returning:
            self._returning.discard(channel)
            if self.hearing:  # or else it is caught up with once all are confirmed
                self._listener.connected([channel])

    def _end(self, channel: str) -> None:
        if channel in self._leaving:
            self._leaving -= Counter([channel])  # forgets those that are down to zero
        elif channel in self._channels or channel == self._pulse.channel:
            self._drop(channel)

    def _drop(self, channel: str) -> None:
        self._channels.pop(channel, None)
        self._told.dropped(self._node, channel)

    def _lost(self, error: BaseException) -> None:
        super()._lost(error)
        self._told.lost(self._node)
