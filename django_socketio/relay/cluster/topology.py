"""The nodes of a Redis Cluster, and the slots that each of them serves."""

import threading
import time
from binascii import crc_hqx
from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import ClusterDownError, RedisError

from django_socketio.relay.redis.client import close, connect, descriptors
from django_socketio.relay.redis.jitter import jitter
from django_socketio.relay.redis.server_kind import CLUSTER
from django_socketio.relay.redis.url import RelayURL
from django_socketio.relay.topics import Topic

SETTLING = 1.0
"""Seconds in which the subscribers of a slot follow it to another node."""


NOT_IN_TIME = "no node was asked in time"
"""The text of an error."""

TRIES = 200_000
"""To find a name in the slots of a node: far more than there are slots."""


class Node(NamedTuple):
    """The address of a node."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def slot_of(name: str) -> int:
    """Return the slot of a key or a channel."""
    return key_slot(name.encode())


class Topology:
    """The owners of the slots as the cluster last told them, and a client for each node.

    Only ``refresh`` asks the cluster. Safe in threads and greenlets.

    Args:
        url: that of a cluster.
        timeout: seconds for connecting to a node and for its answer, together.

    """

    def __init__(self, url: RelayURL, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._seeds = [Node(*host) for host in self._url.hosts]
        self._known: set[Node] = set()
        self._owners: list[Node | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._moved: dict[int, float] = {}
        self._clients: dict[tuple[Node, bool], redis.Redis] = {}
        self._refreshing = threading.Lock()
        self._version = 0
        self._failure: RedisError | None = None
        """Why no node answered when all were asked the last time; None if one has since."""
        self.left: list[Callable[[Node], object]] = []
        """Are called with each node that has left the cluster, before its clients are closed."""

    def owner(self, slot: int) -> Node | None:
        """Return the primary node that serves a slot; None where none is known."""
        return self._owners[slot]

    def primaries(self) -> set[Node]:
        """Return the nodes that serve any slot."""
        return {owner for owner in self._owners if owner is not None}

    def topic_at(self, node: Node, begin: Topic) -> Topic:
        """Return a topic that a node serves, whose name begins with that of another topic.

        Raises:
            ClusterDownError: the node serves no slot, as it seems.

        """
        start = crc_hqx(f"{begin}-".encode(), 0)
        for number in range(TRIES):
            if self._owners[crc_hqx(b"%d" % number, start) % REDIS_CLUSTER_HASH_SLOTS] == node:
                return begin._replace(name=f"{begin.name}-{number}")
        raise ClusterDownError(f"{node} serves no slot")

    def moved_lately(self, slot: int) -> bool:
        """Return whether subscribers of a slot may still be on their way to its new owner."""
        return time.monotonic() - self._moved.get(slot, float("-inf")) < SETTLING

    def client(self, node: Node, hears: bool = False) -> "redis.Redis":
        """Return the client of a node; it connects on first use.

        Args:
            hears: whether it is for the connection that subscribes, and for catching up.

        """
        key = node, hears
        client = self._clients.get(key)
        if client is None:
            client = connect(self._url.of_node(*node), self._timeout, CLUSTER)
            self._clients[key] = client
        return client

    def refresh(self, first: Node | None, until: float) -> None:
        """Ask the cluster which node serves which slot; the first answer is believed.

        Callers who come while the cluster is asked share what is found, or that all nodes fail.

        Args:
            first: a node that knows best: one that said that a slot has moved.
            until: after this time (``time.monotonic``) no further node is asked.

        Raises:
            RedisError: no node answers.

        """
        version, failure = self._version, self._failure
        if not self._refreshing.acquire(timeout=max(0.0, until - time.monotonic())):
            raise ClusterDownError(NOT_IN_TIME)
        try:
            if self._failure is not failure and self._failure is not None:
                raise copy(self._failure)
            if self._version == version:
                self._believe(self._ask(first, until))
        finally:
            self._refreshing.release()

    def _ask(self, first: Node | None, until: float) -> list[Any]:
        others = [*{*self._seeds, *self._known} - {first}]
        jitter.shuffle(others)
        nodes = [first, *others] if first is not None else others
        for node in nodes:
            try:
                return self._slots(node)
            except RedisError as error:
                if node == nodes[-1]:
                    self._failure = error
                elif time.monotonic() <= until:
                    continue  # else callers with more time ask the others
                raise
        raise ClusterDownError(NOT_IN_TIME)

    def _slots(self, node: Node) -> list[Any]:
        ranges: Any = self.client(node).execute_command("CLUSTER SLOTS")
        if not ranges:
            raise ClusterDownError(f"{node} knows of no node that serves any slot")
        return [(start, end, _nodes(nodes, node)) for start, end, *nodes in ranges]

    def _believe(self, ranges: list[Any]) -> None:
        owners: list[Node | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for start, end, nodes in ranges:
            owners[start : end + 1] = [nodes[0]] * (end + 1 - start)
        if self._version:
            self._note_moves(owners)
        self._known = {node for _, _, nodes in ranges for node in nodes}
        self._owners = owners
        self._version += 1
        self._failure = None
        for node in {node for node, _ in [*self._clients]} - self._known - {*self._seeds}:
            self._drop(node)

    def _drop(self, node: Node) -> None:
        for left in self.left:
            left(node)
        for hears in (False, True):
            if (client := self._clients.pop((node, hears), None)) is not None:
                close(client)

    def _note_moves(self, owners: list[Node | None]) -> None:
        now = time.monotonic()
        self._moved = {slot: at for slot, at in self._moved.items() if now - at < SETTLING}
        before = self._owners
        if before != owners:
            changes = zip(before, owners, strict=True)
            self._moved |= {slot: now for slot, (old, new) in enumerate(changes) if old != new}

    def descriptors(self) -> list[int]:
        """Return the descriptors of the connections to all nodes."""
        return [one for client in self._clients.values() for one in descriptors(client)]

    def close(self) -> None:
        """Close the connections."""
        for client in [*self._clients.values()]:
            close(client)


def _nodes(nodes: list[Any], asked: Node) -> list[Node]:
    # A node that does not know its own address leaves it out.
    return [Node((host or b"").decode() or asked.host, port) for host, port, *_ in nodes]
