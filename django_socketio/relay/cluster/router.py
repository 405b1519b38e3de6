"""Running commands at the node of a Redis Cluster that serves a slot, also while slots move."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterDownError,
    ConnectionError,
    MovedError,
    RedisError,
    TimeoutError,
    TryAgainError,
)

from django_socketio.relay.cluster.topology import Node, Topology
from django_socketio.relay.redis.identity import data_id
from django_socketio.relay.redis.log import RedisLog
from django_socketio.relay.redis.publisher import RedisPublisher

SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 0.1
"""Seconds between attempts."""

Result = TypeVar("Result")


class Unreachable(RedisError):
    """A node could not be asked; nothing was handed on."""


class NotFollowed(Unreachable):
    """A slot has a new owner, and its subscribers have not followed it yet."""


RETRIED = (AskError, MovedError, TryAgainError, ClusterDownError, Unreachable)
"""Errors that say that nothing was done, and that it may succeed a little later."""


class NodeAccess(NamedTuple):
    """Access to one node."""

    publisher: RedisPublisher
    log: RedisLog


class Router:
    """Runs what concerns a slot at the node that serves it; follows slots that move.

    Args:
        new_access: makes the access to a node.
        timeout: seconds after which nothing is tried again.

    """

    def __init__(
        self, topology: Topology, new_access: Callable[[Node], NodeAccess], timeout: float
    ) -> None:
        self._topology = topology
        self._new_access = new_access
        self._timeout = timeout
        self._accesses: dict[Node, NodeAccess] = {}
        topology.left.append(self._drop)

    def deadline(self) -> float:
        """Return until when (``time.monotonic``) something that begins now is tried again."""
        return time.monotonic() + self._timeout

    def moved_lately(self, slot: int) -> bool:
        """Return whether subscribers of a slot may still be on their way to its new owner."""
        return self._topology.moved_lately(slot)

    def owner(self, slot: int) -> Node | None:
        """Return the node that serves a slot; None where none is known."""
        return self._topology.owner(slot)

    def reach(self, slot: int, attempt: Callable[[NodeAccess], Result]) -> Result:
        """Return the result of an attempt that may be repeated, whatever became of it.

        Raises:
            RedisError: no attempt succeeded in time, or one failed in a way that is not retried.

        """

        def try_once(access: NodeAccess) -> Result:
            try:
                return attempt(access)
            except (ConnectionError, TimeoutError) as error:
                raise unreachable(error) from error

        return self.run(slot, try_once, self.deadline())

    def run(self, slot: int, attempt: Callable[[NodeAccess], Result], until: float) -> Result:
        """Return the result of an attempt, repeated until it succeeds or its time is over.

        Raises:
            RedisError: no attempt succeeded in time, or one failed in a way that is not retried.

        """
        pause = 0.0
        while True:
            node = self._topology.owner(slot)
            try:
                return attempt(self._access(node))
            except RETRIED as error:
                failure = self._look_again(node, error, until)
            pause = min(max(2 * pause, SHORTEST_PAUSE), LONGEST_PAUSE)
            if time.monotonic() + pause > until:
                raise failure
            time.sleep(pause)

    def by_node(self, slots: Sequence[int]) -> list[tuple[int, list[int]]]:
        """Return for each node a slot that it serves, and the indices of all of its slots."""
        groups: dict[Node | None, list[int]] = {}
        for index, slot in enumerate(slots):
            groups.setdefault(self._topology.owner(slot), []).append(index)
        return [(slots[indices[0]], indices) for indices in groups.values()]

    def read(self, slot: int, read: Callable[[RedisLog, bool], Result]) -> Result:
        """Return what a node has; ``read`` gets its log, and whether to say ASKING.

        Raises:
            RedisError: the cluster cannot be asked.

        """

        def attempt(access: NodeAccess) -> Result:
            try:
                return read(access.log, False)
            except MovedError:
                raise
            except AskError as error:
                return read(self._access(Node(error.host, error.port)).log, True)

        return self.reach(slot, attempt)

    def has_data(self, data: bytes) -> bool:
        """Return whether a primary of the cluster has the data of an identity."""
        self._topology.refresh(None, self.deadline())
        return any(self._data_at(node) == data for node in self._topology.primaries())

    def _data_at(self, node: Node) -> bytes | None:
        try:
            return data_id(self._topology.client(node))
        except RedisError:
            return None

    def _access(self, node: Node | None) -> NodeAccess:
        if node is None:
            raise Unreachable("no node serves its slot")
        access = self._accesses.get(node)
        if access is None:
            access = self._accesses[node] = self._new_access(node)
        return access

    def _drop(self, node: Node) -> None:
        if (access := self._accesses.pop(node, None)) is not None:
            access.publisher.close()

    def _look_again(self, node: Node | None, error: RedisError, until: float) -> RedisError:
        """Ask the cluster for the owners of slots, if that may help; return the error to raise."""
        moved = isinstance(error, MovedError)
        if isinstance(error, (TryAgainError, NotFollowed)) or (
            isinstance(error, AskError) and not moved
        ):
            # A slot is on its way to another node. Its subscribers are still at this one: what the
            # other node would hand on meanwhile, as ASK has it, would reach none of them.
            return error
        try:
            self._topology.refresh(node if moved else None, until)
        except RedisError as failure:
            return failure
        return error

    def descriptors(self) -> list[int]:
        """Return the descriptors of the connections to all nodes."""
        return self._topology.descriptors()

    def close(self) -> None:
        """Close the connections: those in use once they are free."""
        for access in [*self._accesses.values()]:
            access.publisher.close()
        self._topology.close()


def unreachable(error: RedisError) -> RedisError:
    """Return the error to raise for a node that cannot be asked: nothing was done."""
    passes = isinstance(error, (ConnectionError, TimeoutError))
    if isinstance(error, AuthenticationError) or not passes:
        return error
    return Unreachable(str(error))
