"""The people who are on channels by sockets of this process.

The first socket of a person on a channel is told to the rosters, which all processes share, and so
is the end of the last one. Sockets between these cost nothing. Each process has a *lease* in the
relay, a number that it raises now and then. A number that does not change any more is that of a
process that has died: any other process removes its people. No clock is compared for that, so no
clock can be wrong.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from django_socketio.channels.attempts import Attempts, FailureLog
from django_socketio.channels.due_people import DuePeople, Place
from django_socketio.channels.former_names import FormerNames
from django_socketio.channels.held import Held
from django_socketio.channels.lost_parts import LostParts
from django_socketio.channels.noted_topics import NotedTopics
from django_socketio.channels.other_processes import (
    PATIENCE,
    RENEW_INTERVAL,
    OtherProcesses,
    remove_people,
)
from django_socketio.concurrency.log_limits import LOGGED_EVERY, Every
from django_socketio.concurrency.mailbox import Mailbox, Pool
from django_socketio.concurrency.timers import Timers
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.relay.envelope import new_id
from django_socketio.relay.roster import Change, Hold, Presence, Renewal, Rosters, in_steps
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.relay")

RETRY_AFTER = 1.0
"""Seconds after which Redis is asked again that could not be asked."""

Announce = Callable[[Iterable[Change]], None]
"""Tells the handlers of the site of changes; the relay may fail after some of them."""

_LOST = "lost"
"""The name of data that Redis has no more; no data is named so."""


class PresenceKeeper:
    """Tells the rosters who is here, and removes the people of processes that have died.

    Args:
        rosters: of the relay.
        timers: of the server.
        pool: runs what asks the relay; handlers of the site must not be in its way.
        grace: seconds for which people are present whose process has ended in order.
        announce: tells handlers of changes.

    """

    def __init__(
        self, rosters: Rosters, timers: Timers, pool: Pool, grace: float, announce: Announce
    ) -> None:
        self._rosters = rosters
        self._timers = timers
        self._mailbox = Mailbox(pool)
        self._announce = announce
        self.process = new_id()
        self._topics: dict[Topic, dict[str, Held]] = {}
        self._people: dict[Place, str] = {}
        self._due = DuePeople()
        self._noted = NotedTopics(rosters, timers.clock)
        self._is_scheduled = self._has_begun = self._is_stopped = False
        self._lease: int | None = None
        self._data = ""
        self._renewed_at = 0.0
        self._others = OtherProcesses(grace)
        self._lost_parts = LostParts(rosters, timers.clock)
        self._not_renewed = Every(LOGGED_EVERY, timers.clock)
        self._logging_failures = FailureLog(timers.clock).logging
        self._former = FormerNames()

    def __len__(self) -> int:
        """Return the number of people here, those of each topic for itself."""
        return sum(map(len, self._topics.values()))

    # The sockets of this process

    def has(self, topic: Topic, person: str) -> bool:
        """Return whether a person is on a topic by sockets of this process."""
        return person in self._topics.get(topic, ())

    def joined(
        self, topic: Topic, socket_id: str, person: str, details: str, is_away: bool = False
    ) -> None:
        """Note that a socket of a person is on a channel, or still is; it may be away."""
        self.begin()
        if self._people.get((topic, socket_id), person) != person:
            self.left(topic, socket_id, 0)  # the socket belongs to somebody else now
        self._people[topic, socket_id] = person
        here = self._topics.setdefault(topic, {}).setdefault(person, Held(details))
        here.sockets[socket_id] = Presence.AWAY if is_away else Presence.ONLINE
        self._stay(here)
        self._settle(topic, person, here)

    def left(self, topic: Topic, socket_id: str, grace: float) -> None:
        """Note that a socket is not on a channel any more.

        Args:
            grace: seconds for which its person is present if this was the last socket.

        """
        person = self._people.pop((topic, socket_id), None)
        if person is None or self._is_stopped:
            return
        here = self._topics[topic][person]
        del here.sockets[socket_id]
        if not here.sockets and grace:
            self._wait(topic, person, here, grace)
        else:
            self._settle(topic, person, here)

    def set_away(self, topic: Topic, socket_id: str, is_away: bool) -> None:
        """Note that the connection of a socket has broken, and may come back; or that it has."""
        person = self._people.get((topic, socket_id))
        if person is not None:
            here = self._topics[topic][person]
            here.sockets[socket_id] = Presence.AWAY if is_away else Presence.ONLINE
            self._settle(topic, person, here)

    def _stay(self, here: Held) -> None:
        if here.timer is not None:
            self._timers.cancel(here.timer)
            here.timer = None

    def _wait(self, topic: Topic, person: str, here: Held, grace: float) -> None:
        def expire(now: float) -> None:
            here.timer = None
            self._settle(topic, person, here)

        self._stay(here)
        here.timer = self._timers.after(grace, expire)

    def _settle(self, topic: Topic, person: str, here: Held) -> None:
        """Have the rosters told, unless they have it so."""
        if here.presence is not here.held or (topic, person) in self._due:
            self._due.add((topic, person))
            self._schedule()

    # What the relay is told, one thing after the other

    def begin(self) -> None:
        """Begin to renew the lease, and to look after other processes."""
        if not self._has_begun and self._rosters.are_shared and not self._is_stopped:
            self._has_begun = True
            self._mailbox.put(self._renew)
            self._timers.every(RENEW_INTERVAL, self._tick)

    def _tick(self) -> None:
        if not self._is_stopped and not self._mailbox.waiting:
            self._mailbox.put(self._renew)

    def _schedule(self) -> None:
        if not self._is_scheduled and not self._is_stopped:
            self._is_scheduled = True
            self._mailbox.put(self._flush)

    def _flush(self) -> None:
        self._is_scheduled = False
        due, attempts = self._due.take(), Attempts()
        with self._logging_failures():
            if self._rosters.are_shared and self._is_old():
                self._renew_now()
            self._announce(self._hold(due, attempts))
            return attempts.end()
        self._due.put_back((place for place in due if self.has(*place)), attempts.failed)
        self._timers.after(RETRY_AFTER, lambda now: self._schedule())

    def _is_old(self) -> bool:
        """Return whether others may count this process as dead: it has stood still, maybe."""
        return self._timers.clock() - self._renewed_at > PATIENCE / 2

    def _hold(self, due: dict[Place, None], attempts: Attempts) -> Iterator[Change]:
        """Tell the rosters how people are here; yield the changes. ``due`` keeps the others."""
        found = [
            (topic, person, self._topics[topic][person])
            for topic, person in due
            if person in self._topics.get(topic, ())
        ]
        topics = {topic for topic, _, _ in found}
        self._noted.note(self.process, topics)
        try:
            for some in in_steps(found):
                topic = some[0][0]
                if attempts.may_ask(topic):
                    self._keep_lease()
                    with attempts.about(topic):
                        yield from self._hold_some(some, due)
        finally:  # also after a failure: those who have left are not among the next ones
            self._forget_empty(topics)

    def _hold_some(
        self, found: Sequence[tuple[Topic, str, Held]], due: dict[Place, None]
    ) -> list[Change]:
        told = {here: here.presence for _, _, here in found}
        holds = [Hold(topic, id, told[here], here.details) for topic, id, here in found]
        changes = self._rosters.hold(self.process, holds)
        for topic, person, here in found:
            here.held = told[here]
            del due[topic, person]
            self._settle(topic, person, here)  # it may have changed meanwhile
            if here.held is here.presence is Presence.GONE:
                del self._topics[topic][person]
        return changes

    def _forget_empty(self, topics: Iterable[Topic]) -> None:
        empty = [topic for topic in topics if not self._topics[topic]]
        for topic in empty:
            del self._topics[topic]
        self._noted.drop(self.process, empty)

    # The leases

    def _renew(self) -> None:
        try:
            self._renew_now()
        except RelayError as error:
            if self._not_renewed.is_due():
                logger.info("The lease of this process could not be renewed: %s", error)

    def _renew_now(self) -> None:
        """Renew the lease, and look at those of others.

        Raises:
            RelayError: the relay cannot be asked.

        """
        if self._is_old():
            self._lost_parts.distrust()
        renewal = self._renewal(is_new=self._lease is None)
        is_forgotten = self._is_forgotten(renewal)
        if renewal.is_held and not is_forgotten:
            is_forgotten = self._lost_parts.are_found(self.process, self._topics)
        if is_forgotten or not renewal.is_held:
            self._take_new_name(is_forgotten)
            renewal = self._renewal(is_new=True)
        self._data, self._lease = renewal.data, renewal.number_of(self.process)
        with self._logging_failures():
            if self._former:
                self._register_again()
            self._noted.prolong(self.process)
        self._remove_the_dead(renewal)

    def _renewal(self, is_new: bool) -> Renewal:
        """Ask for a lease, which is as old as the question: the answer may come much later."""
        asked_at = self._timers.clock()
        renewal = self._rosters.renew(self.process, is_new)
        self._renewed_at = asked_at
        return renewal

    def _keep_lease(self) -> None:
        """Renew the lease while the relay is told much, or others would count this one as dead.

        Raises:
            RelayError: the lease is lost; the next renewal takes another name.

        """
        if self._lease is None or self._timers.clock() - self._renewed_at < RENEW_INTERVAL:
            return
        renewal = self._renewal(is_new=False)
        is_forgotten = self._is_forgotten(renewal)
        if is_forgotten:
            self._data = _LOST  # the number of the next renewal may not show it any more
        if not renewal.is_held or is_forgotten:
            self._renewed_at = -math.inf
            raise RelayError("others have counted this process as dead, or Redis has lost data")
        self._lease = renewal.number_of(self.process)

    def _is_forgotten(self, renewal: Renewal) -> bool:
        """Return whether the relay was emptied, or has older data than it had."""
        if self._lease is None:
            return False
        went_back = renewal.is_held and renewal.number_of(self.process) <= self._lease
        return renewal.data != self._data or went_back

    def _take_new_name(self, is_forgotten: bool) -> None:
        """Be another process from now on: others may be about to remove the people of this one."""
        held = {place: here for place, here in self._everybody() if here.held is not None}
        self._former.add(self.process, self._noted.take(), held if is_forgotten else None)
        self.process, self._lease = new_id(), None
        for here in held.values():
            here.held = None

    def _register_again(self) -> None:
        """Register all people under the new name, then remove those of the former one."""
        attempts = Attempts()
        self._announce(self._former.news(self._registered(attempts)))
        attempts.end()
        self._former.clear()

    def _registered(self, attempts: Attempts) -> Iterator[Change]:
        due = dict.fromkeys(place for place, here in self._everybody() if here.held is None)
        yield from self._hold(due, attempts)
        for name, topics in self._former.items():
            # Orders that were on their way may have come since others removed all of it.
            yield from remove_people(self._rosters, name, topics, attempts, self._keep_lease)

    def _everybody(self) -> Iterator[tuple[Place, Held]]:
        for topic, people in self._topics.items():
            for person, here in people.items():
                yield (topic, person), here

    def _remove_the_dead(self, renewal: Renewal) -> None:
        """Remove the people of processes whose leases have not changed for too long."""
        dead = self._others.dead(renewal.leases, self.process, self._timers.clock())
        for process in (*dead, *renewal.ended):
            logger.info("Removing the people of a process that has ended: %s", process)
            attempts = Attempts()
            gone = remove_people(self._rosters, process, (), attempts, self._keep_lease)
            with self._logging_failures():
                self._announce(gone)
                attempts.end()

    def stop(self) -> None:
        """Renew the lease no more: others remove who does not come back to them."""
        is_held = self._lease is not None and bool(self._topics)
        self._is_stopped = True
        if self._lease is None:
            return
        try:
            if is_held:
                self._rosters.leave(self.process)
            else:
                self._rosters.forget(self.process)
        except RelayError as error:
            logger.info("The end of this process could not be noted: %s", error)
