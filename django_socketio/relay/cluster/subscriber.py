"""Subscribing in a Redis Cluster: a connection to each node that serves slots."""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Protocol

from redis.exceptions import RedisError

from django_socketio.logs import get_logger
from django_socketio.relay.cluster.shard import ShardSubscriber
from django_socketio.relay.cluster.topology import Node, Topology, slot_of
from django_socketio.relay.redis.health import HealthCheck
from django_socketio.relay.redis.jitter import jitter
from django_socketio.relay.redis.observer import CatchingUp, SubscriptionObserver
from django_socketio.relay.redis.silence import Silence
from django_socketio.relay.topics import Topic, TopicKind

logger = get_logger("django_socketio.relay")

LOOK_INTERVAL = 5.0
"""Seconds after which the cluster is asked for the owners of slots, while all is well."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""Seconds between attempts while a node or a channel is not served."""


class ClusterObserver(SubscriptionObserver, Protocol):
    """Is told what happens at all nodes, and that channels have come to other ones."""

    def moved(self, channel: str) -> None:
        """Have the node that serves a channel now note that it has all of the channel's data."""


class ClusterSubscriber:
    """Subscribes to each channel at the node that serves its slot, and follows slots that move.

    A thread of its own (a greenlet where gevent has patched the process) looks after that: when a
    node says that a slot has gone, when a connection breaks, and every few seconds.

    Args:
        observer: is told what happens, in the threads of the nodes' subscribers.
        new_health: makes the health check of a connection, for a topic.
        timeout: seconds that a node has to confirm a subscription.

    """

    def __init__(
        self,
        topology: Topology,
        observer: ClusterObserver,
        new_health: Callable[[Topic], HealthCheck],
        timeout: float,
    ) -> None:
        self._topology = topology
        self._observer = observer
        self._new_health = new_health
        self._timeout = timeout
        self._confirmed: dict[str, threading.Event] = {}
        self._homes: dict[str, Node] = {}
        self._overdue: dict[str, float] = {}
        self._subscribers: dict[Node, ShardSubscriber] = {}
        self._arranging = threading.RLock()
        self._wanted = threading.Event()
        self._suspect: Node | None = None
        self._started = self._stopped = False
        self._unreachable_since: float | None = None
        self._reconnects = 0

    @property
    def alive(self) -> bool:
        """True if messages come from all nodes, and each channel has a node."""
        subscribers = list(self._subscribers.values())
        placed = len(self._homes) == len(self._confirmed)
        return bool(subscribers) and placed and all(subscriber.alive for subscriber in subscribers)

    @property
    def deaf_since(self) -> float | None:
        """Since when no messages come from the node that is deaf for longest (``time.time``)."""
        since = [subscriber.deaf_since for subscriber in list(self._subscribers.values())]
        return min((at for at in [*since, self._unreachable_since] if at is not None), default=None)

    @property
    def reconnects(self) -> int:
        """The number of connections that were made again, to any node."""
        return self._reconnects + sum(one.reconnects for one in list(self._subscribers.values()))

    @property
    def lag(self) -> float | None:
        """The seconds that a message to this process is on its way through the slowest node."""
        lags: list[float | None] = [
            subscriber.lag for subscriber in list(self._subscribers.values())
        ]
        return max((lag for lag in lags if lag is not None), default=None)

    def start(self) -> None:
        """Connect to the nodes, and begin to receive."""
        self._started = True
        threading.Thread(target=self._run, name="socketio-cluster", daemon=True).start()

    def stop(self) -> None:
        """End the threads and the connections."""
        self._stopped = True
        self._wanted.set()
        with self._arranging:
            for subscriber in self._subscribers.values():
                subscriber.stop()

    @property
    def health_channels(self) -> list[str]:
        """The channels of the health checks of all nodes from which messages come."""
        subscribers = list(self._subscribers.values())
        return [channel for one in subscribers for channel in one.health_channels]

    def descriptors(self) -> list[int]:
        """Return the descriptors of its connections to all nodes."""
        return [number for one in self._subscribers.values() for number in one.descriptors()]

    def subscribe(self, *channels: str) -> None:
        """Subscribe; wait until the nodes have confirmed all channels, unless they are away."""
        with self._arranging:
            for channel in channels:
                if channel not in self._confirmed:
                    self._confirmed[channel] = threading.Event()
                    self._place(channel, returning=False)
        for channel in channels:
            self._wait_until_confirmed(channel)

    def _wait_until_confirmed(self, channel: str) -> None:
        with self._arranging:
            confirmed, home = self._confirmed.get(channel), self._homes.get(channel)
            subscriber = None if home is None else self._subscribers.get(home)
        if confirmed is None:
            return  # unsubscribed meanwhile
        away = self._unreachable_since if subscriber is None else subscriber.deaf_since
        if subscriber is not None and subscriber.is_receiving:
            subscriber.wait_for(confirmed)
        elif self._started and away is None:
            confirmed.wait(self._timeout)

    def misses(self, channel: str) -> bool:
        """Return whether messages of a channel should come, if it is known that none did."""
        confirmed = self._confirmed.get(channel)
        if confirmed is None or confirmed.is_set():
            return confirmed is not None
        home = self._homes.get(channel)
        subscriber = None if home is None else self._subscribers.get(home)
        return subscriber is None or not subscriber.alive

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe; messages that are on their way may still come."""
        with self._arranging:
            self._confirmed.pop(channel, None)
            self._leave(channel)

    # The observer of the nodes' subscribers, in their threads

    def message_received(self, channel: str, data: bytes) -> None:
        """Hand a message on."""
        self._observer.message_received(channel, data)

    def missed(self, channels: list[str], silence: Silence) -> None:
        """Hand on that messages may not have come."""
        self._observer.missed(channels, silence)

    def catch_up(self) -> CatchingUp:
        """Return the catching up of a new connection to a node."""
        return self._observer.catch_up()

    def channel_dropped(self, node: Node, channel: str) -> None:
        """Look for the new home of a channel.

        The node itself said so, on the connection, and so after all messages that it had. The log
        has moved with the slot.
        """
        with self._arranging:
            if self._homes.get(channel) == node:
                self._forget_home(channel, is_told_by_node=True)
        self._look(node)

    def node_lost(self, node: Node) -> None:
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
            is_settled = self.alive and not self._overdue
            pause = FIRST_PAUSE if is_settled else min(2 * pause, LONGEST_PAUSE)
            self._wanted.wait(LOOK_INTERVAL if is_settled else pause * jitter.uniform(0.5, 1))

    def _unreachable(self, error: Exception) -> None:
        if self._subscribers or self._unreachable_since is not None or self._stopped:
            return  # the subscribers of the nodes log what they lost
        self._unreachable_since = time.time()
        logger.error("The relay is lost: %s; trying to connect again", error)

    def _arrange(self) -> None:
        """Have each channel served by the node that serves its slot now."""
        with self._arranging:
            if self._stopped:
                return
            primaries = self._topology.primaries()
            for node in primaries:
                self._look_after(node)
            for channel in self._misplaced():
                self._leave(channel)
                self._place(channel, returning=True)
            if gone := self._subscribers.keys() - primaries:
                for node in gone - {*self._homes.values()}:
                    self._retire(node)

    def _misplaced(self) -> list[str]:
        """Return the channels that are to be subscribed to at another node.

        A node that has handed on all its messages of a slot ends the subscriptions itself. A node
        that does not, within the timeout, may have been dead, and have messages that never came.
        """
        now = time.monotonic()
        overdue, self._overdue = self._overdue, {}
        found = []
        for channel in self._confirmed:
            home = self._homes.get(channel)
            if home is None:
                found.append(channel)
            elif home != self._topology.owner(slot_of(channel)):
                since = overdue.get(channel, now)
                if self._subscribers[home].is_receiving and now - since < self._timeout:
                    self._overdue[channel] = since
                else:
                    found.append(channel)
        return found

    def _look_after(self, node: Node) -> None:
        """Have a subscriber for a node, with a health check in a slot of that node."""
        subscriber = self._subscribers.get(node)
        if subscriber is None:
            client, health = self._topology.client(node, hears=True), self._health_at(node)
            subscriber = ShardSubscriber(node, client, self, health, self._timeout)
            # The first subscriber says that the cluster is back.
            subscriber.deaf_since, self._unreachable_since = self._unreachable_since, None
            self._subscribers[node] = subscriber
            subscriber.start()
        elif self._topology.owner(slot_of(subscriber.health_channel)) != node:
            subscriber.check_by(self._health_at(node))

    def _health_at(self, node: Node) -> HealthCheck:
        begin = Topic(TopicKind.HEALTH, "", secrets.token_hex(8))
        return self._new_health(self._topology.topic_at(node, begin))

    def _place(self, channel: str, returning: bool) -> None:
        if returning:  # from nowhere, it may be: nothing else has begun its silence then
            self._observer.missed([channel], Silence(time.monotonic()))
        node = self._topology.owner(slot_of(channel))
        subscriber = self._subscribers.get(node) if node is not None else None
        if node is None or subscriber is None:
            return self._wanted.set()  # this thread, or its start, is to find the node
        self._homes[channel] = node
        subscriber.add(channel, self._confirmed[channel], returning)
        if returning:
            self._observer.moved(channel)

    def _leave(self, channel: str) -> None:
        if (subscriber := self._forget_home(channel)) is not None:
            subscriber.unsubscribe(channel)

    def _forget_home(self, channel: str, is_told_by_node: bool = False) -> ShardSubscriber | None:
        home = self._homes.pop(channel, None)
        subscriber = self._subscribers.get(home) if home is not None else None
        if subscriber is not None:
            whole = is_told_by_node and subscriber.is_receiving
            since = time.monotonic() if whole else subscriber.heard_until
            self._observer.missed([channel], Silence(since, is_same_data=whole))
        return subscriber

    def _retire(self, node: Node) -> None:
        subscriber = self._subscribers.pop(node)
        subscriber.retire()
        self._reconnects += subscriber.reconnects
        if subscriber.deaf_since is not None:
            self._reconnects += 1
            seconds = time.time() - subscriber.deaf_since
            logger.warning(
                "%s is back after %.1f s: other nodes serve for it", subscriber.name, seconds
            )
