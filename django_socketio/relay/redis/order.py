"""The order of envelopes for several topics, while not all of these topics are caught up with."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from django_socketio.logs import get_logger
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.relay")

WAITING_BYTES = 32_000_000
"""Bytes of messages that wait for other topics, before their order is given up."""

Call = tuple[Callable[..., object], Any]
"""A function and its argument."""


class Step:
    """Something that topics come to: a delivery, or the report of a loss."""

    __slots__ = ("at", "call", "id", "is_waiting", "missing", "size")

    def __init__(self, call: Call, id: str | None, size: int) -> None:
        self.call: Call | None = call
        """None once it was called."""
        self.id = id
        self.size = size
        self.is_waiting = False
        """Whether its bytes are counted, because it was not called at once."""
        self.missing: set[Topic] = set()
        """Topics that have not come to it, and may still have something before it."""
        self.at: set[Topic] = set()
        """Topics that have come to it, and stand still until it is done."""


class TopicOrder:
    """Has each topic's messages delivered in its order, also those that other topics share.

    While a connection catches up, logs tell of messages that the connection has not brought yet. So
    a topic that has come to a shared envelope stands still there, until this process's other topics
    of the envelope have come to it as well: it is delivered when it is the next one of all of them.
    What is left when the connections have caught up will come by no other topic. One Redis has all
    topics in one order. The nodes of a cluster may have two envelopes in different orders: these
    are then delivered in the order of one of them.

    Args:
        schedule: calls a function with arguments in the event loop, in the order of the calls.
        is_subscribed: whether this process receives a topic.

    """

    def __init__(
        self, schedule: Callable[..., object], is_subscribed: Callable[[Topic], bool]
    ) -> None:
        self._schedule = schedule
        self._is_subscribed = is_subscribed
        self._catching_up: set[object] = set()
        self._queues: dict[Topic, deque[Step]] = {}
        self._envelopes: dict[str, Step] = {}
        self._blocked: dict[Topic, list[Step]] = {}
        self._size = 0
        self._changing = threading.RLock()

    @property
    def is_simple(self) -> bool:
        """Whether everything can be delivered as it comes."""
        return not self._catching_up and not self._queues

    @property
    def is_waiting(self) -> bool:
        """Whether any topic stands still."""
        return bool(self._queues)

    def begin(self, catching_up: object) -> None:
        """Have shared envelopes wait for all of their topics, while a connection catches up."""
        with self._changing:
            self._catching_up.add(catching_up)

    def end(self, catching_up: object) -> None:
        """Have nothing wait any longer, unless another connection catches up."""
        with self._changing:
            self._catching_up.discard(catching_up)
            if not self._catching_up:
                for topic in self._blocked.keys() - self._queues.keys():
                    self._go_on(self._free(topic))
                self._untie()

    def leave(self, topic: Topic) -> None:
        """Forget a topic that has no subscriber any more; what it stood at goes on without it."""
        with self._changing:
            for step in self._queues.pop(topic, ()):
                step.at.discard(topic)
                step.missing.discard(topic)
                self._go_on([step])
            self._go_on(self._free(topic))

    def take(self, topic: Topic, call: Call, size: int = 0) -> None:
        """Call a function once a topic has done all that it came to before."""
        with self._changing:
            self._come_to(topic, Step(call, None, size))

    def take_shared(
        self, topic: Topic, call: Call, topics: Iterable[Topic], id: str, size: int
    ) -> None:
        """Call a function once all topics of an envelope have come to it.

        Args:
            topic: the one that has come to it.
            topics: all topics of the envelope.
            id: of the envelope.
            size: bytes that wait.

        """
        with self._changing:
            if id in self._envelopes:
                return self.take_again(topic, id)
            step = self._envelopes[id] = Step(call, id, size)
            has_more = self._is_subscribed if self._catching_up else self._queues.__contains__
            for one in topics:
                if one != topic and has_more(one):
                    step.missing.add(one)
                    self._blocked.setdefault(one, []).append(step)
            self._come_to(topic, step)

    def take_again(self, topic: Topic, id: str) -> None:
        """Have a topic come to an envelope that has come by another topic before."""
        with self._changing:
            if (step := self._envelopes.get(id)) is not None:  # or else it has been delivered
                self._come_to(topic, step)

    def _come_to(self, topic: Topic, step: Step) -> None:
        if topic in self._queues:
            step.missing.add(topic)
            self._queues[topic].append(step)
        else:
            self._queues[topic] = deque([step])
            self._stand_at(topic, step)
        if not step.missing:
            self._go_on([step])
        elif not step.is_waiting:
            step.is_waiting = True
            self._wait_with(step.size)

    def _wait_with(self, size: int) -> None:
        self._size += size
        if self._size > WAITING_BYTES:
            logger.warning(
                "More than %d MB of messages wait until all of their topics are caught up with: "
                "they are delivered now, maybe before older messages of a topic",
                WAITING_BYTES // 1_000_000,
            )
            self._untie()

    def _stand_at(self, topic: Topic, step: Step) -> None:
        step.missing.discard(topic)
        step.at.add(topic)

    def _go_on(self, steps: list[Step]) -> None:
        """Do those steps that wait for no topic, and all that follow from that."""
        while steps:
            step = steps.pop()
            if step.missing or step.call is None:
                continue
            self._do(step)
            for topic in step.at:
                steps += self._advance(topic)

    def _do(self, step: Step) -> None:
        if step.is_waiting:
            self._size -= step.size
        if step.id is not None:
            del self._envelopes[step.id]
        call, step.call = step.call, None
        if call is not None:
            self._schedule(*call)

    def _advance(self, topic: Topic) -> list[Step]:
        """Have a topic leave a step that is done; return the steps that may be next."""
        queue = self._queues[topic]
        while queue and queue[0].call is None:
            queue.popleft()
        if queue:
            self._stand_at(topic, queue[0])
            return [queue[0]]
        del self._queues[topic]
        return [] if self._catching_up else self._free(topic)

    def _free(self, topic: Topic) -> list[Step]:
        """Have nothing wait for a topic; return the steps that waited for it."""
        steps = self._blocked.pop(topic, [])
        for step in steps:
            step.missing.discard(topic)
        return steps

    def _untie(self) -> None:
        """Do all that waits, in the order of each topic as far as these orders agree."""
        while self._queues:
            step = next(iter(self._queues.values()))[0]
            step.missing.clear()
            self._go_on([step])
