"""The connection on which a process receives messages from one node of a Redis Cluster."""

import threading
from collections import Counter
from typing import Protocol

import redis
from redis.connection import ConnectionInterface
from redis.exceptions import MovedError

from django_socketio.relay.cluster.topology import Node, slot_of
from django_socketio.relay.redis.health import HealthCheck
from django_socketio.relay.redis.incoming import IncomingReader
from django_socketio.relay.redis.observer import SubscriptionObserver
from django_socketio.relay.redis.pubsub import PubSubCommands
from django_socketio.relay.redis.subscriber import RedisSubscriber

SHARDED = PubSubCommands("SSUBSCRIBE", "SUNSUBSCRIBE", b"ssubscribe", b"sunsubscribe", b"smessage")


class ShardObserver(SubscriptionObserver, Protocol):
    """Is told what happens at a node, in the thread of the node's subscriber."""

    def channel_dropped(self, node: Node, channel: str) -> None:
        """Look for the node that serves a channel now: this one does not any more."""

    def node_lost(self, node: Node) -> None:
        """See whether another node has taken the place of one whose connection is broken."""


class ShardSubscriber(RedisSubscriber):
    """Receives the channels whose slots a node serves, and tells which it serves no more."""

    commands = SHARDED

    def __init__(
        self,
        node: Node,
        client: "redis.Redis",
        observer: ShardObserver,
        health: HealthCheck,
        timeout: float,
    ) -> None:
        super().__init__(client, observer, health, timeout)
        self.name = f"The relay at {node}"
        self._node = node
        self._shard_observer = observer
        self._returning: set[str] = set()
        self._leaving: Counter[str] = Counter()

    @property
    def health_channel(self) -> str:
        """The channel of the health check."""
        return self._health.channel

    @property
    def heard_until(self) -> float:
        """The time (``time.monotonic``) up to which everything has come from the node."""
        return self._health.heard_until

    def check_by(self, health: HealthCheck) -> None:
        """Use another health check: another node serves the channel of the last one."""
        health.begin(self._health.heard_until)
        health.join()
        self._health.leave()
        self._health = health
        self._send(self.commands.subscribe, health.channel)

    def add(self, channel: str, confirmed: threading.Event, returning: bool) -> None:
        """Subscribe to a channel, without waiting for the confirmation.

        Args:
            confirmed: set once the node has confirmed it.
            returning: whether another node served it before, so that messages may be missing.

        """
        if returning:
            self._returning.add(channel)
        self._channels[channel] = confirmed
        self._send(self.commands.subscribe, channel)

    def retire(self) -> None:
        """End for good: the node serves no slot any more."""
        self._health.leave()
        self.stop()

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe; messages that are on their way may still come."""
        self._returning.discard(channel)
        super().unsubscribe(channel)

    def _write(self, connection: ConnectionInterface, command: str, *channels: str) -> None:
        if command == self.commands.unsubscribe:
            self._leaving.update(channels)
        # Channels of several slots cannot be in one command.
        packed = connection.pack_commands([(command, channel) for channel in channels])
        connection.send_packed_command(packed)

    def _connect(self) -> None:
        self._leaving.clear()
        super()._connect()

    def _take(self, reader: IncomingReader) -> set[str]:
        try:
            return super()._take(reader)
        except MovedError as error:
            return self._drop_slot(error.slot_id)

    def _drop_slot(self, slot: int) -> set[str]:
        moved = {
            channel
            for channel in (self._health.channel, *self._channels, *self._leaving)
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
            if self._catching_up is not None:
                self._catching_up.expect([channel])

    def _end(self, channel: str) -> None:
        if channel in self._leaving:
            self._leaving -= Counter([channel])  # forgets those that are down to zero
        elif channel in self._channels or channel == self._health.channel:
            self._drop(channel)

    def _drop(self, channel: str) -> None:
        self._channels.pop(channel, None)
        self._shard_observer.channel_dropped(self._node, channel)

    def _note_lost(self, error: BaseException) -> None:
        super()._note_lost(error)
        if self._catching_up is not None:
            self._catching_up.end()  # other nodes may be well
        self._shard_observer.node_lost(self._node)
