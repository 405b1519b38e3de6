"""Presence as a model has it: processes come, die and freeze, and tabs open, reload and close."""

import os
from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from django_socketio.relay.memory_rosters import MemoryRosters
from django_socketio.relay.roster import LEAVING
from tests.kit.presence import ROOM, Site

EXAMPLES = int(os.environ.get("TEST_PRESENCE_EXAMPLES", "150"))
"""Runs of the model; a thousand take about two minutes."""

GRACE = 5
SWEPT = 60
"""Seconds after which nobody is there any more for a process that has died."""

PEOPLE = st.sampled_from(["ann", "bob", "cid"])
INDEX = st.integers(0, 9)
if_busy = precondition(lambda self: self.busy())
if_tabs = precondition(lambda self: self.tabs)


class SharedRosters(MemoryRosters):
    """Rosters that several processes share, with leases as Redis has them.

    Args:
        between: called while a process removes the people of another one: others run then.

    """

    are_shared = True

    def __init__(self, between):
        super().__init__(lambda envelope: None, lambda topic: None)
        self._between = between

    def leave(self, process):
        self._leases[process] = LEAVING

    def topics_of(self, process):
        return [topic for topic in [*self._topics] if MemoryRosters.people_of(self, process, topic)]

    def people_of(self, process, topic):
        people = super().people_of(process, topic)
        self._between()
        return people


class PresenceModel(RuleBasedStateMachine):
    """The site, and the tabs that are open in processes that work."""

    @initialize(people=st.lists(PEOPLE, min_size=1, max_size=4))
    def begin(self, people):
        self.site = Site(GRACE)
        self.rosters = SharedRosters(self.site.run_others)
        self.tabs = {}  # the id of a socket: its person, its process
        self.been = defaultdict(set)  # by process: the people that it has had
        self.lived = 0  # seconds in which processes have run
        self.gone_by = defaultdict(int)  # by person without a tab: when it must be gone, as lived
        self.watcher = self.site.start(self.rosters)  # lives for ever
        for person in people:
            self.start()
            self.open_in(self.site.processes[-1], person)

    # What the rules say

    def working(self, index):
        processes = [one for one in self.site.processes if one.is_running]
        return processes[index % len(processes)]

    def busy(self):
        """Return the processes that have tabs and may end."""
        return [
            one
            for one in self.site.processes[1:]
            if any(process is one for _, process in self.tabs.values())
        ]

    def some_busy(self, index):
        processes = self.busy()
        return processes[index % len(processes)]

    def take_tab(self, index):
        """Return a tab that is to end, its person and its process."""
        tab = [*self.tabs][index % len(self.tabs)]
        return tab, *self.tabs.pop(tab)

    def people_with_tabs(self):
        return {person for person, _ in self.tabs.values()}

    def advance(self, seconds):
        self.site.advance(seconds)
        self.lived += seconds

    def goes(self, people, within):
        """Note that people may stay for some seconds, if no tab of theirs is left."""
        for person in people:
            self.gone_by[person] = max(self.gone_by[person], self.lived + within)

    def end(self, process):
        process.is_running = False
        self.goes(self.been[process], SWEPT)
        self.tabs = {tab: at for tab, at in self.tabs.items() if at[1] is not process}

    # Processes

    @rule()
    def start(self):
        self.site.start(self.rosters)

    @if_busy
    @rule(index=INDEX)
    def kill(self, index):
        self.end(self.some_busy(index))

    @if_busy
    @rule(index=INDEX)
    def stop(self, index):
        process = self.some_busy(index)
        process.keeper.stop()
        self.end(process)

    @if_busy
    @rule(index=INDEX, elsewhere=INDEX, seconds=st.sampled_from([1, 4, 8]))
    def reload_the_server(self, index, elsewhere, seconds):
        process = self.some_busy(index)
        people = [person for person, at in self.tabs.values() if at is process]
        told = len(self.site.told)
        process.keeper.stop()
        self.end(process)
        self.advance(seconds)
        for person in people:
            self.open(person, elsewhere)
        assert not {("leave", person) for person in people} & {*self.site.told[told:]}

    @if_busy
    @rule(index=INDEX, seconds=st.sampled_from([3, 15, 40]))
    def freeze(self, index, seconds):
        self.freeze_one(self.some_busy(index), seconds)

    def freeze_one(self, process, seconds):
        process.is_running = False
        self.advance(seconds)
        process.is_running = True
        self.goes(self.been[process], GRACE + 1)

    @if_busy
    @rule(index=INDEX, person=PEOPLE)
    def freeze_and_die_with_a_tab_that_came_last(self, index, person):
        process = self.some_busy(index)
        self.freeze_one(process, 40)
        self.open_in(process, person)
        self.end(process)

    @rule(seconds=st.sampled_from([1, 6, 30]))
    def wait(self, seconds):
        self.advance(seconds)

    @rule(index=INDEX)
    def sleep_as_a_whole(self, index):
        first = self.working(index)
        self.site.now += 600
        first.run()
        self.site.now += 6
        first.run()  # before any other process has woken
        self.advance(6)

    # Tabs

    def open_in(self, process, person):
        self.been[process].add(person)
        self.tabs[process.open(person)] = (person, process)

    @rule(person=PEOPLE, index=INDEX)
    def open(self, person, index):
        self.open_in(self.working(index), person)

    @if_tabs
    @rule(index=INDEX, is_logout=st.booleans())
    def close(self, index, is_logout):
        tab, person, process = self.take_tab(index)
        process.close(tab, at_once=is_logout)
        if not is_logout:
            self.goes([person], GRACE + 1)

    @if_tabs
    @rule(index=INDEX, elsewhere=INDEX, seconds=st.sampled_from([0, 2, 4]))
    def reload(self, index, elsewhere, seconds):
        tab, person, process = self.take_tab(index)
        told = len(self.site.told)
        process.close(tab)
        self.goes([person], GRACE + 1)
        self.advance(seconds)
        self.open(person, elsewhere)
        assert ("leave", person) not in self.site.told[told:]

    # What is so at any time

    @invariant()
    def joins_and_leaves_alternate_and_are_what_the_roster_says(self):
        present = {*self.rosters.read(ROOM).people}
        for person in ("ann", "bob", "cid"):
            told = [what for what, who in self.site.told if who == person]
            assert told == ["join", "leave"] * (len(told) // 2) + ["join"] * (len(told) % 2)
            assert len(told) % 2 == (person in present)

    @invariant()
    def who_has_a_tab_in_a_process_that_never_froze_is_present(self):
        steady = {who for who, at in self.tabs.values() if not at.has_frozen}
        assert steady <= {*self.rosters.read(ROOM).people}

    @invariant()
    def who_has_left_is_gone_in_time(self):
        for person in {*self.rosters.read(ROOM).people} - self.people_with_tabs():
            assert self.lived < self.gone_by[person], person

    def teardown(self):
        if not hasattr(self, "site"):
            return
        self.advance(SWEPT)
        assert {*self.rosters.read(ROOM).people} == self.people_with_tabs()
        self.joins_and_leaves_alternate_and_are_what_the_roster_says()


PresenceModel.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=25, deadline=None, derandomize=True
)
TestPresence = PresenceModel.TestCase
