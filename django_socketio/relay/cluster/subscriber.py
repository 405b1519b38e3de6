"""Listening to a Redis Cluster: a connection to each node that serves slots."""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Protocol

from redis.exceptions import RedisError

from django_socketio.logs import get_logger
from django_socketio.relay.cluster.shard import ShardReader
from django_socketio.relay.cluster.topology import Node, Topology, slot_of
from django_socketio.relay.redis.health import Pulse
from django_socketio.relay.redis.jitter import jitter
from django_socketio.relay.redis.subscriber import Listener

logger = get_logger("django_socketio.relay")

LOOK_INTERVAL = 5.0
"""Seconds after which the cluster is asked who serves what, where all is well."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""The same while something is amiss."""


class ClusterListener(Listener, Protocol):
    """What a cluster's reader tells."""

    def left(self, channel: str, doubtful: bool) -> None:
        """A channel has left its node; in doubt, its new one may not have the last messages."""


class ClusterReader:
    """Subscribes to each channel at the node that serves its slot, and follows slots that move.

    A thread of its own (a greenlet where gevent has patched the process) looks after that: when a
    node says that a slot has gone, when a connection breaks, and every few seconds.

    Args:
        listener: hears what comes, from the threads of the nodes' readers.
        new_pulse: makes what finds deaf connections, for a topic.
        timeout: seconds that a node has to confirm a subscription.

    """

    def __init__(
        self,
        topology: Topology,
        listener: ClusterListener,
        new_pulse: Callable[[str], Pulse],
        timeout: float,
    ) -> None:
        self._topology = topology
        self._listener = listener
        self._new_pulse = new_pulse
        self._timeout = timeout
        self._confirmed: dict[str, threading.Event] = {}
        self._homes: dict[str, Node] = {}
        self._readers: dict[Node, ShardReader] = {}
        self._arranging = threading.RLock()
        self._wanted = threading.Event()
        self._suspect: Node | None = None
        self._started = self._stopped = False
        self._unreachable_since: float | None = None
        self._reconnects = 0

    @property
    def alive(self) -> bool:
        """Whether all nodes are heard, and all channels have one."""
        readers = list(self._readers.values())
        placed = len(self._homes) == len(self._confirmed)
        return bool(readers) and placed and all(reader.alive for reader in readers)

    @property
    def deaf_since(self) -> float | None:
        """When the first node that is not heard was last heard (``time.time``)."""
        since = [reader.deaf_since for reader in list(self._readers.values())]
        return min((at for at in [*since, self._unreachable_since] if at is not None), default=None)

    @property
    def reconnects(self) -> int:
        """How often a connection was made again, to whichever node."""
        return self._reconnects + sum(r.reconnects for r in list(self._readers.values()))

    def start(self) -> None:
        """Begin to read."""
        self._started = True
        threading.Thread(target=self._run, name="socketio-cluster", daemon=True).start()

    def stop(self) -> None:
        """End the threads and the connections."""
        self._stopped = True
        self._wanted.set()
        with self._arranging:
            for reader in self._readers.values():
                reader.stop()

    def descriptors(self) -> list[int]:
        """Return the descriptors of its connections to all nodes."""
        return [one for reader in self._readers.values() for one in reader.descriptors()]

    def subscribe(self, channel: str) -> None:
        """Subscribe; wait until the node has confirmed it, unless it is away."""
        with self._arranging:
            confirmed = self._confirmed.get(channel)
            if confirmed is None:
                confirmed = self._confirmed[channel] = threading.Event()
                self._place(channel, returning=False)
            reader = self._readers.get(self._homes[channel]) if channel in self._homes else None
        away = self._unreachable_since if reader is None else reader.deaf_since
        if self._started and (away is None or (reader is not None and reader.hearing)):
            confirmed.wait(self._timeout)

    def hears(self, channel: str) -> bool:
        """Whether the subscription to a channel was confirmed, by whichever node."""
        confirmed = self._confirmed.get(channel)
        return confirmed is not None and confirmed.is_set()

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe; what is on its way may still come."""
        with self._arranging:
            self._confirmed.pop(channel, None)
            self._leave(channel)

    # What the nodes' readers tell, in their threads

    def channel_received(self, channel: str, data: bytes) -> None:
        """Hand a message on."""
        self._listener.channel_received(channel, data)

    def connected(self, channels: list[str], unheard: float | None = None) -> None:
        """Have the channels caught up with."""
        self._listener.connected(channels, unheard)

    def dropped(self, node: Node, channel: str) -> None:
        """Look for the new home of a channel."""
        with self._arranging:
            if self._homes.get(channel) == node:
                self._forget_home(channel)
        self._look(node)

    def lost(self, node: Node) -> None:
        """See whether another node has taken the place of one."""
        self._look(None)

    def _look(self, suspect: Node | None) -> None:
        self._suspect = suspect
        self._wanted.set()

    # In a thread of its own

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopped:
            self._wanted.clear()
            try:
                suspect, self._suspect = self._suspect, None
                self._topology.refresh(suspect, time.monotonic() + self._timeout)
                self._arrange()
            except RedisError as error:
                self._unreachable(error)
            except Exception:
                logger.exception("The relay could not follow the cluster")
            pause = FIRST_PAUSE if self.alive else min(2 * pause, LONGEST_PAUSE)
            self._wanted.wait(LOOK_INTERVAL if self.alive else pause * jitter.uniform(0.5, 1))

    def _unreachable(self, error: Exception) -> None:
        if self._readers or self._unreachable_since is not None or self._stopped:
            return  # those that listen tell of what they lost
        self._unreachable_since = time.time()
        logger.error("The relay is lost: %s; trying to connect again", error)

    def _arrange(self) -> None:
        """Have each slot's channels heard from the node that serves it now."""
        with self._arranging:
            if self._stopped:
                return
            primaries = self._topology.primaries()
            for node in primaries:
                self._tune(node)
            for channel in list(self._confirmed):
                home = self._homes.get(channel)
                if home is None or home != self._topology.owner(slot_of(channel)):
                    self._leave(channel)
                    self._place(channel, returning=True)
            for node in self._readers.keys() - primaries:
                self._retire(node)

    def _tune(self, node: Node) -> None:
        """Have a reader for a node, that hears this process itself from that node."""
        reader = self._readers.get(node)
        if reader is None:
            client, pulse = self._topology.client(node), self._pulse_at(node)
            reader = ShardReader(node, client, self, pulse, self._timeout)
            # Which of them says that the cluster is back does not matter.
            reader.deaf_since, self._unreachable_since = self._unreachable_since, None
            self._readers[node] = reader
            reader.start()
        elif self._topology.owner(slot_of(reader.pulse_channel)) != node:
            reader.tune(self._pulse_at(node))

    def _pulse_at(self, node: Node) -> Pulse:
        return self._new_pulse(self._topology.topic_at(node, f"self,{secrets.token_hex(8)},"))

    def _place(self, channel: str, returning: bool) -> None:
        node = self._topology.owner(slot_of(channel))
        reader = self._readers.get(node) if node is not None else None
        if node is None or reader is None:
            return self._wanted.set()  # this thread, or its start, is to find the node
        self._homes[channel] = node
        reader.add(channel, self._confirmed[channel], returning)

    def _leave(self, channel: str) -> None:
        if (reader := self._forget_home(channel)) is not None:
            reader.unsubscribe(channel)

    def _forget_home(self, channel: str) -> ShardReader | None:
        home = self._homes.pop(channel, None)
        reader = self._readers.get(home) if home is not None else None
        if reader is not None:
            # A slot that moves while its node is heard takes all with it; replicas lag behind.
            self._listener.left(channel, doubtful=not reader.hearing)
        return reader

    def _retire(self, node: Node) -> None:
        reader = self._readers.pop(node)
        reader.stop()
        self._reconnects += reader.reconnects
        if reader.deaf_since is not None:
            self._reconnects += 1
            seconds = time.time() - reader.deaf_since
            logger.warning(
                "%s is back after %.1f s: other nodes serve for it", reader.name, seconds
            )
