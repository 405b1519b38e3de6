"""Orders to rosters: one whose answer was lost is given again, under the same id."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from django_socketio.relay.envelope import new_id
from django_socketio.relay.roster import Change, Hold
from django_socketio.relay.topics import Topic

ORDERS_LIFE = 300
"""Seconds for which the answer to the last order about a process on a topic is known."""


class Order(NamedTuple):
    """A step of a roster, about one topic; Redis knows by the id whether it has done it."""

    id: str
    holds: Sequence[Hold]


class _Unanswered(NamedTuple):
    """An order whose answer has not come, and the changes of the one before it."""

    order: Order
    changes: list[Change]


class Orders:
    """Gives the orders of each process and topic, one after the other.

    Args:
        give: gives an order for a process; returns the changes that it has made. Its errors pass.

    """

    def __init__(self, give: Callable[[str, Topic, Order], Iterable[Change]]) -> None:
        self._give = give
        self._unanswered: dict[tuple[str, Topic], _Unanswered] = {}

    def give(self, process: str, topic: Topic, holds: Sequence[Hold]) -> list[Change]:
        """Give an order, and before it the last one if its answer is missing; return the changes.

        Redis may have done that one: its changes would be those of no order otherwise.
        """
        key, orders, changes = (process, topic), [Order(new_id(), holds)], list[Change]()
        if (last := self._unanswered.pop(key, None)) is not None:
            orders, changes = [last.order, *orders], last.changes
        for order in orders:
            try:
                changes += self._give(process, topic, order)
            except BaseException:
                self._unanswered[key] = _Unanswered(order, changes)
                raise
        return changes

    @property
    def processes(self) -> set[str]:
        """The processes with an order whose answer is missing."""
        return {process for process, _ in self._unanswered}

    def topics(self, process: str) -> list[Topic]:
        """Return the topics of a process with an order whose answer is missing."""
        return [topic for one, topic in self._unanswered if one == process]

    def people(self, process: str, topic: Topic) -> set[str]:
        """Return the people of an order whose answer is missing."""
        last = self._unanswered.get((process, topic))
        return set() if last is None else {hold.person for hold in last.order.holds}
