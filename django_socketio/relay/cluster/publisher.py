"""Publishing through a Redis Cluster: each topic by the node that serves its slot."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

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

from django_socketio.exceptions import RelayError
from django_socketio.relay.cluster.topology import Node, Topology, slot_of
from django_socketio.relay.redis.keys import Names
from django_socketio.relay.redis.publisher import Publisher

SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 0.1
"""Seconds between attempts."""

Result = TypeVar("Result")


class Unreachable(RedisError):
    """A node could not be asked; nothing was handed on."""


class Unheard(Unreachable):
    """A slot has a new owner, and nobody listens there yet."""


AGAIN = (AskError, MovedError, TryAgainError, ClusterDownError, Unreachable)
"""What says that nothing was done, and may be done a little later."""


class ClusterPublisher:
    """Hands messages on by the nodes of a cluster; follows slots that move.

    Args:
        new_publisher: makes what publishes by one node.
        timeout: seconds after which nothing is tried again.

    """

    def __init__(
        self,
        topology: Topology,
        names: Names,
        new_publisher: Callable[[Node], Publisher],
        timeout: float,
    ) -> None:
        self._topology = topology
        self._names = names
        self._new_publisher = new_publisher
        self._timeout = timeout
        self._publishers: dict[Node, Publisher] = {}

    def publish(self, topics: Sequence[str], message: bytes, id: str = "") -> int:
        """Hand a message on; return how many processes received it, for each topic.

        The topics of a slot get it in one step, one slot after the other, and share it.

        Args:
            id: of the message; without one, its topics do not share it.

        Raises:
            RelayError: the cluster did not take it in time, or refused it. Its text says so where
                other slots had taken it already.

        """
        until = time.monotonic() + self._timeout
        slots = self._by_slot(topics)
        received = 0
        for done, (slot, group) in enumerate(slots.items()):
            try:
                received += self._hand_on(slot, group, message, id, until)
            except RedisError as error:
                part = f" for {', '.join(group)}, after {done} of {len(slots)} slots had"
                raise RelayError(
                    f"the relay did not take the message{part if done else ''}: {error}"
                ) from error
        return received

    def _by_slot(self, topics: Sequence[str]) -> dict[int, list[str]]:
        slots: dict[int, list[str]] = {}
        for topic in topics:
            slots.setdefault(slot_of(self._names.channel(topic)), []).append(topic)
        return slots

    def _hand_on(self, slot: int, topics: list[str], message: bytes, id: str, until: float) -> int:
        def attempt(publisher: Publisher) -> int:
            _reach(publisher)
            # A connection that breaks from here on leaves open whether the node has done it:
            # trying again could deliver twice.
            received = publisher.send(topics, message, id)
            if not received and self._topology.moved_lately(slot):
                # What nobody received is not kept, so it can be tried again.
                raise Unheard
            return received

        try:
            return self._try(slot, attempt, until)
        except Unheard:
            return 0

    def position(self, topic: str) -> tuple[str, int] | None:
        """Return the epoch and the number of a topic's last message; None for an idle topic.

        Raises:
            RedisError: the cluster cannot be asked.

        """
        return self._ask(topic, lambda publisher, asking: publisher.position(topic, asking))

    def log(self, topic: str, after: int, count: int | None = None) -> list[tuple[int, bytes]]:
        """Return the messages of a topic's log after a number, with their numbers.

        Raises:
            RedisError: the cluster cannot be asked.

        """
        return self._ask(
            topic, lambda publisher, asking: publisher.log(topic, after, count, asking)
        )

    def shared(self, key: str) -> bytes | None:
        """Return a message that several topics share; None if it is not kept.

        Raises:
            RedisError: the cluster cannot be asked.

        """
        return self._ask_slot(slot_of(key), lambda publisher, asking: publisher.shared(key, asking))

    def _ask(self, topic: str, read: Callable[[Publisher, bool], Result]) -> Result:
        return self._ask_slot(slot_of(self._names.channel(topic)), read)

    def _ask_slot(self, slot: int, read: Callable[[Publisher, bool], Result]) -> Result:
        def attempt(publisher: Publisher) -> Result:
            try:
                return read(publisher, False)
            except MovedError:
                raise
            except AskError as error:
                return read(self._publisher(Node(error.host, error.port)), True)
            except (ConnectionError, TimeoutError) as error:
                raise _unreachable(error) from error

        return self._try(slot, attempt, time.monotonic() + self._timeout)

    def _try(self, slot: int, attempt: Callable[[Publisher], Result], until: float) -> Result:
        pause = 0.0
        while True:
            node = self._topology.owner(slot)
            try:
                return attempt(self._publisher(node))
            except AGAIN as error:
                failure = self._look_again(node, error, until)
            pause = min(max(2 * pause, SHORTEST_PAUSE), LONGEST_PAUSE)
            if time.monotonic() + pause > until:
                raise failure
            time.sleep(pause)

    def _publisher(self, node: Node | None) -> Publisher:
        if node is None:
            raise Unreachable("no node serves its slot")
        if node not in self._publishers:
            self._publishers[node] = self._new_publisher(node)
        return self._publishers[node]

    def _look_again(self, node: Node | None, error: RedisError, until: float) -> RedisError:
        """Find out who serves what now, where that may help; return what to tell at the end."""
        moved = isinstance(error, MovedError)
        if isinstance(error, (TryAgainError, Unheard)) or (
            isinstance(error, AskError) and not moved
        ):
            # A slot is on its way to another node. Those that listen are still at this one, so
            # what the other would hand on meanwhile, as ASK has it, nobody would hear.
            return error
        try:
            self._topology.refresh(node if moved else None, until)
        except RedisError as failure:
            return failure
        return error

    def descriptors(self) -> list[int]:
        """Return the descriptors of its connections to all nodes."""
        return self._topology.descriptors()

    def close(self) -> None:
        """Close the connections."""
        self._topology.close()


def _reach(publisher: Publisher) -> None:
    try:
        publisher.prepare()
    except (ConnectionError, TimeoutError) as error:
        raise _unreachable(error) from error


def _unreachable(error: RedisError) -> RedisError:
    return error if isinstance(error, AuthenticationError) else Unreachable(str(error))
